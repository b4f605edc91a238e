//! `MessagePack`, written as it comes: each value in its shortest form.

use crate::NUMBER_EXTENSION;

/// The most entries of a map, or values of a list, whose header is one byte.
pub const FIXED_ENTRIES: usize = 15;
/// The header of an empty map; that of one with up to [`FIXED_ENTRIES`] is so many more.
pub const FIXED_MAP: u8 = 0x80;
/// The same of a list.
pub const FIXED_LIST: u8 = 0x90;

/// Appends `null`.
pub fn nil(out: &mut Vec<u8>) {
    out.push(0xc0);
}

/// Appends `true` or `false`.
pub fn flag(out: &mut Vec<u8>, value: bool) {
    out.push(if value { 0xc3 } else { 0xc2 });
}

/// Appends an integer.
#[allow(clippy::cast_possible_truncation)] // Each arm has checked that the number fits.
pub fn unsigned(out: &mut Vec<u8>, value: u64) {
    match value {
        0..=0x7f => out.push(value as u8),
        0x80..=0xff => out.extend([0xcc, value as u8]),
        0x100..=0xffff => prefixed(out, 0xcd, (value as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => prefixed(out, 0xce, (value as u32).to_be_bytes()),
        _ => prefixed(out, 0xcf, value.to_be_bytes()),
    }
}

/// Appends an integer, perhaps a negative one.
pub fn signed(out: &mut Vec<u8>, value: i64) {
    if let Ok(value) = u64::try_from(value) {
        return unsigned(out, value);
    }
    match (i8::try_from(value), i16::try_from(value), i32::try_from(value)) {
        (Ok(byte @ -32..), ..) => out.extend(byte.to_be_bytes()),
        (Ok(byte), ..) => prefixed(out, 0xd0, byte.to_be_bytes()),
        (_, Ok(value), _) => prefixed(out, 0xd1, value.to_be_bytes()),
        (_, _, Ok(value)) => prefixed(out, 0xd2, value.to_be_bytes()),
        _ => prefixed(out, 0xd3, value.to_be_bytes()),
    }
}

/// Appends a float.
pub fn float(out: &mut Vec<u8>, value: f64) {
    prefixed(out, 0xcb, value.to_be_bytes());
}

/// Appends a string.
pub fn text(out: &mut Vec<u8>, value: &str) {
    text_header(out, value.len());
    out.extend_from_slice(value.as_bytes());
}

/// Appends binary data.
pub fn binary(out: &mut Vec<u8>, value: &[u8]) {
    binary_header(out, value.len());
    out.extend_from_slice(value);
}

/// Appends what comes before the bytes of binary data.
pub fn binary_header(out: &mut Vec<u8>, length: usize) {
    match length_of(length) {
        Length::Byte(length) => out.extend([0xc4, length]),
        Length::Two(length) => prefixed(out, 0xc5, length.to_be_bytes()),
        Length::Four(length) => prefixed(out, 0xc6, length.to_be_bytes()),
    }
}

/// Appends what comes before the values of a list.
pub fn list_header(out: &mut Vec<u8>, values: usize) {
    container_header(out, values, FIXED_LIST, 0xdc);
}

/// Appends what comes before the pairs of a map.
pub fn map_header(out: &mut Vec<u8>, entries: usize) {
    container_header(out, entries, FIXED_MAP, 0xde);
}

/// Appends a number that fits nothing else, by its JSON text.
pub(super) fn number_text(out: &mut Vec<u8>, text: &str) {
    match (text.len(), length_of(text.len())) {
        (1, _) => out.push(0xd4),
        (2, _) => out.push(0xd5),
        (4, _) => out.push(0xd6),
        (8, _) => out.push(0xd7),
        (16, _) => out.push(0xd8),
        (_, Length::Byte(length)) => out.extend([0xc7, length]),
        (_, Length::Two(length)) => prefixed(out, 0xc8, length.to_be_bytes()),
        (_, Length::Four(length)) => prefixed(out, 0xc9, length.to_be_bytes()),
    }
    out.extend(NUMBER_EXTENSION.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn text_header(out: &mut Vec<u8>, length: usize) {
    match length_of(length) {
        Length::Byte(length @ 0..=31) => out.push(0xa0 | length),
        Length::Byte(length) => out.extend([0xd9, length]),
        Length::Two(length) => prefixed(out, 0xda, length.to_be_bytes()),
        Length::Four(length) => prefixed(out, 0xdb, length.to_be_bytes()),
    }
}

fn container_header(out: &mut Vec<u8>, entries: usize, fixed: u8, two_bytes: u8) {
    match length_of(entries) {
        Length::Byte(entries @ 0..=15) => out.push(fixed | entries),
        Length::Byte(entries) => prefixed(out, two_bytes, u16::from(entries).to_be_bytes()),
        Length::Two(entries) => prefixed(out, two_bytes, entries.to_be_bytes()),
        Length::Four(entries) => prefixed(out, two_bytes + 1, entries.to_be_bytes()),
    }
}

/// In how many bytes a length is told.
enum Length {
    Byte(u8),
    Two(u16),
    Four(u32),
}

fn length_of(length: usize) -> Length {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length), _) => Length::Byte(length),
        (_, Ok(length)) => Length::Two(length),
        // What clients send and brokers keep is far below 4 GiB.
        _ => Length::Four(u32::try_from(length).unwrap_or(u32::MAX)),
    }
}

fn prefixed<const N: usize>(out: &mut Vec<u8>, first: u8, bytes: [u8; N]) {
    out.push(first);
    out.extend(bytes);
}
