use std::time::Duration;

use client_address::AddressHeader;
use door::AddressLimits;

use super::good;
use crate::{BackplaneKind, DoorSettings, Server};

const LEAST: &str = "[[tenants]]\nname = \"a\"";

fn server(lines: &str) -> Server {
    good(&format!("[server]\n{lines}\n{LEAST}")).server
}

/// The listeners, as they are shown, and whether they take PROXY headers.
fn listeners(lines: &str) -> Vec<(String, bool)> {
    let listen = server(lines).listen.into_iter();
    listen
        .map(|listener| (listener.address.to_string(), listener.proxy_protocol))
        .collect()
}

#[test]
fn one_address_or_many_are_listened_on() {
    let pair = |address: &str, proxy_protocol| (address.to_owned(), proxy_protocol);
    assert_eq!(listeners(""), [pair("127.0.0.1:8080", false)]);
    assert_eq!(
        listeners("listen = \"unix:/run/sg.sock\""),
        [pair("unix:/run/sg.sock", false)]
    );
    assert_eq!(
        listeners("listen = \"unix:sg.sock\""),
        [pair("unix:conf/sg.sock", false)]
    );
    assert_eq!(
        listeners(
            "listen = [\":80\", { address = \"unix:a\", proxy_protocol = true }, { address = \"[::1]:0\", tls = false }]"
        ),
        [
            pair("0.0.0.0:80", false),
            pair("unix:conf/a", true),
            pair("[::1]:0", false)
        ]
    );
    assert_eq!(listeners("listen = [\":0\", \":0\"]").len(), 2);
}

#[test]
fn proxy_protocol_is_of_listeners_that_are_no_tables() {
    let common = "proxy_protocol = true\ntrusted_proxies = [\"::1\"]";
    for (listen, expected) in [
        ("", vec![true]),
        ("listen = \":80\"", vec![true]),
        (
            "listen = [\":80\", { address = \":81\" }, { address = \":82\", proxy_protocol = true }]",
            vec![true, false, true],
        ),
    ] {
        let listeners = listeners(&format!("{common}\n{listen}"));
        let expects: Vec<bool> = listeners
            .into_iter()
            .map(|(_, proxy_protocol)| proxy_protocol)
            .collect();
        assert_eq!(expects, expected, "{listen}");
    }
    // Peers on a Unix socket are trusted.
    assert!(listeners("listen = \"unix:a\"\nproxy_protocol = true")[0].1);
}

#[test]
fn proxies_are_believed_only_if_they_are_named() {
    let proxies = server("").proxies;
    assert!(!proxies.trusted.contains("127.0.0.1".parse().unwrap()));
    assert_eq!(proxies.header, None);
    let proxies =
        server("trusted_proxies = [\"10.0.0.0/8\", \"::1\"]\nclient_address_header = \"cf-connecting-ip\"").proxies;
    assert!(proxies.trusted.contains("::ffff:10.1.2.3".parse().unwrap()));
    assert!(!proxies.trusted.contains("192.0.2.1".parse().unwrap()));
    assert_eq!(proxies.header, Some(AddressHeader::CfConnectingIp));
    let proxies = server("listen = \"unix:a\"\nclient_address_header = \"forwarded\"").proxies;
    assert_eq!(proxies.header, Some(AddressHeader::Forwarded));
}

#[test]
fn the_door_is_open_unless_it_is_set() {
    assert_eq!(server("").door, DoorSettings::default());
    let zeros = "connections_per_address = 0\nhandshakes_per_second_per_address = 0\nfailed_auth_per_minute_per_address = 0\n\
                 connects_per_second = 0\nshed_lag_ms = 0\nshed_memory_mib = 0";
    assert_eq!(server(&format!("[server.door]\n{zeros}")).door, DoorSettings::default());
    let door = server(&format!("[server.door]\n{}", zeros.replace("= 0", "= 3"))).door;
    let expected = DoorSettings {
        of_address: AddressLimits {
            connections: Some(3),
            handshakes_per_second: Some(3),
            failures_per_minute: Some(3),
        },
        connects_per_second: Some(3),
        shed_lag: Some(Duration::from_millis(3)),
        shed_memory_bytes: Some(3 * 1_048_576),
    };
    assert_eq!(door, expected);
}

#[test]
fn limits_of_connects_are_read() {
    let config = good(&format!(
        "{LEAST}\n[tenants.limits]\nconnects_per_second = 5\nconnects_per_second_per_user = 1\nshare_of_connections = 0.25"
    ));
    let limits = &config.tenants[0].limits;
    assert_eq!(
        (limits.connects_per_second, limits.connects_per_second_per_user),
        (Some(5), Some(1))
    );
    assert_eq!(limits.share_of_connections.of(1_000), 250);
}

#[test]
fn the_certificates_of_both_listeners() {
    let config = good(&format!(
        "[server.tls]\ncertificates = [{{ cert = \"a.pem\", key = \"/a.key\" }}, {{ cert = \"b.pem\", key = \"b.key\" }}]\n\
         [server.admin_tls]\ncertificates = [{{ cert = \"a.pem\", key = \"/a.key\" }}]\nmin_version = \"1.3\"\n\
         client_ca = \"ca.pem\"\n{LEAST}"
    ));
    let (clients, operators) = (config.server.tls.unwrap(), config.server.admin_tls.unwrap());
    let files: Vec<_> = clients
        .certificates
        .iter()
        .map(|files| (&*files.cert, &*files.key))
        .collect();
    let path = std::path::Path::new;
    assert_eq!(
        files,
        [
            (path("conf/a.pem"), path("/a.key")),
            (path("conf/b.pem"), path("conf/b.key"))
        ]
    );
    assert!(!clients.only_1_3 && operators.only_1_3);
    let (ca, place) = operators.client_ca.unwrap();
    assert_eq!((&*ca, place.line()), (path("conf/ca.pem"), Some(6)));
    let config = good(LEAST);
    assert!(config.server.tls.is_none() && config.server.admin_tls.is_none());
}

#[test]
fn what_tls_to_redis_needs_and_who_the_broker_is_for_sentinels() {
    let config = good(&format!(
        "[backplane]\nkind = \"redis\"\nurl = \"rediss+sentinel://db/main\"\nca = \"ca.pem\"\nclient_cert = \"/a.pem\"\n\
         client_key = \"a.key\"\nsentinel_user = \"ann\"\nsentinel_password = \"hunter2\"\n{LEAST}"
    ));
    let BackplaneKind::Redis(redis) = &config.backplane else {
        panic!("{:?}", config.backplane)
    };
    let tls = redis.tls.as_ref().unwrap();
    assert_eq!(tls.ca.as_deref(), Some("conf/ca.pem".as_ref()));
    assert_eq!(tls.identity, Some(("/a.pem".into(), "conf/a.key".into())));
    assert_eq!(tls.place.line(), Some(4));
    let login = redis.sentinel_login.as_ref().unwrap();
    assert_eq!((login.user.as_deref(), &*login.password), (Some("ann"), "hunter2"));
    assert!(!format!("{config:?}").contains("hunter2"));
    let config = good(&format!("[backplane]\nkind = \"redis\"\nurl = \"redis://db\"\n{LEAST}"));
    assert!(matches!(&config.backplane, BackplaneKind::Redis(redis) if redis.tls.is_none()));
}
