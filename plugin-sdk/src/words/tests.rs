//! Checks the word search: first what tries to slip by it.

use super::*;
use proptest::prelude::*;

fn found<'a>(words: &[&str], raw: &'a str) -> Vec<&'a str> {
    let list = WordList::new(words).unwrap();
    let hits: Vec<Hit> = list.hits(raw).collect();
    if !hits.is_empty() {
        assert!(list.may_occur(&format!("\"{raw}\"")), "the quick pass lost {raw}");
    }
    hits.into_iter().map(|hit| &raw[hit.range]).collect()
}

#[test]
fn a_word_needs_a_letter() {
    assert_eq!(WordList::new(["ok", "$$$"]).err(), Some(NotAWord("$$$".into())));
    assert!(WordList::new([""]).is_err());
}

#[test]
fn disguises_do_not_help() {
    for raw in [
        "HeCk",
        "\\u0068eck",
        "\\u0048\\u0045ck",
        "h\u{200b}eck",
        "he\u{ad}ck",
        "h\\u200beck",
        "h\u{301}eck",
        "hec\u{212a}",
        "\u{feff}heck",
        "x_heck_y",
        "x\\nheck",
        "日heck?本 heck",
    ] {
        let hits = found(&["heck"], raw);
        assert!(!hits.is_empty(), "{raw}");
    }
}

#[test]
fn only_whole_words_count() {
    for raw in [
        "checkered",
        "hecks",
        "hecké",
        "éheck",
        "heck1",
        "1heck",
        "h eck",
        "\\nheckle",
        "日heck本",
    ] {
        assert_eq!(found(&["heck"], raw), [""; 0], "{raw}");
    }
    // The letter of an escape is no part of the word behind it.
    assert_eq!(found(&["heck"], "\\theck"), ["heck"]);
    assert_eq!(found(&["nheck"], "\\nheck"), [""; 0]);
}

#[test]
fn case_goes_by_unicode() {
    assert_eq!(found(&["straße"], "STRASSE"), ["STRASSE"]);
    assert_eq!(found(&["STRASSE"], "straße"), ["straße"]);
    assert_eq!(found(&["ΟΔΟΣ"], "οδος"), ["οδος"]);
    assert_eq!(found(&["чёрт"], "ЧЁРТ!"), ["ЧЁРТ"]);
    assert_eq!(found(&["milli"], "MİLLI"), ["MİLLI"]);
    assert_eq!(found(&["禁止"], "禁止"), ["禁止"]);
}

#[test]
fn phrases_and_signs_are_words_too() {
    assert_eq!(found(&["buy now"], "so Buy Now!"), ["Buy Now"]);
    assert_eq!(found(&["buy now"], "buy nowhere"), [""; 0]);
    assert_eq!(found(&["@all"], "hi @all"), ["@all"]);
    assert_eq!(found(&["@all"], "hi all"), [""; 0]);
    assert_eq!(found(&["c++"], "I like c++x"), ["c++"]);
    assert_eq!(found(&["say \"hi\""], "say \\\"hi\\\""), ["say \\\"hi\\\""]);
}

#[test]
fn the_longest_word_wins_and_hits_do_not_overlap() {
    let list = WordList::new(["a", "a b", "b c"]).unwrap();
    assert!(list.hits("a b c").eq([Hit { word: 1, range: 0..3 }]));
    assert_eq!(list.hits("a c, b c").count(), 2);
}

