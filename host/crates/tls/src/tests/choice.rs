//! Which certificate a client is shown.

use rustls::pki_types::ServerName;

use super::support::{Folder, Pair};
use crate::{OldestVersion, ServerCertificate, for_clients};

/// The label of the certificate that a client of `host` is shown; none if it does not trust it.
fn shown(folder: &Folder, store: &std::sync::Arc<crate::CertificateStore>, host: &str) -> Option<String> {
    let config = for_clients(store.clone(), OldestVersion::Tls12).unwrap();
    let mut pair = Pair::new(folder.client(), &config, host);
    pair.shake_hands().ok()?;
    let own = pair.client.peer_certificates().unwrap()[0].clone();
    let all = store.certificates();
    let is_own = |one: &ServerCertificate| one.certified().cert[0] == own;
    Some(all.iter().find(|one| is_own(one)).unwrap().label())
}

#[test]
fn a_certificate_is_chosen_by_the_name_and_the_first_where_none_fits() {
    let folder = Folder::new();
    let store = folder.store(&[
        ("first", &["first.example", "192.0.2.7"]),
        ("acme", &["acme.example", "*.acme.example"]),
        ("deep", &["x.acme.example"]),
    ]);
    for (host, expected) in [
        ("first.example", Some("first.example")),
        ("acme.example", Some("acme.example")),
        ("ACME.Example", Some("acme.example")),
        ("y.acme.example", Some("acme.example")),
        // The exact name goes before all names of a level.
        ("x.acme.example", Some("x.acme.example")),
        // No client names an address in its handshake, so it is shown the first.
        ("192.0.2.7", Some("first.example")),
        // It is shown the first, which it does not trust.
        ("y.x.acme.example", None),
        ("other.example", None),
    ] {
        assert_eq!(shown(&folder, &store, host).as_deref(), expected, "{host}");
    }
}

#[test]
fn a_name_without_a_certificate_is_answered_with_the_first() {
    let folder = Folder::new();
    let store = folder.store(&[("first", &["first.example"]), ("second", &["second.example"])]);
    let config = for_clients(store, OldestVersion::Tls12).unwrap();
    let mut pair = Pair::new(folder.client(), &config, "other.example");
    let error = pair.shake_hands().unwrap_err();
    assert!(error.contains("first.example"), "{error}");
}

#[test]
fn what_is_replaced_is_shown_in_the_next_handshake_and_open_connections_go_on() {
    let folder = Folder::new();
    let store = folder.store(&[("a", &["a.example"])]);
    let config = for_clients(store.clone(), OldestVersion::Tls12).unwrap();
    let mut open = Pair::new(folder.client(), &config, "a.example");
    open.shake_hands().unwrap();
    store.replace(vec![folder.certificate("b", &["a.example", "b.example"])]);
    open.client_sends(b"still here");
    assert_eq!(open.server_reads(100).unwrap(), b"still here");
    let mut next = Pair::new(folder.client(), &config, "b.example");
    next.shake_hands().unwrap();
    assert_eq!(ServerName::try_from("b.example").unwrap().to_str(), "b.example");
}

/// A client that cannot verify one kind of signature is shown the certificate with the other.
#[test]
fn of_two_certificates_for_a_name_the_client_gets_the_one_that_it_can_use() {
    let folder = Folder::new();
    let ecdsa = folder.certificate("ecdsa", &["a.example"]);
    let ed25519 = folder.certificate_with("ed25519", &["a.example"], &rcgen::PKCS_ED25519);
    for (order, expected) in [([&ecdsa, &ed25519], "ecdsa.pem"), ([&ed25519, &ecdsa], "ecdsa.pem")] {
        let store = crate::CertificateStore::new(order.map(Clone::clone).into());
        let schemes = [rustls::SignatureScheme::ECDSA_NISTP256_SHA256];
        let chosen = store.choose(Some("a.example"), |one| {
            one.certified().key.choose_scheme(&schemes).is_some()
        });
        assert_eq!(super::support::name(chosen.unwrap().files().0), expected);
    }
}
