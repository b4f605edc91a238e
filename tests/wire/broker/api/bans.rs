//! Bans of users and of addresses: given, listed page by page, lifted, and bounded.

use super::{broker, config};
use crate::support::admin::{full_key, key_table};
use crate::support::{Broker, Value, json};

const BANS: &str = "/tenants/acme/bans";

async fn listed(broker: &Broker) -> Vec<(String, String)> {
    let page = broker.read(BANS).await;
    let bans = page["bans"].as_array().unwrap().clone();
    let text = |ban: &Value, key: &str| ban[key].as_str().map(str::to_owned);
    bans.iter()
        .map(|ban| {
            let whom = text(ban, "user").or_else(|| text(ban, "address")).unwrap();
            (whom, text(ban, "by").unwrap())
        })
        .collect()
}

#[tokio::test]
async fn an_address_is_banned_for_clients_without_a_user_of_one_tenant_until_it_is_lifted() {
    let broker = broker().await;
    let other = broker.dial("guest").tenant("other");
    let mut guest = other.connect().await;
    let mut elsewhere = broker.user("ann").await;
    let path = "/tenants/other/addresses/127.0.0.1/ban";
    let done = broker
        .call("PUT", path, json!({ "seconds": 3600, "reason": "spam" }))
        .await
        .ok();
    assert_eq!(done["affected"], 1);
    guest.expect_disconnect(4505, "banned", false).await;
    let (error, mut refused) = other.connect_refused(4451).await;
    assert!(
        error["retry_after_ms"].as_u64().is_some_and(|left| left > 3_500_000),
        "{error}"
    );
    refused.expect_close(4505).await;
    elsewhere.still_works().await;
    broker.user("bob").await.still_works().await;
    let page = broker.read("/tenants/other/bans").await;
    let ban = &page["bans"][0];
    assert_eq!((&ban["address"], &ban["by"]), (&json!("127.0.0.1"), &json!("operator")));
    assert!(
        ban["until_ms"].as_u64().is_some_and(|until| until > 1_700_000_000_000),
        "{page}"
    );
    assert!(ban.get("user").is_none(), "{page}");
    assert!(listed(&broker).await.is_empty(), "it is of the other tenant");
    // The same address, written as an IPv6 address.
    let path = "/tenants/other/addresses/%3A%3Affff%3A127.0.0.1/ban";
    assert_eq!(broker.call("DELETE", path, Value::Null).await.ok()["affected"], 1);
    other.connect().await.still_works().await;
    assert_eq!(broker.read("/tenants/other/bans").await["bans"], json!([]));
}

#[tokio::test]
async fn bans_are_listed_page_by_page_as_they_end() {
    let broker = broker().await;
    let ban = async |path: &str, seconds: u64| {
        let path = format!("/tenants/acme/{path}/ban");
        broker.call("PUT", &path, json!({ "seconds": seconds })).await.ok();
    };
    ban("users/late", 9000).await;
    ban("users/s%2Foon", 60).await;
    ban("addresses/2001%3Adb8%3A1%3A2%3A%3A7", 600).await;
    ban("addresses/192.0.2.1", 1200).await;
    let all = ["s/oon", "2001:db8:1:2::/64", "192.0.2.1", "late"];
    let found: Vec<_> = listed(&broker).await.into_iter().map(|(whom, _)| whom).collect();
    assert_eq!(found, all);
    let (mut next, mut pages) = (String::new(), Vec::new());
    loop {
        let page = broker.read(&format!("{BANS}?limit=3{next}")).await;
        pages.push(page["bans"].as_array().unwrap().len());
        let Some(after) = page["next"].as_str() else { break };
        next = format!("&after={}", after.replace(':', "%3A").replace('/', "%2F"));
    }
    assert_eq!(pages, [3, 1]);
    // As it is listed it can be lifted.
    let path = "/tenants/acme/addresses/2001%3Adb8%3A1%3A2%3A%3A%2F64/ban";
    assert_eq!(broker.call("DELETE", path, Value::Null).await.ok()["affected"], 1);
    assert_eq!(listed(&broker).await.len(), 3);
}

#[tokio::test]
async fn what_is_no_address_or_no_page_is_refused() {
    let broker = broker().await;
    for address in [
        "ann",
        "192.0.2.0%2F24",
        "192.0.2.256",
        "2001%3Adb8%3A%3A%2F48",
        "127.1",
        "fe80%3A%3A1%25eth0",
    ] {
        let path = format!("/tenants/acme/addresses/{address}/ban");
        let problem = broker.call("DELETE", &path, Value::Null).await.problem(400, "bad_path");
        assert!(
            problem["detail"].as_str().unwrap().contains("an IPv4 address"),
            "{problem}"
        );
    }
    for after in ["x", "p1", "p1a:ann", "1795326349120"] {
        let path = format!("{BANS}?after={after}");
        broker.call("GET", &path, Value::Null).await.problem(400, "bad_query");
    }
}

#[tokio::test]
async fn who_may_ban_may_list_and_nobody_else() {
    let reader = "a-key-that-may-read-only-0123456789";
    let keys = [
        full_key(),
        key_table("reader", reader, r#"scopes = ["read", "connections"]"#),
    ]
    .concat();
    let broker = Broker::start(&super::config_with("", &keys)).await;
    broker
        .call_as(reader, "GET", BANS, Value::Null)
        .await
        .problem(403, "missing_scope");
}

#[tokio::test]
async fn a_tenant_has_as_many_bans_as_its_limit_and_a_reload_raises_it() {
    let limited = |bans: u32| config("").replacen("[tenants.limits]", &format!("[tenants.limits]\nbans = {bans}"), 1);
    let broker = Broker::start(&limited(3)).await;
    let ban = async |name: &str| {
        let path = format!("/tenants/acme/users/{name}/ban");
        broker.call("PUT", &path, json!({ "seconds": 3600 })).await
    };
    for name in ["a", "b", "c", "a"] {
        ban(name).await.ok();
    }
    let problem = ban("d").await.problem(409, "too_many_bans");
    assert!(problem["detail"].as_str().unwrap().contains("limits.bans"), "{problem}");
    assert_eq!(listed(&broker).await.len(), 3);
    broker.user("d").await.still_works().await;
    broker
        .call("DELETE", "/tenants/acme/users/b/ban", Value::Null)
        .await
        .ok();
    ban("d").await.ok();
    broker.reload(&limited(4)).await;
    ban("e").await.ok();
    assert_eq!(listed(&broker).await.len(), 4);
}
