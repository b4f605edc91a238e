//! A target in one format: the bytes that are sent to the server, and what is looked for in those that come. Knows no socket.

use std::ops::Range;

use anyhow::{Result, ensure};
use memchr::memmem::Finder;

use crate::format::{Format, Formats};
use crate::target::{Target, now_ns};

const FORMAT: &str = "{format}";

/// How some connections speak to the server.
pub(crate) struct Dialect<'t> {
    pub target: &'t Target,
    format: Format,
    /// Further lines of the upgrade request.
    pub headers: Vec<String>,
    /// See the fields of [`Target`] with these names.
    pub ready: Option<Finder<'static>>,
    pub ack: Option<Finder<'static>>,
    delivery: Finder<'static>,
}

impl<'t> Dialect<'t> {
    /// Those of all connections: subscribers take turns with them, and publishers have the first.
    pub(crate) fn each(target: &'t Target, formats: Formats) -> Result<Vec<Self>> {
        formats.each().iter().map(|format| Self::new(target, *format)).collect()
    }

    fn new(target: &'t Target, format: Format) -> Result<Self> {
        ensure!(
            format == Format::Json || target.headers.iter().any(|header| header.contains(FORMAT)),
            "{} is spoken in JSON only",
            target.name
        );
        let finder = |text: &String| anyhow::Ok(Finder::new(&format.fields(text)?).into_owned());
        let header = |text: &String| text.replace(FORMAT, format.name());
        Ok(Self {
            target,
            format,
            headers: target.headers.iter().map(header).collect(),
            ready: target.ready.as_ref().map(finder).transpose()?,
            ack: target.ack.as_ref().map(finder).transpose()?,
            delivery: finder(&target.delivery)?,
        })
    }

    /// The opening frames of a subscriber of these channels, and how many answers they get.
    pub(crate) fn subscriber_hello(&self, channels: Range<usize>) -> Result<(Vec<u8>, usize)> {
        let answers = channels.len();
        Ok((self.frames(&self.target.hello(channels))?, answers))
    }

    pub(crate) fn publisher_hello(&self) -> Result<Vec<u8>> {
        self.frames(&self.target.publisher_hello)
    }

    /// The frame of the next message, of one that is [`filled`](Target::filled).
    pub(crate) fn message(&self, filled: &str, number: u64) -> Result<Vec<u8>> {
        self.format.frame(&Target::message(filled, number))
    }

    /// How long ago each delivery in `bytes` was sent, in nanoseconds; none if there is no delivery.
    pub(crate) fn ages_in<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = u64> + 'a {
        let mark = self.delivery.needle().len();
        self.delivery
            .find_iter(bytes)
            .map(move |at| now_ns().saturating_sub(self.format.integer(&bytes[at + mark..])))
    }

    fn frames(&self, envelopes: &[String]) -> Result<Vec<u8>> {
        let frames: Result<Vec<_>> = envelopes.iter().map(|envelope| self.format.frame(envelope)).collect();
        Ok(frames?.concat())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bench::websocket::first_frame;

    use super::*;

    fn targets() -> impl Iterator<Item = Target> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets");
        let files = std::fs::read_dir(folder).unwrap();
        files.map(|file| Target::load(&file.unwrap().path(), "t").unwrap())
    }

    #[test]
    fn a_message_tells_its_age() {
        for target in targets() {
            let formats = if target.name == "sluicegate" {
                Formats::Mixed
            } else {
                Formats::Json
            };
            for dialect in Dialect::each(&target, formats).unwrap() {
                let message = dialect.message(&target.filled(0, 2), 7).unwrap();
                assert_eq!(
                    first_frame(&message).unwrap().payload.end + 4,
                    message.len(),
                    "a frame with its mask"
                );
                let twice = message.repeat(2);
                let ages: Vec<u64> = dialect.ages_in(&twice).collect();
                assert!(
                    ages.len() == 2 && ages.iter().all(|age| *age < 1_000_000_000),
                    "{} as {:?}: {ages:?}",
                    target.name,
                    dialect.format
                );
                assert_eq!(dialect.ages_in(b"{}").count(), 0);
            }
        }
    }

    #[test]
    fn who_speaks_two_formats_looks_for_the_same_fields() {
        let target = targets().find(|target| target.name == "sluicegate").unwrap();
        let [json, packed] = &Dialect::each(&target, Formats::Mixed).unwrap()[..] else {
            panic!()
        };
        for (dialect, subprotocol, answer) in [
            (json, "sluicegate.v1.json", &br#"{"type":"ack","id":2,"#[..]),
            (packed, "sluicegate.v1.msgpack", b"\x84\xa4type\xa3ack\xa2id\x02"),
        ] {
            assert_eq!(dialect.headers, [format!("Sec-WebSocket-Protocol: {subprotocol}")]);
            for finder in [&dialect.ready, &dialect.ack] {
                assert_eq!(finder.as_ref().unwrap().find(answer), Some(1));
            }
        }
    }

    #[test]
    fn who_has_no_other_format_is_not_spoken_to_in_one() {
        for target in targets().filter(|target| target.name != "sluicegate") {
            assert!(Dialect::each(&target, Formats::Mixed).is_err(), "{}", target.name);
        }
    }
}
