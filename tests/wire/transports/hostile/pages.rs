//! Pages of other origins: what their browsers are told, and what they may not.

use crate::support::http::Response;
use crate::support::http_client::EventReader;
use crate::support::{Broker, json, token};

const GOOD: &str = "https://acme.example";
const PATHS: [(&str, &str); 4] = [("ticket", "POST"), ("sse", "GET"), ("send", "POST"), ("poll", "POST")];

async fn broker() -> Broker {
    let secret = token::SECRET;
    Broker::start(&format!(
        r#"
        [server]
        default_tenant = "some"
        [plugins.authorize]
        file = "plugins/authorize.wasm"

        [[tenants]]
        name = "some"
        token_cookie = "sluice_token"
        allowed_origins = ["{GOOD}", "http://localhost:3000"]
        chain = [{{ plugin = "authorize", deadline_ms = 1000, config = {{ keys = [{{ alg = "HS256", secret = "{secret}" }}], rules = [{{ channels = "c", allow = ["subscribe"] }}] }} }}]

        [[tenants]]
        name = "all"
        anonymous = true
        default = "allow"
        allowed_origins = ["*"]

        [[tenants]]
        name = "none"
        anonymous = true
        default = "allow"
        "#
    ))
    .await
}

fn cors(answer: &Response) -> Vec<&str> {
    let names = answer.headers.iter().map(|(name, _)| name.as_str());
    names.filter(|name| name.starts_with("access-control-")).collect()
}

