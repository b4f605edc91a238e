//! Requests: the document and the code accept the same ones, and errors speak of JSON.

use super::broker;
use crate::support::admin::{KEY, request};
use crate::support::{Value, json};

#[tokio::test]
async fn an_error_names_the_field_and_what_it_must_be_and_what_came() {
    let broker = broker().await;
    let many: Vec<_> = (0..=1000).map(|n| format!("c{n}")).collect();
    let many = json!({ "channels": many, "data": 1 }).to_string();
    let long = json!({ "channel": "x".repeat(256), "data": 1 }).to_string();
    let bodies = [
        ("POST publish", "[]", "the body must be an object, not a list of 0"),
        // A list in the order of the fields is no object either.
        (
            "POST publish",
            r#"["c", 1]"#,
            "the body must be an object, not a list of 2",
        ),
        ("POST publish", "7", "the body must be an object, not 7"),
        (
            "POST publish",
            r#"{"data":1}"#,
            r#""channel": is missing, must be 1 to 255 bytes of UTF-8 without spaces and control characters"#,
        ),
        (
            "POST publish",
            r#"{"channel":"a b","data":1}"#,
            r#""channel": must be 1 to 255 bytes of UTF-8 without spaces and control characters, not the text "a b""#,
        ),
        (
            "POST publish",
            &long,
            r#""channel": must be 1 to 255 bytes of UTF-8 without spaces and control characters, not a text of 256 bytes"#,
        ),
        (
            "POST publish",
            r#"{"channel":"c","data":1,"dat":1}"#,
            r#""dat": is not known; there are "channel", "data", "encoding", "ephemeral", "key""#,
        ),
        (
            "POST publish",
            r#"{"channel":"c","data":1,"ephemeral":"yes"}"#,
            r#""ephemeral": must be true or false, not the text "yes""#,
        ),
        (
            "POST broadcast",
            r#"{"channels":["a","b","a"],"data":1}"#,
            r#""channels": must be 1 to 1000 channel names, each once, not with "a" twice"#,
        ),
        (
            "POST broadcast",
            &many,
            r#""channels": must be 1 to 1000 channel names, each once, not a list of 1001"#,
        ),
        (
            "POST broadcast",
            r#"{"channels":["a",7],"data":1}"#,
            r#""channels[1]": must be 1 to 255 bytes of UTF-8 without spaces and control characters, not 7"#,
        ),
        (
            "POST users/ann/disconnect",
            r#"{"code":4400}"#,
            r#""code": must be 4504, 4300 to 4399 or 4800 to 4899, not 4400"#,
        ),
        (
            "POST users/ann/disconnect",
            r#"{"code":4302.5}"#,
            r#""code": must be 4504, 4300 to 4399 or 4800 to 4899, not 4302.5"#,
        ),
        (
            "PUT users/ann/ban",
            r#"{"seconds":"60"}"#,
            r#""seconds": must be a whole number from 1 to 31536000, not the text "60""#,
        ),
        (
            "PUT users/ann/ban",
            r#"{"seconds":null}"#,
            r#""seconds": must be a whole number from 1 to 31536000, not null"#,
        ),
    ];
    for (call, body, detail) in bodies {
        let (method, path) = call.split_once(' ').unwrap();
        let path = format!("/tenants/acme/{path}");
        let answer = request(broker.admin, method, &path, Some(KEY), body.as_bytes()).await;
        assert_eq!(answer.problem(422, "bad_body")["detail"], detail, "{body}");
    }
}

#[tokio::test]
async fn an_error_names_the_parameter_and_what_it_must_be_and_what_came() {
    let broker = broker().await;
    let queries = [
        (
            "channels?limit=0",
            r#""limit": must be a whole number from 1 to 1000, not 0"#,
        ),
        (
            "channels?limit=1.5",
            r#""limit": must be a whole number from 1 to 1000, not 1.5"#,
        ),
        (
            "channels?limit=x",
            r#""limit": must be a whole number from 1 to 1000, not the text "x""#,
        ),
        (
            "channels?limit=",
            r#""limit": must be a whole number from 1 to 1000, not the text """#,
        ),
        (
            "channels?lim=1",
            r#""lim": is not known; there are "after", "limit", "prefix""#,
        ),
        ("channels?after=a&after=b", r#""after": is there twice"#),
        (
            "connections?user=",
            r#""user": must be 1 to 255 bytes of UTF-8, not the text """#,
        ),
        (
            "channels/room:1/history?reverse=1",
            r#""reverse": must be true or false, not the text "1""#,
        ),
        (
            "channels/room:1/history?since_epoch=e&since_offset=-1",
            r#""since_offset": must be a whole number from 0 to 18446744073709551615, not -1"#,
        ),
        ("?limit=1", r#""limit": is not known; the query has no fields"#),
    ];
    for (query, detail) in queries {
        let path = match query.starts_with('?') {
            true => format!("/tenants/acme{query}"),
            false => format!("/tenants/acme/{query}"),
        };
        let problem = broker.call("GET", &path, Value::Null).await.problem(400, "bad_query");
        assert_eq!(problem["detail"], detail, "{query}");
    }
    let path = format!("/tenants/acme/users/{}/disconnect", "x".repeat(256));
    let problem = broker.call("POST", &path, Value::Null).await.problem(400, "bad_path");
    assert_eq!(
        problem["detail"],
        r#""user": must be 1 to 255 bytes of UTF-8, not a text of 256 bytes"#
    );
}

#[tokio::test]
async fn a_whole_number_may_be_written_as_any_number_is() {
    let broker = broker().await;
    let history = "/tenants/acme/channels/room:1/history";
    let epoch = broker.read(history).await["epoch"].as_str().unwrap().to_owned();
    broker.read("/tenants/acme/channels?limit=10.0").await;
    broker.read(&format!("{history}?limit=1e2")).await;
    broker
        .read(&format!("{history}?since_epoch={epoch}&since_offset=0.0"))
        .await;
    let calls = [
        ("POST", "/tenants/acme/users/ann/disconnect", r#"{"code":4302.0}"#),
        ("PUT", "/tenants/acme/users/ann/ban", r#"{"seconds":6e1}"#),
    ];
    for (method, path, body) in calls {
        request(broker.admin, method, path, Some(KEY), body.as_bytes())
            .await
            .ok();
    }
}

#[tokio::test]
async fn names_are_limited_in_bytes() {
    let broker = broker().await;
    let publish = async |channel: String| {
        let body = json!({ "channel": channel, "data": 1 });
        let answer = broker.call("POST", "/tenants/acme/publish", body).await;
        answer.response.status
    };
    for (character, most) in [("x", 255), ("ü", 127), ("€", 85), ("👋", 63)] {
        assert_eq!(publish(character.repeat(most)).await, 200, "{most} of {character}");
        assert_eq!(
            publish(character.repeat(most + 1)).await,
            422,
            "{most} and one of {character}"
        );
    }
}

#[tokio::test]
async fn a_message_is_nested_as_deep_as_it_likes_and_nothing_else_is() {
    let broker = broker().await;
    let publish = async |body: String| {
        let path = "/tenants/acme/publish";
        request(broker.admin, "POST", path, Some(KEY), body.as_bytes()).await
    };
    let nested = format!("{}{}", "[".repeat(500), "]".repeat(500));
    publish(format!(r#"{{"channel":"c","data":{nested}}}"#)).await.ok();
    publish(format!(r#"{{"channel":{nested},"data":1}}"#))
        .await
        .problem(422, "bad_body");
}
