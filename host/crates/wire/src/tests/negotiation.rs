//! RFC 7692 7.1: which offers are met and how, whoever wrote them.

use proptest::prelude::*;

use super::super::{DeflateAgreement, DeflateWindow, MalformedExtensions};

const PLAIN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const FULL: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15";
const SMALL: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9";

fn answer(header: &str) -> Result<Option<&'static str>, MalformedExtensions> {
    Ok(DeflateAgreement::negotiate(header)?.map(DeflateAgreement::answer))
}

#[test]
fn offers_that_are_met() {
    for (header, expected) in [
        ("permessage-deflate", PLAIN),
        ("Permessage-Deflate", PLAIN),
        ("permessage-deflate; client_max_window_bits", PLAIN),
        ("permessage-deflate; client_max_window_bits=8", PLAIN),
        ("permessage-deflate;client_max_window_bits=\"15\"", PLAIN),
        (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            PLAIN,
        ),
        (",, permessage-deflate ,", PLAIN),
        ("x-webkit-deflate-frame, permessage-deflate", PLAIN),
        ("permessage-deflate; server_max_window_bits=15", FULL),
        ("permessage-deflate ; server_max_window_bits = \"1\\5\"", FULL),
        ("permessage-deflate; server_max_window_bits=14", SMALL),
        (
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10",
            SMALL,
        ),
        ("permessage-deflate; server_max_window_bits=9", SMALL),
        // The first that can be met, not the best.
        (
            "permessage-deflate; server_max_window_bits=9, permessage-deflate",
            SMALL,
        ),
        (
            "permessage-deflate; server_max_window_bits=8, permessage-deflate",
            PLAIN,
        ),
        (
            "permessage-deflate; unknown, permessage-deflate; server_max_window_bits=15",
            FULL,
        ),
    ] {
        assert_eq!(answer(header), Ok(Some(expected)), "{header}");
    }
    let agreed = |header| DeflateAgreement::negotiate(header).unwrap().unwrap().window;
    assert_eq!(
        agreed("permessage-deflate; server_max_window_bits=14"),
        DeflateWindow::Smallest
    );
    assert_eq!(
        agreed("permessage-deflate; server_max_window_bits=15"),
        DeflateWindow::Full
    );
}

#[test]
fn offers_that_are_declined() {
    for header in [
        "",
        " , ,",
        "permessage-bzip2",
        "permessage-deflate2",
        "permessage-deflate; unknown",
        "permessage-deflate; unknown=1",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
        "permessage-deflate; server_max_window_bits=9; Server_Max_Window_Bits=9",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; client_max_window_bits=0",
        "permessage-deflate; client_max_window_bits=99999999999999999999",
    ] {
        assert_eq!(answer(header), Ok(None), "{header}");
    }
}

#[test]
fn headers_that_cannot_be_read() {
    for header in [
        ";",
        "permessage-deflate;",
        "permessage-deflate;;unknown",
        "permessage-deflate permessage-deflate",
        "permessage-deflate; a=",
        "permessage-deflate; a=\"",
        "permessage-deflate; a=\"\"",
        "permessage-deflate; a=\"b",
        "permessage-deflate; a=\"b\\",
        "permessage-deflate; a=\"b c\"",
        "permessage-deflate; a=\"b\"c",
        "permessage-deflate; a=\"9,permessage-deflate\"",
        "permessage-deflate; =9",
        "permessage-deflate/1",
        "permessage-deflate\u{fc}",
        "permessage-deflate\r\nx: y",
        // What comes first could be met; but who writes this may mean anything.
        "permessage-deflate, \"",
    ] {
        assert_eq!(answer(header), Err(MalformedExtensions), "{header}");
    }
}

proptest! {
    /// Whatever is written, the answer is one of three.
    #[test]
    fn any_header(header in "[a-z;,=\" \\\\0-9]{0,40}|(permessage-deflate|[;,=\" ]|server_max_window_bits|1?[0-9]|\\PC){0,12}") {
        if let Ok(Some(answer)) = answer(&header) {
            prop_assert!([PLAIN, FULL, SMALL].contains(&answer));
            prop_assert!(header.to_ascii_lowercase().contains("permessage-deflate"));
        }
    }
}
