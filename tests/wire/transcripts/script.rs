//! A transcript as the page has it: lines `WHO > TEXT` of clients and `WHO < TEXT` of the broker. A line without a name is of
//! the one before, and a text that begins with a space goes on with the one before.

/// Which side says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    ByClient,
    ByBroker,
}

/// Lines of one side of one connection, one behind the other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub who: String,
    pub said: Said,
    pub lines: Vec<String>,
}

/// What stands under the heading `## TITLE`.
pub(super) fn section<'a>(page: &'a str, title: &str) -> &'a str {
    let heading = format!("\n## {title}\n");
    let (_, rest) = page
        .split_once(&heading)
        .unwrap_or_else(|| panic!("no section {title}"));
    rest.split("\n## ").next().unwrap_or_default()
}

/// The block of this language.
pub(super) fn block<'a>(section: &'a str, language: &str) -> &'a str {
    let fence = format!("```{language}\n");
    let (_, rest) = section
        .split_once(&fence)
        .unwrap_or_else(|| panic!("no block of {language}"));
    rest.split("```").next().unwrap_or_default()
}

pub(super) fn read(transcript: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in transcript.lines().filter(|line| !line.trim().is_empty()) {
        let at = line
            .find(['>', '<'])
            .unwrap_or_else(|| panic!("neither > nor <: {line}"));
        let (who, rest) = line.split_at(at);
        let said = if rest.starts_with('>') {
            Said::ByClient
        } else {
            Said::ByBroker
        };
        let text = rest[1..].strip_prefix(' ').unwrap_or(&rest[1..]);
        let goes_on = who.trim().is_empty();
        if let Some(last) = steps.last_mut().filter(|last| goes_on && last.said == said) {
            match (text.strip_prefix(' '), last.lines.last_mut()) {
                (Some(more), Some(begun)) => begun.push_str(more),
                _ => last.lines.push(text.to_owned()),
            }
            continue;
        }
        let who = match steps.last() {
            Some(last) if goes_on => last.who.clone(),
            _ => who.trim().to_owned(),
        };
        let lines = vec![text.to_owned()];
        steps.push(Step { who, said, lines });
    }
    steps
}

#[test]
fn a_transcript_is_read_by_who_says_what() {
    let page = "# T\n\n## A\n\n```transcript\nann > one\n    > two,\n    >  more\n    < three\n    <\nbob > four\n```\n\n## B\n";
    let step = |who: &str, said, lines: &[&str]| Step {
        who: who.to_owned(),
        said,
        lines: lines.iter().map(|&line| line.to_owned()).collect(),
    };
    let steps = read(block(section(page, "A"), "transcript"));
    let expected = [
        step("ann", Said::ByClient, &["one", "two,more"]),
        step("ann", Said::ByBroker, &["three", ""]),
        step("bob", Said::ByClient, &["four"]),
    ];
    assert_eq!(steps, expected);
}
