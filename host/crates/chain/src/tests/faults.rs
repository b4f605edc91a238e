//! What becomes of a request when a plugin gives no verdict, or one that cannot stand.

use super::*;

#[test]
fn a_replacement_that_is_no_json_is_a_fault() {
    for bad in [b"{".as_slice(), b"", b"\"\xff\"", b"1 2"] {
        let replace = says(PublishVerdict::Replace(Bytes::copy_from_slice(bad)));
        assert_eq!(
            publish(&mut chain([replace], OPEN), &caller(), true),
            Err(4503),
            "{bad:?}"
        );
    }
}

/// Bytes in a binary channel, asked of one plugin.
fn publish_bytes(hook: Scripted) -> Result<Bytes, u16> {
    let question = PublishQuestion::new(channel("room"), Content::Binary, Bytes::from_static(b"xyz"), true);
    let message = passed(ask(&mut chain([hook], OPEN), &caller(), question))?;
    let message = message.expect("nobody discards it");
    assert_eq!(message.content, Content::Binary);
    Ok(message.data)
}

#[test]
fn bytes_stay_bytes_whatever_a_plugin_takes_them_for() {
    let fits = |length: usize| format!("\"{}\"", "eHl6".repeat(length / 3));
    // What it takes, what it makes of it, and what comes of that.
    for (takes_bytes, replaced, expected) in [
        (false, "\"eHl6\"".to_owned(), Ok("xyz")),
        (false, " \"YWI=\" ".to_owned(), Ok("ab")),
        (false, "\"\"".to_owned(), Ok("")),
        (false, "\"YWI\"".to_owned(), Err(4503)),
        (false, "YWI=".to_owned(), Err(4503)),
        (false, "{\"a\":1}".to_owned(), Err(4503)),
        (false, String::new(), Err(4503)),
        (true, "\"eHl6\"".to_owned(), Ok("\"eHl6\"")),
        (true, "not JSON".to_owned(), Ok("not JSON")),
        // 64 bytes are allowed, however long they are as text.
        (false, fits(63), Ok(&"xyz".repeat(21)[..])),
        (false, fits(66), Err(4413)),
        (true, "x".repeat(64), Ok(&"x".repeat(64)[..])),
        (true, "x".repeat(65), Err(4413)),
    ] {
        let hook = Scripted {
            takes_bytes,
            ..says(PublishVerdict::Replace(replaced.clone().into()))
        };
        let seen = hook.seen.clone();
        let data = publish_bytes(hook);
        assert_eq!(
            data,
            expected.map(|data| Bytes::copy_from_slice(data.as_bytes())),
            "{replaced:?}"
        );
        let given = if takes_bytes { "publish xyz" } else { "publish \"eHl6\"" };
        assert_eq!(seen.borrow()[0], given);
        let is_fault = expected == Err(4503);
        assert_eq!(seen.borrow()[1] != "judged publish: good", is_fault, "{replaced:?}");
    }
    assert_eq!(publish_bytes(says(PublishVerdict::Allow)).as_deref(), Ok(&b"xyz"[..]));
}

#[test]
fn a_message_that_grows_too_large_is_refused_whatever_a_fault_would_mean() {
    for on_fault in [OnFault::Deny, OnFault::Allow, OnFault::Cached] {
        for (bytes, fits) in [(64, true), (65, false)] {
            let hook = says(PublishVerdict::Replace(vec![b'1'; bytes].into()));
            let seen = hook.seen.clone();
            let mut grows = Chain::new(vec![step("grows", hook, on_fault)], OPEN);
            let outcome = ask(&mut grows, &caller(), message(true));
            assert_eq!(outcome.is_ok(), fits, "{bytes} bytes, {on_fault:?}");
            assert_eq!(*seen.borrow(), ["publish {}", "judged publish: good"], "no fault");
            if let Err(denied) = outcome {
                assert_eq!((denied.code, &*denied.reason), (4413, "too_large"));
                assert_eq!(denied.plugin.as_deref(), Some("grows"));
                assert!(
                    denied.message.contains("65") && denied.message.contains("64"),
                    "{}",
                    denied.message
                );
            }
        }
    }
}

#[test]
fn who_is_suspended_is_told_for_how_long() {
    let fault = Fault::Suspended(Duration::from_millis(1_500));
    let hook = Scripted {
        subscribe: Err(fault),
        ..Scripted::default()
    };
    let denied = subscribe(&mut chain([hook], OPEN), &caller()).unwrap_err();
    assert_eq!((denied.code, denied.retry_after_ms), (4503, Some(1_500)));
}

#[test]
fn a_fault_does_what_the_operator_said() {
    let mut denies = Chain::new(vec![step("bad", faults(), OnFault::Deny)], OPEN);
    assert_eq!(connect(&mut denies, &caller()).unwrap_err().code, 4503);
    assert_eq!(subscribe(&mut denies, &caller()).unwrap_err().code, 4503);
    assert_eq!(publish(&mut denies, &caller(), true), Err(4503));
    let mut allows = Chain::new(vec![step("bad", faults(), OnFault::Allow)], CLOSED);
    assert_eq!(connect(&mut allows, &caller()).unwrap(), Identity::default());
    assert_eq!(subscribe(&mut allows, &caller()).unwrap(), Grant::default());
    assert!(publish(&mut allows, &caller(), false).unwrap().is_some());
}

#[test]
fn cached_falls_back_on_the_last_word_for_the_same_caller() {
    let hook = says(PublishVerdict::Allow);
    let script = hook.publish.clone();
    let mut cached = Chain::new(vec![step("p", hook, OnFault::Cached)], CLOSED);
    let (ann, bob) = (caller(), caller());
    assert!(publish(&mut cached, &ann, false).unwrap().is_some());
    *script.borrow_mut() = Err(Fault::Deadline(Duration::from_millis(5)));
    assert!(publish(&mut cached, &ann, false).unwrap().is_some());
    assert_eq!(
        publish(&mut cached, &bob, false),
        Err(4503),
        "nothing was ever said about bob"
    );
}
