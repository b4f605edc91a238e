use super::bad;

/// The table of bad lines, one problem each.
const REFUSED: &str = include_str!("refused.txt");
const TENANT: &str = "[[tenants]]\nname = \"a\"\n";

#[test]
fn every_bad_line_is_told_with_its_place_and_reason() {
    let mut lines = REFUSED.lines();
    let (mut table, mut before, mut cases) = ("", String::new(), 0);
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(path) = line.strip_prefix("== ") {
            table = path;
            before = lines
                .by_ref()
                .take_while(|line| *line != "--")
                .fold(String::new(), |all, line| all + line + "\n");
            continue;
        }
        let said = lines
            .next()
            .and_then(|said| said.strip_prefix("    "))
            .expect("what is said");
        let number = before.lines().count() + 1;
        assert_eq!(
            bad(&format!("{before}{line}\n")),
            [format!("conf/sg.toml:{number}: {table}{said}")],
            "{line}"
        );
        cases += 1;
    }
    assert!(cases > 80, "the table was not read: {cases}");
}

#[test]
fn tables_without_what_they_need_are_told_at_their_heads() {
    assert_eq!(bad("\n[[tenants]]"), ["conf/sg.toml:2: tenants[0].name: is missing"]);
    let cases = [
        ("[plugins.p]", "plugins.p.file"),
        ("[[tenants.chain]]", "tenants[0].chain[0].plugin"),
        ("[[tenants.channels]]", "tenants[0].channels[0].match"),
    ];
    for (head, key) in cases {
        assert_eq!(
            bad(&format!("{TENANT}{head}")),
            [format!("conf/sg.toml:3: {key}: is missing")]
        );
    }
}

#[test]
fn unknown_tables_name_the_nearest() {
    let said = bad(&format!("{TENANT}[serve]\nlisten = 1"));
    assert_eq!(
        said,
        ["conf/sg.toml:3: serve: is not a known key. the nearest known key is `server`"]
    );
    let said = bad(&format!("[[tenant]]\n{TENANT}"));
    assert_eq!(
        said,
        ["conf/sg.toml:1: tenant: is not a known key. the nearest known key is `tenants`"]
    );
}

#[test]
fn names_and_hosts_have_one_tenant() {
    let said = bad(&format!("{TENANT}{TENANT}"));
    let first = "the first one is tenants[0].name in line 2";
    assert_eq!(
        said,
        [format!(
            "conf/sg.toml:4: tenants[1].name: the tenant \"a\" is there twice. {first}"
        )]
    );

    let said = bad(&format!(
        "{TENANT}hosts = [\"x\"]\n[[tenants]]\nname = \"b\"\nhosts = [\n\"y\",\n\"X\"]"
    ));
    let first = "the first one is tenants[0].hosts[0] in line 3";
    assert_eq!(
        said,
        [format!(
            "conf/sg.toml:8: tenants[1].hosts[1]: the host \"x\" is there twice. {first}"
        )]
    );
}

#[test]
fn a_long_name_is_refused() {
    let said = bad(&format!("[[tenants]]\nname = \"{}\"", "x".repeat(65)));
    assert!(
        said[0].ends_with("is not a tenant name. use 1 to 64 of a-z, A-Z, 0-9, _ and -"),
        "{said:?}"
    );
}

#[test]
fn refuses_files_without_a_tenant() {
    let none = "conf/sg.toml:1: tenants: there is no tenant. add [[tenants]] with a name";
    assert_eq!(bad(""), [none]);
    assert_eq!(bad("tenants = []"), [none]);
    let brackets = "a table of a list has its name in double brackets: [[name]]";
    assert_eq!(
        bad("[tenants]"),
        [format!(
            "conf/sg.toml:1: tenants: is a table and must be a list. {brackets}"
        )]
    );
}

#[test]
fn a_chain_without_declared_plugins_has_no_nearest() {
    let said = bad(&format!("{TENANT}[[tenants.chain]]\nplugin = \"q\""));
    assert_eq!(
        said,
        ["conf/sg.toml:4: tenants[0].chain[0].plugin: no plugin is named \"q\""]
    );
}

#[test]
fn tells_all_problems_in_the_order_of_their_lines() {
    let text = "[server]\nlisten = 1\nnod = 1\n[[tenants]]\nname = 1\nlimits.connections = 0\n[backplane]\nkind = 1";
    let expected = [
        "conf/sg.toml:2: server.listen: is an integer and must be a string",
        "conf/sg.toml:3: server.nod: is not a known key. the nearest known key is `node`",
        "conf/sg.toml:5: tenants[0].name: is an integer and must be a string",
        "conf/sg.toml:6: tenants[0].limits.connections: 0 is out of range. the range is 1 to 100000000 connections",
        "conf/sg.toml:8: backplane.kind: is an integer and must be a string",
    ];
    assert_eq!(bad(text), expected);
}

/// Whoever writes a key's value under the wrong key, or in broken TOML, may paste the output anywhere.
#[test]
fn keeps_secrets_out_of_problems() {
    let texts = [
        "[backplane]\nurl = \"http://:hunter2@db\"",
        "[backplane]\nurl = \"redis://:hunter2 @db\"",
        "[[tenants]]\n[[tenants.chain]]\nconfig = \"hunter2\"",
        "[[tenants]]\n[[tenants.chain]]\nconfig = { secret = \"hunter2\", a = nan }",
        "secret = \"hunter2",
        "a = 1\na = hunter2",
    ];
    for text in texts {
        let said = bad(text).join("\n");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
