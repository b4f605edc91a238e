//! The admin API as an operator's server calls it.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::broker::Broker;
use super::http::{self, Response};

/// A key that is good for everything.
pub(crate) const KEY: &str = "sga_a-key-that-only-the-tests-know-0123456789";

/// A `[[admin.keys]]` of the config: `more` has at least its scopes.
pub(crate) fn key_table(name: &str, key: &str, more: &str) -> String {
    let hash = Sha256::digest(key).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes all");
        hex
    });
    format!("[[admin.keys]]\nname = \"{name}\"\nsha256 = \"{hash}\"\n{more}\n")
}

/// The `[[admin.keys]]` of [`KEY`].
pub(crate) fn full_key() -> String {
    key_table(
        "ops",
        KEY,
        r#"scopes = ["publish", "read", "connections", "ban", "tenants"]"#,
    )
}

/// What a call was answered with.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The response.
    pub response: Response,
    /// Its body; null for TOML.
    pub json: Value,
}

impl Answer {
    /// The body of an answer that is no problem.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.response.status, 200, "{self:?}");
        assert_eq!(self.response.header("content-type"), Some("application/json"));
        self.json
    }

    /// The body of a problem of this kind, checked against RFC 9457.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.response.status, status, "{self:?}");
        let content = self.response.header("content-type");
        assert_eq!(content, Some("application/problem+json"), "{self:?}");
        assert_eq!(self.json["status"], status, "{self:?}");
        assert_eq!(self.json["code"], code, "{self:?}");
        assert_eq!(self.json["type"], format!("/problems/{}", code.replace('_', "-")));
        for text in ["title", "detail"] {
            assert!(
                self.json[text].as_str().is_some_and(|text| !text.is_empty()),
                "{self:?}"
            );
        }
        self.json
    }
}

/// One request under `/api/v1`, with these bytes as its body.
pub(crate) async fn request(admin: SocketAddr, method: &str, path: &str, key: Option<&str>, body: &[u8]) -> Answer {
    request_with(admin, method, path, key, "", body).await
}

/// The same with more headers, each a line.
pub(crate) async fn request_with(
    admin: SocketAddr,
    method: &str,
    path: &str,
    key: Option<&str>,
    headers: &str,
    body: &[u8],
) -> Answer {
    let headers = headers
        .lines()
        .fold(String::new(), |headers, line| format!("{headers}{}\r\n", line.trim()));
    let mut stream = http::dial(admin, None).await;
    let authorization = key.map_or_else(String::new, |key| format!("authorization: Bearer {key}\r\n"));
    let head = format!(
        "{method} /api/v1{path} HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n{headers}{authorization}content-length: {}\r\n\r\n",
        body.len()
    );
    // A server that refuses a body need not read it.
    stream.write_all(head.as_bytes()).await.expect("the head is taken");
    stream.write_all(body).await.ok();
    let (response, _) = http::respond(&mut stream).await;
    let json = match response.header("content-type") {
        Some("application/toml") => Value::Null,
        _ => serde_json::from_str(&response.body).unwrap_or_else(|e| panic!("no JSON: {e}: {response:?}")),
    };
    Answer { response, json }
}

impl Broker {
    /// A call with [`KEY`].
    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        self.call_as(KEY, method, path, body).await
    }

    /// A call with this key.
    pub(crate) async fn call_as(&self, key: &str, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        request(self.admin, method, path, Some(key), body.as_bytes()).await
    }

    /// A `GET` with [`KEY`] that is answered.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> impl Future<Output = Value> {
        let call = self.call("GET", path, Value::Null);
        async move { call.await.ok() }
    }

    /// A `POST` with [`KEY`] that is answered.
    pub(crate) async fn order(&self, path: &str, body: Value) -> Value {
        self.call("POST", path, body).await.ok()
    }

    /// The lines of the audit log in this file of its folder.
    pub(crate) fn audit(&self, name: &str) -> Vec<Value> {
        let path = self.home.path(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        text.lines().map(line).collect()
    }
}
