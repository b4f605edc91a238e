//! The time of now as HTTP has it (RFC 9110 5.6.7), written once a second.

use std::cell::RefCell;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

/// What was written last.
struct WrittenDate {
    /// Since the Unix epoch.
    second: u64,
    text: Vec<u8>,
}

thread_local! {
    static LAST: RefCell<WrittenDate> = const {
        RefCell::new(WrittenDate { second: 0, text: Vec::new() })
    };
}

/// Appends the date of now.
pub(super) fn append(bytes: &mut Vec<u8>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    append_at(bytes, now.as_secs());
}

fn append_at(bytes: &mut Vec<u8>, second: u64) {
    LAST.with_borrow_mut(|last| {
        if last.text.is_empty() || last.second != second {
            last.second = second;
            last.text.clear();
            let date = HttpDate::from(UNIX_EPOCH + Duration::from_secs(second));
            // A list of bytes takes what is written to it.
            let _never = write!(last.text, "{date}");
        }
        bytes.extend_from_slice(&last.text);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_date() {
        for (second, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_778, "Sun, 06 Nov 1994 08:49:38 GMT"),
            // A clock that was set back.
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        ] {
            let mut bytes = b"Date: ".to_vec();
            append_at(&mut bytes, second);
            assert_eq!(bytes, format!("Date: {date}").into_bytes());
        }
    }
}
