use proptest::prelude::*;

use crate::config::parse;

use super::{bad, good, read};

#[test]
fn nothing() {
    dbg!(bad(""));
}
