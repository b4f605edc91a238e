//! Who comes in, and who does not.

use std::io::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};

use super::support::{DAY, Folder, Pair};
use crate::client::ClientTrust;
use crate::provider::provider;
use crate::{OldestVersion, for_clients, for_operators};

pub(super) fn with_versions(folder: &Folder, versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(crate::pem::certificates(&folder.ca()).unwrap().remove(0))
        .unwrap();
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

#[test]
fn versions_and_protocols() {
    let folder = Folder::new();
    let store = folder.store(&[("a", &["a.example"])]);
    let http: &[&[u8]] = &[b"h2", b"http/1.1"];
    let http_2: &[&[u8]] = &[b"h2"];
    for (oldest, versions, offered, expected) in [
        (OldestVersion::Tls12, &[&TLS12][..], &[][..], Ok("1.2")),
        (OldestVersion::Tls12, &[&TLS13, &TLS12], http, Ok("1.3")),
        (OldestVersion::Tls13, &[&TLS13], http, Ok("1.3")),
        (
            OldestVersion::Tls13,
            &[&TLS12],
            http,
            Err("server: peer is incompatible"),
        ),
        (
            OldestVersion::Tls12,
            &[&TLS13],
            http_2,
            Err("server: peer doesn't support any known protocol"),
        ),
    ] {
        let mut client = with_versions(&folder, versions);
        client.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        let config = for_clients(store.clone(), oldest).unwrap();
        let mut pair = Pair::new(client, &config, "a.example");
        let outcome = pair.shake_hands().map(|()| pair.server.version());
        match (outcome, expected) {
            (Ok(version), Ok(expected)) => {
                assert_eq!(version, expected);
                let chosen = pair.client.alpn_protocol();
                assert_eq!(chosen, (!offered.is_empty()).then_some(&b"http/1.1"[..]));
            }
            (Err(error), Err(expected)) => {
                assert!(error.contains(expected), "{error}");
                // The client is told by an alert.
                assert!(pair.exchange().is_err());
            }
            (outcome, expected) => panic!("{outcome:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn a_client_that_comes_back_resumes_and_its_early_data_is_not_taken() {
    let folder = Folder::new();
    let store = folder.store(&[("a", &["a.example"])]);
    let config = for_clients(store.clone(), OldestVersion::Tls12).unwrap();
    for version in [&TLS12, &TLS13] {
        let mut client = with_versions(&folder, &[version]);
        client.enable_early_data = true;
        let mut first = Pair::new(client.clone(), &config, "a.example");
        first.shake_hands().unwrap();
        assert_eq!(first.client.handshake_kind(), Some(HandshakeKind::Full));
        let mut second = Pair::new(client, &config, "a.example");
        assert!(second.client.early_data().is_none(), "no ticket offers it");
        second.shake_hands().unwrap();
        assert_eq!(second.client.handshake_kind(), Some(HandshakeKind::Resumed));
    }
}

#[test]
fn early_data_that_comes_all_the_same_is_skipped_and_never_read() {
    let folder = Folder::new();
    let store = folder.store(&[("a", &["a.example"])]);
    // The client's ticket is of another server, which takes early data.
    let mut generous = (*for_operators(store.clone(), OldestVersion::Tls13, None).unwrap()).clone();
    generous.max_early_data_size = 1_000;
    generous.send_tls13_tickets = 1;
    generous.session_storage = rustls::server::ServerSessionMemoryCache::new(10);
    let mut client = folder.client();
    client.enable_early_data = true;
    let mut first = Pair::new(client.clone(), &Arc::new(generous), "a.example");
    first.shake_hands().unwrap();
    let ours = for_clients(store, OldestVersion::Tls13).unwrap();
    let mut second = Pair::new(client, &ours, "a.example");
    second.client.early_data().unwrap().write_all(b"replayed").unwrap();
    second.shake_hands().unwrap();
    assert!(!second.client.is_early_data_accepted());
    second.client_sends(b"said once");
    assert_eq!(second.server_reads(100).unwrap(), b"said once");
}

#[test]
fn operators_show_a_certificate_of_the_right_authority() {
    let folder = Folder::new();
    let stranger = Folder::new();
    let until = SystemTime::now() + DAY;
    let store = folder.store(&[("a", &["a.example"])]);
    let with = |identity| {
        let trust = ClientTrust {
            ca: Some(folder.ca()),
            identity,
        };
        (*trust.config().unwrap()).clone()
    };
    let expired = folder.issue("expired", &["ann"], SystemTime::now() - DAY);
    let config = for_operators(store.clone(), OldestVersion::Tls12, Some(&folder.ca())).unwrap();
    for (who, identity, expected) in [
        ("one of ours", Some(folder.issue("ann", &["ann"], until)), None),
        ("nobody", None, Some("peer sent no certificates")),
        (
            "one of another authority",
            Some(stranger.issue("bob", &["bob"], until)),
            Some("UnknownIssuer"),
        ),
        ("one whose time is over", Some(expired), Some("certificate expired")),
    ] {
        let mut pair = Pair::new(with(identity), &config, "a.example");
        let outcome = pair.shake_hands();
        match expected {
            None => {
                outcome.unwrap();
                // It is asked again each time.
                assert_eq!(pair.client.tls13_tickets_received(), 0, "{who}");
            }
            Some(said) => {
                let error = outcome.unwrap_err();
                assert!(error.starts_with("server: ") && error.contains(said), "{who}: {error}");
            }
        }
    }
    // Without authorities nobody is asked.
    let config = for_operators(store, OldestVersion::Tls12, None).unwrap();
    Pair::new(with(None), &config, "a.example").shake_hands().unwrap();
}

#[test]
fn a_handshake_may_come_byte_by_byte_and_stop_anywhere() {
    let folder = Folder::new();
    let store = folder.store(&[("a", &["a.example"])]);
    let config = for_clients(store, OldestVersion::Tls12).unwrap();
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let mut pair = Pair::new(with_versions(&folder, versions), &config, "a.example");
        pair.pipe.at_once = 1;
        pair.shake_hands().unwrap();
        let mut half = Pair::new(with_versions(&folder, versions), &config, "a.example");
        half.exchange().unwrap();
        half.pipe.to_server.truncate(50);
        assert!(!half.server.handshake(&mut half.pipe).unwrap());
        half.pipe.is_closed = true;
        let error = half.server.handshake(&mut half.pipe).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn what_is_not_tls_or_too_large_is_refused() {
    let folder = Folder::new();
    let config = for_clients(folder.store(&[("a", &["a.example"])]), OldestVersion::Tls12).unwrap();
    let http = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".to_vec();
    // Records of a handshake message of 65,000 bytes that does not end.
    let mut endless = Vec::new();
    for part in 0..4 {
        let mut text = vec![0; 16_000];
        if part == 0 {
            text[..4].copy_from_slice(&[1, 0, 0xfd, 0xe8]);
        }
        endless.extend_from_slice(&[22, 3, 1, 0x3e, 0x80]);
        endless.extend_from_slice(&text);
    }
    for (bytes, said) in [(http, "corrupt message"), (endless, "")] {
        let mut pair = Pair::new(folder.client(), &config, "a.example");
        pair.pipe.to_server.extend(bytes);
        let error = pair.server.handshake(&mut pair.pipe).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{error}");
        assert!(error.to_string().contains(said), "{error}");
        let mut text = [0; 10];
        assert_eq!(
            pair.server.read(&mut pair.pipe, &mut text).unwrap(),
            0,
            "nothing follows"
        );
    }
}
