use proptest::prelude::*;

use super::{bad, read};

#[test]
fn tells_the_first_syntax_error_alone() {
    let cases = [
        ("a = ", 1),
        ("[server]\nlisten = \"x\nb", 2),
        ("[server]\n\n[server]", 3),
        ("[plugins.p]\nfile = \"p\"\n[plugins.p]\nfile = \"q\"", 3),
        ("a = 1\na = 2", 2),
        ("a = \"\\q\"", 1),
        ("server = 1\n[server.x]", 2),
    ];
    for (text, line) in cases {
        let said = bad(text);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].starts_with(&format!("conf/sg.toml:{line}: ")),
            "{text:?}: {}",
            said[0]
        );
    }
}

/// Deep nesting is a syntax error, not the end of the stack.
#[test]
fn refuses_deep_nesting() {
    let brackets = format!("a = {}", "[".repeat(100_000));
    let tables = format!("a = {}", "{a=".repeat(100_000));
    let dots = format!("{}a = 1", "a.".repeat(100_000));
    let header = format!("[{}a]", "a.".repeat(100_000));
    let settings = format!("[[tenants]]\n[[tenants.chain]]\nconfig.{}a = 1", "a.".repeat(78));
    for text in [brackets, tables, dots, header, settings] {
        bad(&text);
    }
}

const KEY: &str =
    "(server|backplane|plugins|tenants|chain|channels|limits|config|history|name|listen|match|on_fault|hooks|a)";
const VALUE: &str =
    "(1|-1|1\\.5|nan|true|\"\"|\"x\"|\"\\*\\*\"|\\[\\]|\\[1\\]|\\{\\}|\\[\\{\\}\\]|1979-05-27|\\{ a = 1 \\})";

/// The config's keys in any place, with values of any type.
fn near_config() -> impl Strategy<Value = String> {
    let line =
        format!("({KEY}(\\.{KEY}){{0,3}} = {VALUE}|\\[{KEY}(\\.{KEY}){{0,2}}\\]|\\[\\[{KEY}(\\.{KEY}){{0,2}}\\]\\])");
    let line = proptest::string::string_regex(&line).expect("an expression that proptest takes");
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC*") {
        let _ = read(&text);
    }

    #[test]
    fn any_toml_is_answered_in_single_lines(text in near_config()) {
        if let Err(problems) = read(&text) {
            let said = problems.to_string();
            prop_assert_eq!(said.lines().count(), problems.iter().count());
            prop_assert!(said.lines().all(|line| line.starts_with("conf/sg.toml:")));
        }
    }
}
