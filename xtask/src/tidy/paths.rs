//! Every path that a file names (`a::b::c`), with the trees of `use` unfolded.

use super::code::is_word;

/// A path as written, from its first word on, and the line it starts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub path: String,
    pub line: usize,
    pub import: Import,
}

/// Whether the path stands in a `use`, and the name that it gets there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Import {
    No,
    ByItsName,
    As(String),
}

/// Finds the paths in code that has no comments and no literals. A lone word counts only in a `use`.
pub(super) fn named_in(code: &str) -> Vec<Named> {
    let tokens = tokens(code);
    let mut named = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].text == "use" && starts_an_item(&tokens, at) {
            at = unfold(&tokens, at + 1, String::new(), &mut named);
            continue;
        }
        let (path, next) = path_at(&tokens, at);
        if path.contains("::") {
            named.push(Named {
                path,
                line: tokens[at].line,
                import: Import::No,
            });
        }
        at = next.max(at + 1);
    }
    named
}

struct Token<'a> {
    text: &'a str,
    line: usize,
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut at = 0;
        while at < line.len() {
            let word = line.as_bytes()[at..].iter().take_while(|byte| is_word(**byte)).count();
            let length = match word {
                0 if line[at..].starts_with("::") => 2,
                0 => line[at..].chars().next().map_or(1, char::len_utf8),
                _ => word,
            };
            let text = &line[at..at + length];
            if !text.trim().is_empty() {
                tokens.push(Token { text, line: number + 1 });
            }
            at += length;
        }
    }
    tokens
}

/// `use<'a>` in a return type is no import.
fn starts_an_item(tokens: &[Token<'_>], at: usize) -> bool {
    tokens.get(at + 1).is_some_and(|next| next.text != "<")
}

/// The longest `a::b::c` from `at`, and the index after it. A leading `::` is dropped: it names a crate as well.
fn path_at(tokens: &[Token<'_>], at: usize) -> (String, usize) {
    let mut path = String::new();
    let mut next = at + usize::from(tokens[at].text == "::");
    while let Some(token) = tokens.get(next).filter(|token| is_word(token.text.as_bytes()[0])) {
        path.push_str(token.text);
        next += 1;
        let goes_on = tokens.get(next).is_some_and(|token| token.text == "::")
            && tokens
                .get(next + 1)
                .is_some_and(|token| is_word(token.text.as_bytes()[0]));
        if !goes_on {
            break;
        }
        path.push_str("::");
        next += 1;
    }
    (path, next)
}

/// Unfolds one branch of a `use` tree; returns the index after it.
fn unfold(tokens: &[Token<'_>], mut at: usize, prefix: String, named: &mut Vec<Named>) -> usize {
    let mut path = prefix.clone();
    let line = tokens.get(at).map_or(0, |token| token.line);
    let mut import = Import::ByItsName;
    while let Some(token) = tokens.get(at) {
        match token.text {
            "::" if path.is_empty() => {}
            "::" => path.push_str("::"),
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = unfold(tokens, at, path.clone(), named);
                    at += usize::from(tokens.get(at).is_some_and(|token| token.text == ","));
                }
                return at + 1;
            }
            // The new name is not part of the path.
            "as" => {
                at += 1;
                import = tokens.get(at).map_or(import, |name| Import::As(name.text.to_owned()));
            }
            "," | "}" | ";" => break,
            word => path.push_str(word),
        }
        at += 1;
    }
    // `{self}` names its prefix.
    let path = path.strip_suffix("::self").map(str::to_owned).unwrap_or(path);
    if !path.is_empty() {
        named.push(Named { path, line, import });
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(code: &str) -> Vec<String> {
        named_in(code).into_iter().map(|named| named.path).collect()
    }

    #[test]
    fn trees_of_use_are_unfolded() {
        assert_eq!(
            paths("pub use tokio::{net::{TcpStream, TcpListener as L}, sync::{self, mpsc}};\nuse anyhow as a;"),
            [
                "tokio::net::TcpStream",
                "tokio::net::TcpListener",
                "tokio::sync",
                "tokio::sync::mpsc",
                "anyhow"
            ]
        );
        assert_eq!(
            paths("use ::redis::*; use super::redis::Redis;"),
            ["redis::*", "super::redis::Redis"]
        );
    }

    #[test]
    fn paths_in_code_count_and_lone_words_do_not() {
        assert_eq!(
            paths("fn f(redis: u8) -> ::anyhow::Result<std::fs::File> { wasmtime::Engine::new::<u8>(redis) }"),
            ["anyhow::Result", "std::fs::File", "wasmtime::Engine::new"]
        );
    }

    #[test]
    fn each_path_knows_its_line() {
        let named = named_in("use a::{\n    b,\n    c::d,\n};\n\nfn f() { e::g() }\n");
        let lines: Vec<_> = named.iter().map(|named| (named.path.as_str(), named.line)).collect();
        assert_eq!(lines, [("a::b", 2), ("a::c::d", 3), ("e::g", 6)]);
    }

    #[test]
    fn a_capture_list_is_no_import() {
        assert_eq!(paths("fn f() -> impl Fn() + use<'a, T> { a::b }"), ["a::b"]);
    }
}
