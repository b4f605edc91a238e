//! Tickets that are no good, and too many that are.

use crate::support::{Broker, json, token};

async fn broker() -> Broker {
    let secret = token::SECRET;
    let tenant = |name: &str, limits: &str| {
        format!(
            r#"
            [[tenants]]
            name = "{name}"
            default = "allow"
            {limits}
            [[tenants.chain]]
            plugin = "authorize"
            hooks = ["connect"]
            deadline_ms = 1000
            config = {{ keys = [{{ alg = "HS256", secret = "{secret}" }}] }}
            "#
        )
    };
    let tenants = [
        tenant("a", ""),
        tenant("b", ""),
        tenant("few", "limits = { tickets = 2 }"),
    ]
    .concat();
    Broker::start(&format!(
        r#"
        server = {{ default_tenant = "a", shards = 2 }}
        plugins.authorize.file = "plugins/authorize.wasm"
        {tenants}
        "#
    ))
    .await
}

/// What a ticket is brought to.
const WAYS: [&str; 2] = ["sse", "ws"];

/// The status that a ticket gets there; 101 and 200 are a session.
async fn status(broker: &Broker, tenant: &str, way: &str, ticket: &str) -> u16 {
    let target = format!("/t/{tenant}/{way}?channels=c&ticket={ticket}");
    if way == "ws" {
        let (answer, _) = broker.dial("ann").path(&target).upgrade().await;
        return answer.status;
    }
    broker.ask("GET", &target).status().await
}

#[tokio::test]
async fn of_many_at_once_one_gets_in() {
    let broker = broker().await;
    let ticket = broker.ticket("a", &token::of("ann")).await;
    let at_once = (0..20).map(|number| status(&broker, "a", WAYS[number % 2], &ticket));
    let mut answers = futures_util::future::join_all(at_once).await;
    answers.sort_unstable();
    assert!(answers[0] < 401, "{answers:?}");
    assert!(answers[1..].iter().all(|status| *status == 401), "{answers:?}");
}

#[tokio::test]
async fn what_is_no_ticket_opens_nothing() {
    let broker = broker().await;
    let ticket = broker.ticket("a", &token::of("ann")).await;
    let long = "A".repeat(8_000);
    let cases = [
        (token::of("ann"), 401),
        (String::new(), 401),
        (ticket[1..].to_owned(), 401),
        (format!("{ticket}A"), 401),
        (ticket.to_uppercase(), 401),
        ("%00%ff".into(), 400),
        ("A".repeat(43), 401),
        (long, 401),
        (format!("{ticket}&ticket={ticket}"), 400),
    ];
    for way in WAYS {
        for (text, expected) in &cases {
            let got = status(&broker, "a", way, text).await;
            // An empty one may also be none.
            assert!(
                got == *expected || text.is_empty() && (400..500).contains(&got),
                "{way}: {text:?} gets {got}"
            );
        }
    }
    assert_eq!(status(&broker, "a", "ws", &ticket).await, 101, "it was not spent");
}

#[tokio::test]
async fn a_ticket_is_given_for_a_good_token_in_a_header() {
    let broker = broker().await;
    let good = token::of("ann");
    let long = token::with(&json!({ "sub": "ann", "exp": token::seconds(3600), "name": "x".repeat(7_000) }));
    let expired = token::with(&json!({ "sub": "ann", "exp": token::seconds(-3600) }));
    let cases = [
        (broker.ask("POST", "/ticket"), 401),
        (broker.ask("POST", "/ticket").bearer("nonsense"), 401),
        (broker.ask("POST", "/ticket").bearer(&expired), 401),
        (broker.ask("POST", "/ticket").bearer(&long), 413),
        (broker.ask("POST", &format!("/ticket?token={good}")), 401),
        (
            broker
                .ask("POST", "/ticket")
                .header("Authorization", &format!("Basic {good}")),
            401,
        ),
        (broker.ask("GET", "/ticket").bearer(&good), 405),
        (broker.ask("POST", "/t/nobody/ticket").bearer(&good), 404),
        (
            broker
                .ask("POST", "/ticket")
                .bearer(&good)
                .header("Origin", "https://evil.example"),
            403,
        ),
        (broker.ask("POST", "/ticket").bearer(&good), 200),
    ];
    for (number, (ask, expected)) in cases.into_iter().enumerate() {
        let answer = ask.answer().await;
        assert_eq!(answer.status, expected, "{number}: {answer:?}");
        assert!(!answer.body.contains(&good), "{number}");
    }
}

#[tokio::test]
async fn a_tenant_that_has_all_its_tickets_is_told_when_to_come_back_and_others_go_on() {
    let broker = broker().await;
    let first = broker.ticket("few", &token::of("ann")).await;
    broker.ticket("few", &token::of("bob")).await;
    let refused = broker
        .ask("POST", "/t/few/ticket")
        .bearer(&token::of("eve"))
        .answer()
        .await;
    assert_eq!(refused.status, 429, "{refused:?}");
    let seconds: u64 = refused.header("retry-after").expect("when").parse().expect("seconds");
    assert!((1..=60).contains(&seconds), "{refused:?}");
    broker.ticket("a", &token::of("eve")).await;
    assert_eq!(status(&broker, "few", "ws", &first).await, 101);
    broker.ticket("few", &token::of("eve")).await;
}
