//! What files a certificate may be read from, and what is said of others.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::support::{DAY, Folder, name, read};
use crate::client::ClientTrust;
use crate::{CertificateError, CertificateStore, ServerCertificate};

#[test]
fn a_certificate_knows_its_names_and_its_dates() {
    let folder = Folder::new();
    let until = SystemTime::UNIX_EPOCH + Duration::from_hours(1_139_568);
    let files = folder.issue("a", &["A.example", "*.b.example", "192.0.2.1"], until);
    let certificate = read(files).unwrap();
    let names: Vec<&str> = certificate.names().collect();
    assert_eq!(names, ["a.example", "*.b.example", "192.0.2.1"]);
    assert_eq!(certificate.label(), "a.example");
    assert_eq!(certificate.valid_until(), until);
    assert_eq!(certificate.until_text(), "2100-01-01");
    assert_eq!(certificate.expiry_seconds(), 4_102_444_800);
    for (host, fits) in [
        ("a.example", true),
        ("x.b.example", true),
        ("b.example", false),
        ("x.y.b.example", false),
        ("192.0.2.1", true),
        ("example", false),
    ] {
        assert_eq!(certificate.is_for(host), fits, "{host}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_with_its_file_and_what_to_do() {
    let folder = Folder::new();
    let year = SystemTime::now() + 365 * DAY;
    let (cert, key) = folder.issue("good", &["good.example"], year);
    let (_, other) = folder.issue("other", &["good.example"], year);
    let text = std::fs::read_to_string(&cert).unwrap();
    let key_text = std::fs::read_to_string(&key).unwrap();
    let begin = "-----BEGIN CERTIFICATE-----\n";
    let cases: Vec<(PathBuf, PathBuf, &str)> = vec![
        (
            folder.path("none.pem"),
            key.clone(),
            "none.pem cannot be read: No such file",
        ),
        (
            cert.clone(),
            folder.path("none.key"),
            "none.key cannot be read: No such file",
        ),
        (cert.clone(), folder.path("."), "it is a directory, not a regular file"),
        (
            key.clone(),
            key.clone(),
            "good.key has no certificate: it needs at least one block",
        ),
        (
            cert.clone(),
            cert.clone(),
            "good.pem has no private key that is not encrypted",
        ),
        (cert.clone(), other, "other.key is not that of the first certificate in"),
        (
            folder.write("empty.pem", ""),
            key.clone(),
            "empty.pem has no certificate",
        ),
        (
            folder.write("cut.pem", &text[..200]),
            key.clone(),
            "cut.pem is not PEM: a block that begins does not end",
        ),
        (
            folder.write("text.pem", format!("{begin}!!!\n-----END CERTIFICATE-----\n")),
            key.clone(),
            "text.pem is not PEM: a block is not base64",
        ),
        (
            folder.write("bytes.pem", format!("{begin}AAAA\n-----END CERTIFICATE-----\n")),
            key.clone(),
            "bytes.pem: the first certificate cannot be parsed",
        ),
        (
            cert.clone(),
            folder.write(
                "bytes.key",
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            ),
            "bytes.key: ",
        ),
        (
            cert.clone(),
            folder.write("locked.key", key_text.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY")),
            "locked.key has no private key that is not encrypted",
        ),
        (
            folder.write("huge.pem", vec![b'a'; 1_048_577]),
            key.clone(),
            "huge.pem cannot be read: it has more than",
        ),
    ];
    for (cert, key, said) in cases {
        let error = ServerCertificate::read(&cert, &key).unwrap_err().to_string();
        assert!(error.contains(said), "{} {}: {error}", name(&cert), name(&key));
    }
    // Another order than own certificate first is the commonest mistake.
    let chain = std::fs::read_to_string(folder.ca()).unwrap() + &text;
    let error = ServerCertificate::read(&folder.write("chain.pem", chain), &key).unwrap_err();
    assert!(matches!(error, CertificateError::OtherKey { .. }), "{error}");
    let chain = text + &std::fs::read_to_string(folder.ca()).unwrap();
    ServerCertificate::read(&folder.write("chain.pem", chain), &key).unwrap();
}

#[test]
fn one_that_has_expired_is_read_and_told() {
    let folder = Folder::new();
    let certificate = read(folder.issue("old", &["a.example"], SystemTime::now() - DAY)).unwrap();
    let error = certificate.check_dates(SystemTime::now()).unwrap_err().to_string();
    assert!(error.contains("old.pem expired on 20"), "{error}");
    certificate.check_dates(SystemTime::now() - 2 * DAY).unwrap();
}

/// Its name, what is done to the files before they are read again, and what is in force or said then.
type Case = (&'static str, fn(&Folder), &'static str);

#[test]
fn files_are_read_again_and_what_cannot_be_used_changes_nothing() {
    let now = SystemTime::now();
    let cases: &[Case] = &[
        (
            "renewed",
            |folder| drop(folder.issue("a", &["new.example"], SystemTime::now() + DAY)),
            "new.example",
        ),
        (
            "removed",
            |folder| std::fs::remove_file(folder.path("a.pem")).unwrap(),
            "a.pem ",
        ),
        (
            "half written",
            |folder| drop(folder.write("a.pem", "-----BEGIN CERTIFICATE-----\nMIIB")),
            "a.pem ",
        ),
        // Between two files that are replaced one after the other.
        (
            "without its key",
            |folder| {
                let key = std::fs::read(folder.path("a.key")).unwrap();
                folder.issue("a", &["new.example"], SystemTime::now() + DAY);
                folder.write("a.key", key);
            },
            "the key in",
        ),
        (
            "expired",
            |folder| drop(folder.issue("a", &["new.example"], SystemTime::now() - DAY)),
            "a.pem expired on",
        ),
    ];
    for (case, change, expected) in cases {
        let folder = Folder::new();
        let store = folder.store(&[("a", &["old.example"])]);
        change(&folder);
        let reread = store.reread(&[(folder.path("a.pem"), folder.path("a.key"))], now);
        assert!(reread.missing.is_empty(), "{case}");
        let outcome = match &reread.kept[..] {
            [] => reread.certificates[0].label(),
            [why, ..] => {
                assert_eq!(reread.certificates[0].label(), "old.example", "{case}");
                why.to_string()
            }
        };
        assert!(outcome.contains(expected), "{case}: {outcome}");
        // Nothing is in force before it is put there.
        assert_eq!(store.certificates()[0].label(), "old.example");
    }
}

#[test]
fn files_that_were_not_in_force_have_nothing_to_fall_back_to() {
    let folder = Folder::new();
    let store = folder.store(&[("a", &["a.example"])]);
    let files = |name: &str| (folder.path(&format!("{name}.pem")), folder.path(&format!("{name}.key")));
    let reread = store.reread(&[files("none"), files("a")], SystemTime::now());
    assert_eq!(
        (reread.certificates.len(), reread.kept.len(), reread.missing.len()),
        (1, 0, 1)
    );
    // One that has expired already may be replaced by another that has.
    let old = read(folder.issue("old", &["a.example"], SystemTime::now() - 2 * DAY)).unwrap();
    let store = CertificateStore::new(vec![old.into()]);
    folder.issue("old", &["b.example"], SystemTime::now() - DAY);
    let reread = store.reread(&[files("old")], SystemTime::now());
    assert_eq!(
        (reread.certificates[0].label(), reread.kept.len()),
        ("b.example".to_owned(), 0)
    );
}

#[test]
fn what_a_client_trusts_is_read_or_refused() {
    let folder = Folder::new();
    let (cert, key) = folder.issue("me", &["me"], SystemTime::now() + DAY);
    let (_, other) = folder.issue("other", &["me"], SystemTime::now() + DAY);
    let trust = |ca: &str, identity: Option<(&PathBuf, &PathBuf)>| ClientTrust {
        ca: Some(folder.path(ca)),
        identity: identity.map(|(cert, key)| (cert.clone(), key.clone())),
    };
    trust("ca.pem", Some((&cert, &key))).config().unwrap();
    for (trust, said) in [
        (trust("none.pem", None), "none.pem cannot be read"),
        (trust("me.key", None), "me.key has no certificate"),
        (trust("ca.pem", Some((&cert, &other))), "cannot be used with the key in"),
        (trust("ca.pem", Some((&cert, &cert))), "me.pem has no private key"),
    ] {
        let error = trust.config().unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