#[tokio::test]
async fn a_browser_that_asks_first_is_told_what_an_allowed_page_may() {
    let broker = broker().await;
    for (path, method) in PATHS {
        for base in ["", "/t/some"] {
            for origin in [GOOD, "http://localhost:3000"] {
                let ask = broker
                    .ask("OPTIONS", &format!("{base}/{path}"))
                    .header("Origin", origin)
                    .header("Access-Control-Request-Method", method)
                    .header("Access-Control-Request-Headers", "authorization,content-type");
                let answer = ask.answer().await;
                assert!([200, 204].contains(&answer.status), "{base}/{path}: {answer:?}");
                let header = |name| answer.header(name).unwrap_or_default().to_ascii_lowercase();
                assert_eq!(header("access-control-allow-origin"), origin);
                assert_eq!(header("access-control-allow-credentials"), "true");
                assert!(
                    header("access-control-allow-methods").contains(&method.to_ascii_lowercase()),
                    "{answer:?}"
                );
                let allowed = header("access-control-allow-headers");
                for name in [
                    "authorization",
                    "content-type",
                    "last-event-id",
                    "sluicegate-session",
                    "sluicegate-batch",
                ] {
                    assert!(allowed.split(", ").any(|word| word == name), "{name}: {answer:?}");
                }
                assert!(header("access-control-max-age").parse::<u32>().is_ok(), "{answer:?}");
                assert!(header("vary").contains("origin"), "{answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_page_that_may_not_gets_403_and_nothing_to_read() {
    let broker = broker().await;
    for (path, method) in PATHS {
        for origin in [
            "https://evil.example",
            "http://acme.example",
            "https://acme.example:8443",
            "https://acme.example.evil.example",
            "null",
            "",
            "*",
        ] {
            for method in ["OPTIONS", method] {
                for tenant in ["some", "none"] {
                    let ask = broker
                        .ask(method, &format!("/t/{tenant}/{path}"))
                        .bearer(&token::of("ann"))
                        .header("Origin", origin);
                    let answer = ask.answer().await;
                    assert_eq!(
                        answer.status, 403,
                        "{method} /{tenant}/{path} from {origin:?}: {answer:?}"
                    );
                    assert_eq!(cors(&answer), [""; 0], "{method} /{tenant}/{path} from {origin:?}");
                }
            }
        }
        let twice = broker
            .ask("OPTIONS", &format!("/{path}"))
            .header("Origin", GOOD)
            .header("Origin", GOOD);
        let answer = twice.answer().await;
        assert!(
            (400..500).contains(&answer.status) && cors(&answer).is_empty(),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn answers_can_be_read_by_the_page_that_asked_also_refusals() {
    let broker = broker().await;
    let cases = [
        (broker.ask("POST", "/ticket").bearer(&token::of("ann")), 200),
        (broker.ask("POST", "/ticket"), 401),
        (
            broker
                .ask("POST", "/send")
                .header("Sluicegate-Session", "a.b")
                .json(&json!([])),
            410,
        ),
        (broker.ask("POST", "/send").json(&json!([])), 401),
        (broker.ask("POST", "/poll").body("x"), 400),
        (broker.ask("GET", "/sse?channels=a%20b").bearer(&token::of("ann")), 400),
        (broker.ask("GET", "/sse?channels=c"), 401),
    ];
    for (number, (ask, expected)) in cases.into_iter().enumerate() {
        let answer = ask.clone().header("Origin", GOOD).answer().await;
        assert_eq!(answer.status, expected, "{number}: {answer:?}");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some(GOOD),
            "{number}: {answer:?}"
        );
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            Some("true"),
            "{number}: {answer:?}"
        );
        assert_eq!(
            answer.header("access-control-expose-headers"),
            Some("retry-after"),
            "{number}: {answer:?}"
        );
        assert!(
            answer
                .header("vary")
                .is_some_and(|vary| vary.eq_ignore_ascii_case("origin")),
            "{number}: {answer:?}"
        );
        let same_page = ask.answer().await;
        assert_eq!(same_page.status, expected, "{number}");
        assert_eq!(cors(&same_page), [""; 0], "{number}: nobody of another origin asked");
        let vary = same_page
            .header("vary")
            .is_some_and(|vary| vary.eq_ignore_ascii_case("origin"));
        assert!(
            vary,
            "{number}: what is kept for one page is not another's: {same_page:?}"
        );
    }
    let bearer = format!("Bearer {}", token::of("ann"));
    let headers = [("Authorization", bearer.as_str()), ("Origin", GOOD)];
    let events = EventReader::open(broker.address, None, "channels=c", &headers).await;
    assert_eq!(events.head.header("access-control-allow-origin"), Some(GOOD));
    assert_eq!(events.head.header("vary"), Some("Origin"));
}

#[tokio::test]
async fn where_every_page_may_ask_none_asks_with_cookies() {
    let broker = broker().await;
    for origin in [GOOD, "https://evil.example", "null"] {
        for method in ["OPTIONS", "POST"] {
            let ask = broker.ask(method, "/t/all/poll").header("Origin", origin);
            let connect = json!({ "requests": [{ "type": "connect", "id": 1, "payload": { "version": 1 } }] });
            let ask = if method == "POST" { ask.json(&connect) } else { ask };
            let answer = ask.answer().await;
            assert!(answer.status < 300, "{answer:?}");
            let allowed = answer.header("access-control-allow-origin").expect("it may");
            assert_eq!(allowed, "*", "{answer:?}");
            assert_eq!(answer.header("access-control-allow-credentials"), None, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_cookie_is_a_token_for_an_allowed_page_alone() {
    let broker = broker().await;
    let cookie = format!("sluice_token={}", token::of("ann"));
    let ask = broker.ask("GET", "/sse?channels=c").header("Cookie", &cookie);
    assert_eq!(ask.status().await, 401, "who asks is not known");
    for (name, value, is_allowed) in [
        ("Origin", GOOD, true),
        ("Sec-Fetch-Site", "same-origin", true),
        ("Sec-Fetch-Site", "same-site", false),
        ("Sec-Fetch-Site", "cross-site", false),
        ("Sec-Fetch-Site", "none", false),
        ("Sec-Fetch-Site", "same-origin, same-origin", false),
    ] {
        let status = ask.clone().header(name, value).status().await;
        assert_eq!(status, if is_allowed { 200 } else { 401 }, "{name}: {value}");
    }
    let evil = ask
        .header("Sec-Fetch-Site", "same-origin")
        .header("Origin", "https://evil.example");
    assert_eq!(evil.answer().await.status, 403);
    // A page of another origin can post without being asked first: its cookies are not enough.
    let connect = json!({ "requests": [{ "type": "connect", "id": 1, "payload": { "version": 1 } }] });
    for path in ["/poll", "/ticket"] {
        let simple = broker
            .ask("POST", path)
            .header("Cookie", &cookie)
            .header("Sec-Fetch-Site", "cross-site")
            .header("Content-Type", "text/plain")
            .body(connect.to_string());
        let answer = simple.answer().await;
        let is_refused = answer.status == 401 || answer.body.contains("4401") || answer.body.contains("4502");
        assert!(is_refused, "{path}: {answer:?}");
    }
}