#[test]
fn the_quick_pass_says_no_to_clean_text() {
    let list = WordList::new(["heck", "buy now"]).unwrap();
    assert!(!list.may_occur(r#"{"text":"all is well, checkered hecks"}"#));
    assert!(list.may_occur(r#"{"text":"buy something"}"#));
    assert!(!WordList::new([""; 0]).unwrap().may_occur("\"é\""));
}

#[test]
fn many_words_are_all_found() {
    let words: Vec<String> = (0..5_000).map(|n| format!("w{n}")).collect();
    let list = WordList::new(&words).unwrap();
    for (index, word) in words.iter().enumerate() {
        let whole = Hit {
            word: index,
            range: 0..word.len(),
        };
        assert!(list.hits(word).eq([whole]));
    }
    assert_eq!(list.hits("w5000 w x").count(), 0);
}

/// What [`Hits`] finds piece by piece, with all letters at hand.
fn all_at_once(list: &WordList, raw: &str) -> Vec<Hit> {
    let mut text = Vec::new();
    for (c, range) in json::chars(raw) {
        text.extend(fold(c).map(|c| (c, c.is_alphanumeric(), range.clone())));
    }
    let (mut hits, mut free_from, mut at) = (Vec::new(), 0, 0);
    while at < text.len() {
        let start = at;
        at += text[at..].iter().take_while(|(_, word, _)| *word).count();
        if at == start {
            at += 1;
            continue;
        }
        let fits = |word: &Word| {
            let from = start.checked_sub(word.run).filter(|from| *from >= free_from)?;
            let to = from + word.folded.len();
            let place = text.get(from..to)?;
            let same = place.iter().map(|(c, ..)| c).eq(&word.folded);
            let goes_on = place.last()?.1 && text.get(to).is_some_and(|(_, word, _)| *word);
            (same && !goes_on).then_some((from, to))
        };
        let fitting = list.words.iter().enumerate();
        let fitting = fitting.filter_map(|(index, word)| Some((word.folded.len(), index, fits(word)?)));
        // The longest; of words that are the same, the first.
        if let Some((_, word, (from, to))) = fitting.max_by_key(|(length, index, _)| (*length, usize::MAX - index)) {
            hits.push(Hit {
                word,
                range: text[from].2.start..text[to - 1].2.end,
            });
            free_from = to;
            at = at.max(to);
        }
    }
    hits
}

proptest! {
    /// What is found does not depend on where a long text is cut into pieces.
    #[test]
    fn a_text_has_no_seams(words in prop::collection::vec("[ab]{0,2}[ @]?[ab]{1,6}", 1..4),
                           raw in "([ab @ß]|aaaa|bbbb|\\\\u0061){0,40}") {
        let list = WordList::new(&words).unwrap();
        let found: Vec<Hit> = Hits::new(&list, &raw).collect();
        prop_assert_eq!(found, all_at_once(&list, &raw));
    }

    #[test]
    fn hits_are_in_order_and_within(words in prop::collection::vec("[ab ]{0,3}a", 1..4),
                                    raw in "([ab é]|\\\\u0061|\\\\n){0,20}") {
        let list = WordList::new(&words).unwrap();
        let mut end = 0;
        for hit in list.hits(&raw) {
            prop_assert!(hit.range.start >= end && hit.range.end <= raw.len());
            prop_assert!(raw.is_char_boundary(hit.range.start) && raw.is_char_boundary(hit.range.end));
            end = hit.range.end;
        }
    }

    /// The quick pass never loses what the closer look would find.
    #[test]
    fn the_quick_pass_loses_nothing(words in prop::collection::vec("[abß\u{200b}é]{0,2}[aé]", 1..4),
                                    raw in "([abS é\u{200b}—日ß]|\\\\u0061|\\\\n|\\\\u2014){0,12}") {
        let list = WordList::new(&words).unwrap();
        let found: Vec<Hit> = Hits::new(&list, &raw).collect();
        prop_assert_eq!(&found, &all_at_once(&list, &raw));
        if !found.is_empty() {
            prop_assert!(list.may_occur(&raw));
            let whole = format!("{{\"k\":[\"{raw}\"]}}");
            prop_assert!(list.may_occur(&whole));
        }
        // And what the tables at hand say is what Unicode says.
        for c in raw.chars() {
            let mut folded = Vec::new();
            list.folds.each(c, |c, word| folded.push((c, word)));
            prop_assert_eq!(folded, fold(c).map(|c| (c, c.is_alphanumeric())).collect::<Vec<_>>());
        }
    }

    /// However it is written, a word is found or not found alike.
    #[test]
    fn escapes_change_nothing(plain in "[ab ]{0,12}", which in prop::collection::vec(any::<bool>(), 12)) {
        let escaped: String = plain.chars().zip(which)
            .map(|(c, escape)| if escape { format!("\\u{:04X}", c as u32) } else { c.to_string() })
            .collect();
        let list = WordList::new(["ab", "b a", "aa"]).unwrap();
        let words = |raw: &str| list.hits(raw).map(|h| h.word).collect::<Vec<_>>();
        prop_assert_eq!(words(&plain), words(&escaped));
    }
}
