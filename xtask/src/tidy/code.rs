//! Rust source with its comments and literals blanked out: what is left is code, on the same lines.

/// Replaces every byte of a comment, a string and a character by a space, line breaks kept.
pub(super) fn only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    while code.len() < bytes.len() {
        let at = code.len();
        match end_of_non_code(bytes, at) {
            Some(end) => code.extend(
                bytes[at..end]
                    .iter()
                    .map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }),
            ),
            None => code.push(bytes[at]),
        }
    }
    String::from_utf8(code).expect("whole literals were blanked, so no character was cut")
}

/// Where the comment or literal that starts at `at` ends; `None` where code starts.
fn end_of_non_code(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let length = match rest {
        [b'/', b'/', ..] => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => quoted(rest, b'"'),
        [b'\'', ..] => character(rest)?,
        [b'r', b'"' | b'#', ..] if !inside_word(bytes, at) => raw_string(rest)?,
        [b'b' | b'c', b'r', b'"' | b'#', ..] if !inside_word(bytes, at) => 1 + raw_string(&rest[1..])?,
        _ => return None,
    };
    Some(at + length)
}

fn inside_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && is_word(bytes[at - 1])
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Block comments nest.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A character literal, told from a lifetime or a label by its closing quote.
fn character(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return Some(quoted(rest, b'\''));
    }
    let text = std::str::from_utf8(&rest[1..]).ok()?;
    let first = text.chars().next()?;
    let end = 1 + first.len_utf8();
    (rest.get(end) == Some(&b'\'')).then_some(end + 1)
}

/// `r"…"`, `r#"…"#`; `None` for a raw identifier such as `r#type`.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let start = 2 + hashes;
    let closing: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let found = rest[start..]
        .windows(closing.len())
        .position(|window| window == closing);
    Some(found.map_or(rest.len(), |position| start + position + closing.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_go_and_lines_stay() {
        let text = "let a = \"todo!()\"; // dbg!(a)\n/* one /* two */ still\n*/ let b = 'x'; let c: &'static str = r#\"\"q\" \"#;\n";
        let code = only(text);
        assert_eq!(code.len(), text.len());
        assert_eq!(code.lines().count(), text.lines().count());
        assert_eq!(
            code.split_whitespace().collect::<Vec<_>>().join(" "),
            "let a = ; let b = ; let c: &'static str = ;"
        );
    }

    #[test]
    fn escapes_and_odd_characters_do_not_derail() {
        let code = only(r#"f('"', '\'', "\"", b"\\", br"\", 'é', "é", r#type, 'outer: loop {}) after"#);
        assert!(
            code.contains("r#type") && code.contains("'outer: loop {}") && code.ends_with(" after"),
            "{code}"
        );
        assert!(!code.contains('"') && !code.contains('é'), "{code}");
    }

    #[test]
    fn an_open_end_is_not_a_crash() {
        for text in ["\"", "/* never", "r#\"never", "'", "b", "\"\\"] {
            assert_eq!(only(text).len(), text.len());
        }
    }
}
