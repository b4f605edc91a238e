//! The `OpenAPI` document lists every call, and there are no others.

use super::broker;
use crate::support::admin::request;

const PLACES: [(&str, &str); 6] = [
    ("{tenant}", "acme"),
    ("{channel}", "room:1"),
    ("{user}", "ann"),
    ("{address}", "192.0.2.1"),
    ("{session}", "none"),
    ("{id}", "j61"),
];

#[tokio::test]
async fn every_described_call_is_there_and_needs_a_key() {
    let broker = broker().await;
    let document = request(broker.admin, "GET", "/openapi.json", None, b"").await.ok();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], "/api/v1");
    let mut calls = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let scope = operation["x-scope"].as_str().unwrap();
            calls.push(format!("{} {path} {scope}", method.to_uppercase()));
            let path = PLACES
                .iter()
                .fold(path.clone(), |path, (place, name)| path.replace(place, name));
            // Without a key the call is refused, but it is there: neither 404 nor 405.
            let answer = request(broker.admin, &method.to_uppercase(), &path, None, b"").await;
            answer.problem(401, "bad_key");
        }
    }
    calls.sort();
    let expected = [
        "DELETE /tenants/{tenant}/addresses/{address}/ban ban",
        "DELETE /tenants/{tenant}/config tenants",
        "DELETE /tenants/{tenant}/revocations/{id} ban",
        "DELETE /tenants/{tenant}/users/{user}/ban ban",
        "GET /tenants/{tenant} read",
        "GET /tenants/{tenant}/bans ban",
        "GET /tenants/{tenant}/channels read",
        "GET /tenants/{tenant}/channels/{channel}/history read",
        "GET /tenants/{tenant}/channels/{channel}/presence read",
        "GET /tenants/{tenant}/config tenants",
        "GET /tenants/{tenant}/connections connections",
        "GET /tenants/{tenant}/revocations ban",
        "POST /tenants/{tenant}/broadcast publish",
        "POST /tenants/{tenant}/publish publish",
        "POST /tenants/{tenant}/revocations ban",
        "POST /tenants/{tenant}/sessions/{session}/disconnect connections",
        "POST /tenants/{tenant}/users/{user}/disconnect connections",
        "POST /tenants/{tenant}/users/{user}/unsubscribe connections",
        "PUT /tenants/{tenant}/addresses/{address}/ban ban",
        "PUT /tenants/{tenant}/config tenants",
        "PUT /tenants/{tenant}/users/{user}/ban ban",
    ];
    assert_eq!(calls, expected);
}
