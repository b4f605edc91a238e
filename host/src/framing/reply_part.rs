//! Where a part of a reply stands that is sent in parts.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyPart {
    pub is_first: bool,
    pub is_last: bool,
}
