//! Of a certificate (RFC 5280 4.1) what the broker says of it: its names and its dates. What it proves is checked by
//! `rustls` and by those who are shown it.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use der::asn1::{AnyRef, GeneralizedTime, OctetStringRef, UtcTime};
use der::{Decode as _, Error, ErrorKind, Reader as _, SliceReader, Tag, TagNumber, Tagged as _};

/// Object identifiers as they are encoded: 2.5.29.17 and 2.5.4.3.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// Kinds of alternative names (RFC 5280 4.2.1.6).
const DNS: TagNumber = TagNumber(2);
const ADDRESS: TagNumber = TagNumber(7);

pub(crate) struct CertificateFields {
    /// In lower case. Without alternative names the common name, by which clients of today trust nothing, but people
    /// know it.
    pub names: Vec<Box<str>>,
    pub from: SystemTime,
    pub until: SystemTime,
}

impl CertificateFields {
    pub(crate) fn read(certificate: &[u8]) -> Result<Self, Error> {
        let signed = first(items(AnyRef::from_der(certificate)?.value())?)?;
        let mut fields = items(signed.value())?.into_iter().peekable();
        // The version, which may be left out.
        fields.next_if(|field| is_of_context(*field, TagNumber(0)));
        // Serial number, algorithm, issuer.
        let mut fields = fields.skip(3);
        let mut next = || fields.next().ok_or_else(incomplete);
        let (validity, subject) = (next()?, next()?);
        let mut dates = items(validity.value())?.into_iter().map(instant);
        let mut date = || dates.next().ok_or_else(incomplete)?;
        let (from, until) = (date()?, date()?);
        let extensions = fields.find(|field| is_of_context(*field, TagNumber(3)));
        let mut names = match extensions {
            Some(extensions) => alternative_names(extensions)?,
            None => Vec::new(),
        };
        if names.is_empty() {
            names.extend(common_name(subject)?);
        }
        Ok(Self { names, from, until })
    }
}

fn alternative_names(extensions: AnyRef<'_>) -> Result<Vec<Box<str>>, Error> {
    let all = first(items(extensions.value())?)?;
    for extension in items(all.value())? {
        let parts = items(extension.value())?;
        let (Some(kind), Some(value)) = (parts.first(), parts.last()) else {
            continue;
        };
        if kind.value() == ALTERNATIVE_NAMES {
            let value: &OctetStringRef = value.decode_as()?;
            let names = items(AnyRef::from_der(value.as_bytes())?.value())?;
            return Ok(names.into_iter().filter_map(name).collect());
        }
    }
    Ok(Vec::new())
}

fn name(name: AnyRef<'_>) -> Option<Box<str>> {
    if is_of_context(name, DNS) {
        let text = std::str::from_utf8(name.value()).ok()?;
        return Some(text.to_ascii_lowercase().into());
    }
    if !is_of_context(name, ADDRESS) {
        return None;
    }
    let bytes = name.value();
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let address = four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()?;
    Some(address.to_string().into())
}

fn common_name(subject: AnyRef<'_>) -> Result<Option<Box<str>>, Error> {
    for set in items(subject.value())? {
        for attribute in items(set.value())? {
            let parts = items(attribute.value())?;
            if let [kind, value] = parts[..]
                && kind.value() == COMMON_NAME
            {
                let text = std::str::from_utf8(value.value()).ok();
                return Ok(text.map(|text| text.to_ascii_lowercase().into()));
            }
        }
    }
    Ok(None)
}

fn instant(time: AnyRef<'_>) -> Result<SystemTime, Error> {
    let since: Duration = match time.tag() {
        Tag::UtcTime => time.decode_as::<UtcTime>()?.to_unix_duration(),
        _ => time.decode_as::<GeneralizedTime>()?.to_unix_duration(),
    };
    Ok(UNIX_EPOCH + since)
}

/// What stands in a sequence or set, one behind the other.
fn items(bytes: &[u8]) -> Result<Vec<AnyRef<'_>>, Error> {
    let mut reader = SliceReader::new(bytes)?;
    let mut items = Vec::new();
    while !reader.is_finished() {
        items.push(AnyRef::decode(&mut reader)?);
    }
    Ok(items)
}

fn first(items: Vec<AnyRef<'_>>) -> Result<AnyRef<'_>, Error> {
    items.first().copied().ok_or_else(incomplete)
}

fn is_of_context(item: AnyRef<'_>, kind: TagNumber) -> bool {
    matches!(item.tag(), Tag::ContextSpecific { number, .. } if number == kind)
}

fn incomplete() -> Error {
    ErrorKind::Failed.into()
}
