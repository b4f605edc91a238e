//! The files that the pages are made of, carried by the program. Knows no tenant.

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};

use crate::gateway::refusal::HttpRefusal;

/// By their path below `/demo/`, in no order.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/demo_files.rs"));
/// The pages run what this broker serves, talk to this broker, and have nothing inline. Pictures are drawn in the style sheets.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn answer(name: &str) -> Response {
    let file = FILES.iter().find(|(known, _)| *known == name);
    let Some(((_, text), content_type)) = file.zip(content_type(name)) else {
        return HttpRefusal::new(StatusCode::NOT_FOUND, "the demo has no such file").into_response();
    };
    let headers = [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Another build has others under the same names.
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, *text).into_response()
}

/// Of what a page loads, and of the licences of what others made.
fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => Some("text/html; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "" => Some("text/plain; charset=utf-8"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_a_page_can_name_is_served_as_what_it_is() {
        for (name, content_type) in [
            ("chat.html", "text/html; charset=utf-8"),
            ("chat.css", "text/css; charset=utf-8"),
            ("chat.js", "text/javascript; charset=utf-8"),
            ("client/index.js", "text/javascript; charset=utf-8"),
            ("client/transports/sse.js", "text/javascript; charset=utf-8"),
            ("vendor/LICENSES", "text/plain; charset=utf-8"),
        ] {
            let response = answer(name);
            assert_eq!(response.status(), StatusCode::OK, "{name}");
            assert_eq!(response.headers()[CONTENT_TYPE], content_type, "{name}");
            assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff", "{name}");
        }
    }

    #[test]
    fn nothing_else_is() {
        for name in [
            "",
            "client",
            "client/",
            "../mod.rs",
            "client/../chat.html",
            "chat.html/",
            "vendor",
        ] {
            assert_eq!(answer(name).status(), StatusCode::NOT_FOUND, "{name}");
        }
    }

    /// A name that is misspelt in a page shows only in a browser, as a page that does nothing.
    #[test]
    fn what_the_files_import_is_there() {
        let has = |name: &str| FILES.iter().any(|(known, _)| *known == name);
        let mut imports = 0;
        for (name, text) in FILES.iter().filter(|(name, _)| name.ends_with(".js")) {
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            for line in text
                .lines()
                .filter(|line| line.starts_with("import ") || line.starts_with("export {"))
            {
                let Some(path) = line.split('\'').nth(1).filter(|path| path.starts_with('.')) else {
                    continue;
                };
                imports += 1;
                let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
                for part in path.split('/') {
                    match part {
                        "." => {}
                        ".." => drop(parts.pop()),
                        part => parts.push(part),
                    }
                }
                assert!(has(&parts.join("/")), "{name} imports {path}");
            }
        }
        assert!(imports > 20, "only {imports} imports found");
    }
}
