//! What is sent after the handshake, whatever pieces it comes and goes in; and what a connection keeps at rest.

use std::io::{self, IoSlice};

use rustls::version::{TLS12, TLS13};

use super::support::{Folder, Pair};
use crate::{OldestVersion, for_clients};

fn connected() -> Pair {
    let folder = Folder::new();
    let store = folder.store(&[("a", &["a.example"])]);
    let config = for_clients(store, OldestVersion::Tls12).unwrap();
    let mut pair = Pair::new(folder.client(), &config, "a.example");
    pair.shake_hands().unwrap();
    pair
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|place| u8::try_from(place % 251).unwrap()).collect()
}

/// Nothing is on its way, so nothing is kept.
fn is_at_rest(pair: &Pair) -> bool {
    pair.server.buffers() == 0
}

#[test]
fn text_arrives_as_it_was_sent_in_pieces_of_any_size() {
    let mut pair = connected();
    assert!(is_at_rest(&pair));
    for length in [1, 2, 100, 16_384, 16_385, 100_000] {
        for at_once in [1, 7, 5_000, usize::MAX] {
            for room in [1, 1_000, 65_536] {
                if at_once.min(room) == 1 && length > 20_000 {
                    continue;
                }
                pair.pipe.at_once = at_once;
                pair.client_sends(&text(length));
                let read = pair.server_reads(room).unwrap();
                assert!(read == text(length), "{length} {at_once} {room}");
                assert!(is_at_rest(&pair));
            }
        }
    }
}

#[test]
fn text_is_written_in_pieces_and_what_the_socket_does_not_take_leaves_first() {
    let mut pair = connected();
    let all = text(200_000);
    for room in [1, 100, 16_000, 70_000, usize::MAX] {
        let mut written = 0;
        let mut arrived = Vec::new();
        while written < all.len() || pair.server.unsent() > 0 {
            pair.pipe.room = room;
            let rest = &all[written..];
            // As an outbox has it: several frames.
            let pieces: Vec<IoSlice<'_>> = rest.chunks(777).take(64).map(IoSlice::new).collect();
            match pair.server.write(&mut pair.pipe, &pieces) {
                Ok(count) => written += count,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            assert!(pair.server.unsent() < 17_000, "one record at most waits");
            arrived.extend(pair.client_reads());
            if room == 1 && written > 20_000 {
                break;
            }
        }
        pair.pipe.room = usize::MAX;
        assert!(pair.server.flush(&mut pair.pipe).unwrap());
        arrived.extend(pair.client_reads());
        assert!(arrived == all[..written], "{room}");
        assert!(is_at_rest(&pair));
    }
}

#[test]
fn nothing_is_no_record() {
    let mut pair = connected();
    assert_eq!(pair.server_writes(b"").unwrap(), 0);
    assert!(pair.pipe.to_client.is_empty());
}

#[test]
fn each_side_tells_the_other_its_end() {
    for versions in [&TLS12, &TLS13] {
        let folder = Folder::new();
        let store = folder.store(&[("a", &["a.example"])]);
        let config = for_clients(store, OldestVersion::Tls12).unwrap();
        let mut client = folder.client();
        if versions == &TLS12 {
            client = super::handshakes::with_versions(&folder, &[versions]);
        }
        let mut pair = Pair::new(client, &config, "a.example");
        pair.shake_hands().unwrap();
        pair.server_writes(b"last words").unwrap();
        pair.server.close(&mut pair.pipe).unwrap();
        assert_eq!(pair.client_reads(), b"last words");
        let mut rest = Vec::new();
        let end = io::Read::read_to_end(&mut pair.client.reader(), &mut rest);
        assert_eq!(end.unwrap(), 0, "a clean end, not a cut");
        // What the client goes on to send is read, up to its own end.
        pair.client_sends(b"mine");
        pair.client.send_close_notify();
        pair.exchange().unwrap();
        assert_eq!(pair.server_reads(100).unwrap(), b"mine");
        let mut buffer = [0; 10];
        assert_eq!(pair.server.read(&mut pair.pipe, &mut buffer).unwrap(), 0);
    }
}

#[test]
fn after_the_client_has_ended_its_side_it_is_still_written_to() {
    let mut pair = connected();
    pair.client.send_close_notify();
    pair.exchange().unwrap();
    let mut buffer = [0; 10];
    assert_eq!(pair.server.read(&mut pair.pipe, &mut buffer).unwrap(), 0);
    pair.server_writes(b"goodbye").unwrap();
    assert_eq!(pair.client_reads(), b"goodbye");
}

#[test]
fn keys_that_the_client_changes_are_followed() {
    let mut pair = connected();
    for round in 0..5 {
        pair.client.refresh_traffic_keys().unwrap();
        pair.client_sends(b"new keys");
        pair.pipe.at_once = 3;
        assert_eq!(pair.server_reads(100).unwrap(), b"new keys", "{round}");
        pair.server_writes(b"also here").unwrap();
        assert_eq!(pair.client_reads(), b"also here");
        assert!(is_at_rest(&pair));
    }
}

#[test]
fn a_record_that_was_changed_on_its_way_ends_the_connection() {
    let mut pair = connected();
    pair.client_sends(b"pay 10");
    let last = pair.pipe.to_server.back_mut().unwrap();
    *last ^= 1;
    let error = pair.server_reads(100).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let mut buffer = [0; 10];
    assert_eq!(
        pair.server.read(&mut pair.pipe, &mut buffer).unwrap(),
        0,
        "nothing follows"
    );
    assert!(pair.exchange().is_err(), "the client is told");
}

#[test]
fn what_was_written_while_a_record_is_incomplete_does_not_disturb_it() {
    let mut pair = connected();
    pair.client_sends(&text(5_000));
    let rest = pair.pipe.to_server.split_off(2_000);
    assert!(pair.server_reads(100).unwrap().is_empty());
    pair.server_writes(b"meanwhile").unwrap();
    assert_eq!(pair.client_reads(), b"meanwhile");
    pair.pipe.to_server.extend(rest);
    assert!(pair.server_reads(100).unwrap() == text(5_000));
}
