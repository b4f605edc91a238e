//! What a page of another origin may do, and read (the Fetch Standard 3.2): the headers of answers to it, and of answers to
//! what its browser asks first.

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use config::Origins;

const ALLOWED_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, last-event-id, sluicegate-session, sluicegate-batch");
const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static("retry-after");
/// For how long a browser need not ask again, in seconds. Chromium remembers no longer.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// What an answer tells the page that asked. Its origin was found to be allowed; none asked from a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cors {
    allowed: Option<HeaderValue>,
    /// Whether the page's cookies may be sent, and its answer be read all the same.
    credentials: bool,
}

// === impl Cors ===

impl Cors {
    /// For a page of this allowed origin. Where every page may ask, none is told that it may with cookies.
    pub(super) fn of(allowed: &Origins, origin: Option<&str>) -> Self {
        let is_any = allowed.allows_any();
        let echoed = origin.and_then(|origin| HeaderValue::from_str(origin).ok());
        Self {
            allowed: echoed.map(|origin| if is_any { ANY } else { origin }),
            credentials: !is_any,
        }
    }

    /// The headers of an answer.
    pub(super) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = vec![(VARY, HeaderValue::from_static("Origin"))];
        if let Some(origin) = &self.allowed {
            headers.push((ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()));
            headers.push((ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS));
            if self.credentials {
                headers.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
            }
        }
        headers
    }

    /// Adds the headers of an answer.
    pub(super) fn add_to(&self, headers: &mut HeaderMap) {
        headers.extend(self.headers());
    }

    /// Adds what a browser is told that asks first.
    pub(super) fn add_preflight_to(&self, headers: &mut HeaderMap) {
        self.add_to(headers);
        if self.allowed.is_some() {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
    }

    /// The headers of an answer as lines.
    pub(super) fn lines(&self) -> Box<str> {
        let line = |(name, value): (HeaderName, HeaderValue)| {
            let value = value.to_str().unwrap_or_default().to_owned();
            format!("{name}: {value}\r\n")
        };
        self.headers().into_iter().map(line).collect::<String>().into()
    }
}
