//! What a ticket is made of: something random, of which a store sees the hash alone.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::store::TicketId;

const BYTES: usize = 32;

/// The random bytes of a ticket.
pub(crate) struct Secret([u8; BYTES]);

// === impl Secret ===

impl Secret {
    pub(crate) fn random() -> Self {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        Self(bytes)
    }

    /// Reads what [`Secret::to_text`] wrote, and nothing that only looks like it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // More than a ticket has is not worth being decoded.
        if text.len() > 2 * BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// Safe in a URL.
    pub(crate) fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Its SHA-256.
    pub(crate) fn id(&self) -> TicketId {
        let hash = digest(&SHA256, &self.0);
        TicketId(hash.as_ref().try_into().expect("a SHA-256 has 32 bytes"))
    }

    /// Seals a token, for this tenant alone.
    pub(crate) fn seal(&self, tenant: &str, token: &str) -> Vec<u8> {
        let mut sealed = token.as_bytes().to_vec();
        self.key()
            .seal_in_place_append_tag(Self::nonce(), Aad::from(tenant), &mut sealed)
            .expect("a token is far below the bound of the cipher");
        sealed
    }

    /// Opens what [`Secret::seal`] sealed.
    pub(crate) fn open(&self, tenant: &str, mut sealed: Vec<u8>) -> Option<String> {
        let opened = self
            .key()
            .open_in_place(Self::nonce(), Aad::from(tenant), &mut sealed)
            .ok()?;
        std::str::from_utf8(opened).ok().map(str::to_owned)
    }

    /// Tells nothing of the id, and the id nothing of it.
    fn key(&self) -> LessSafeKey {
        let key = Salt::new(HKDF_SHA256, b"sluicegate ticket")
            .extract(&self.0)
            .expand(&[b"token"], &AES_256_GCM)
            .map(UnboundKey::from);
        LessSafeKey::new(key.expect("the key has the length of the cipher"))
    }

    /// A key seals one token, so that no nonce comes twice under it.
    fn nonce() -> Nonce {
        Nonce::assume_unique_for_key([0; 12])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_read_in_one_form() {
        let secret = Secret([0xfb; BYTES]);
        let text = secret.to_text();
        assert!(
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
        assert_eq!(Secret::parse(&text).unwrap().0, secret.0);
        let last = text.len() - 1;
        let forms = [
            String::new(),
            text[..last].to_owned(),
            format!("{text}="),
            format!(" {text}"),
            format!("{text}A"),
            // The last character has two bits that are not the ticket's.
            format!("{}t", &text[..last]),
            text.replace('-', "+"),
            text.repeat(1000),
        ];
        for form in forms {
            assert!(form != text && Secret::parse(&form).is_none(), "{form}");
        }
    }

    #[test]
    fn a_token_is_opened_by_its_ticket_and_in_its_tenant_alone() {
        let secret = Secret::random();
        let sealed = secret.seal("acme", "a token");
        assert!(!sealed.windows(5).any(|part| part == b"token"));
        assert_eq!(secret.open("acme", sealed.clone()).as_deref(), Some("a token"));
        assert_eq!(secret.open("other", sealed.clone()), None);
        assert_eq!(Secret::random().open("acme", sealed.clone()), None);
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(secret.open("acme", changed), None);
        }
        assert_eq!(secret.open("acme", Vec::new()), None);
        assert!(secret.id().0 != secret.0);
    }
}
