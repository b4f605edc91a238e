//! The interface `crypto`, as a guest reaches it.

use super::*;

const SECRET: &[u8] = b"a shared secret";

fn ask(slot: &mut Slot, data: &[u8]) -> Result<PublishVerdict, Fault> {
    let answer = slot.publish(&caller(), "room:1", Content::Json, data)?;
    Ok(answer.verdict)
}

fn told(slot: &mut Slot, data: &[u8]) -> String {
    match ask(slot, data).unwrap() {
        PublishVerdict::Replace(error) => String::from_utf8(error.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_verifies_what_it_signed() {
    let stage = Stage::new();
    let mut slot = stage.slot("crypto");
    let message = b"from somebody who knows the secret";
    let signature = sluicegate_crypto::hmac_sha256(SECRET, message);
    let good = [b"v", &signature[..], message].concat();
    assert_eq!(ask(&mut slot, &good).unwrap(), PublishVerdict::Allow);
    for at in [1, 32, 33, good.len() - 1] {
        let mut forged = good.clone();
        forged[at] ^= 1;
        assert_eq!(ask(&mut slot, &forged).unwrap(), PublishVerdict::Discard, "{at}");
    }
}

#[test]
fn an_instance_has_so_many_keys_and_gets_back_what_it_drops() {
    let stage = Stage::new();
    let mut slot = stage.slot("crypto");
    for _ in 0..200 {
        assert_eq!(
            ask(&mut slot, b"k").unwrap(),
            PublishVerdict::Allow,
            "64 keys, not one more"
        );
    }
}

#[test]
fn a_key_that_cannot_be_made_is_an_error_that_the_guest_reads() {
    let stage = Stage::new();
    let mut slot = stage.slot("crypto");
    for (jwk, words) in [
        ("", "1 to 16384 bytes, not 0"),
        ("{}", "no JSON Web Key"),
        (r#"{"kty":"oct","k":"AAAA"}"#, "kty"),
        (r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#, "this one has 17"),
        (r#"{"kty":"RSA","alg":"none","n":"AQAB","e":"AQAB"}"#, "its alg"),
        (&" ".repeat(20_000), "1 to 16384 bytes, not 20000"),
    ] {
        let error = told(&mut slot, format!("j{jwk}").as_bytes());
        assert!(error.contains(words), "{jwk}: {error}");
    }
    let error = told(&mut slot, b"a");
    assert!(error.contains("HS256") && error.contains("EdDSA"), "{error}");
}

#[test]
fn what_one_call_looks_at_is_bounded() {
    let stage = Stage::new();
    let mut slot = stage.slot("crypto");
    for whole in [b"m", b"s"] {
        assert_eq!(ask(&mut slot, whole).unwrap(), PublishVerdict::Allow);
    }
    for (over, words) in [(b"M", "1048576 bytes at most"), (b"S", "at most 16384 bytes")] {
        let mut slot = stage.slot("crypto");
        let Err(Fault::BadOutput(cause)) = ask(&mut slot, over) else {
            panic!("it is a fault");
        };
        assert!(cause.contains(words), "{cause}");
    }
}

#[test]
fn an_interface_belongs_to_the_version_that_it_came_with() {
    let stage = Stage::new();
    let text = text("crypto");
    for (from, to, words) in [
        (
            "crypto@0.2.0",
            "crypto@0.1.0",
            [
                "sluicegate:plugin/crypto@0.1.0",
                "speaks sluicegate:plugin/crypto@0.2.0",
            ],
        ),
        (
            "crypto@0.2.0",
            "secrets@0.3.0",
            ["sluicegate:plugin/secrets@0.3.0", "0.1.0 and, as a draft, 0.2.0"],
        ),
        (
            "crypto@0.2.0",
            "secrets@0.2.0",
            ["imports sluicegate:plugin/secrets@0.2.0", "The host offers"],
        ),
        (
            "types@0.1.0",
            "types@0.2.0",
            ["sluicegate:plugin/types@0.2.0", "speaks sluicegate:plugin/types@0.1.0"],
        ),
    ] {
        let other = text.replace(from, to);
        let Err(error) = stage.sandbox.load("p", other.as_bytes()) else {
            panic!("{to} is taken");
        };
        let said = error.to_string();
        for word in words {
            assert!(said.contains(word), "{word:?} is not in: {said}");
        }
    }
}
