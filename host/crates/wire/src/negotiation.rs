//! What a client offers for permessage-deflate, and what is agreed (RFC 7692 7.1).

use thiserror::Error;

use super::deflate::DeflateWindow;
use super::extensions::{ExtensionOffer, offers};

const NAME: &str = "permessage-deflate";

/// What server and client agreed on: compressed messages, each by itself. No side keeps what was said before
/// (`…_no_context_takeover`), so that a connection keeps no window, and a message is compressed once for many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateAgreement {
    /// How far what is sent may look back.
    pub window: DeflateWindow,
    /// The client named a limit, so the answer names one too.
    names_window: bool,
}

/// The header breaks its grammar. RFC 6455 9.1: the handshake fails.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("Sec-WebSocket-Extensions is no list of extensions with their parameters")]
pub struct MalformedExtensions;

impl DeflateAgreement {
    /// The first offer that can be met; none if there is no such offer, and then no extension is in use. `header` is the
    /// value of `Sec-WebSocket-Extensions`, its lines joined with commas.
    ///
    /// # Errors
    /// If it cannot be read at all.
    pub fn negotiate(header: &str) -> Result<Option<Self>, MalformedExtensions> {
        let offers = offers(header).ok_or(MalformedExtensions)?;
        Ok(offers.iter().find_map(Self::meet))
    }

    /// An offer with a parameter that is unknown, given twice or not as it should be is declined (RFC 7692 7.1).
    fn meet(offer: &ExtensionOffer<'_>) -> Option<Self> {
        if !offer.name.eq_ignore_ascii_case(NAME) {
            return None;
        }
        let mut agreement = Self {
            window: DeflateWindow::Full,
            names_window: false,
        };
        for (place, (name, value)) in offer.parameters.iter().enumerate() {
            let earlier = &offer.parameters[..place];
            if earlier.iter().any(|(before, _)| before.eq_ignore_ascii_case(name)) {
                return None;
            }
            let is = |parameter: &str| name.eq_ignore_ascii_case(parameter);
            match value.as_deref() {
                None if is("server_no_context_takeover") || is("client_no_context_takeover") => {}
                // The client can limit how far it looks back. It need not: any window is read.
                None if is("client_max_window_bits") => {}
                Some(value) if is("client_max_window_bits") => {
                    window_bits(value)?;
                }
                Some(value) if is("server_max_window_bits") => {
                    agreement.window = DeflateWindow::within(window_bits(value)?)?;
                    agreement.names_window = true;
                }
                _ => return None,
            }
        }
        Some(agreement)
    }

    /// The value of `Sec-WebSocket-Extensions` that accepts the offer.
    #[must_use]
    pub const fn answer(self) -> &'static str {
        match (self.names_window, self.window) {
            (false, _) => "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            (true, DeflateWindow::Full) => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15"
            }
            (true, DeflateWindow::Smallest) => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9"
            }
        }
    }
}

/// RFC 7692 7.1.2: 8 to 15, without leading zeros.
fn window_bits(value: &str) -> Option<u8> {
    match value.as_bytes() {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}
