//! A register on the wire. Field order is the format.

use std::sync::Arc;

use bincode::{Decode, Encode};

use super::control::WireAuthor;
use crate::fact::About;
use crate::key::Key128;
use crate::register::Registered;
use crate::time::Time;

/// What a fact is about. Field order is the format.
#[derive(Debug, Clone, Encode, Decode)]
pub(super) struct WireAbout {
    space: u64,
    key: Option<u128>,
}

/// The most bytes of one: a number of 64 bits, whether there is a key, a number of 128 bits.
pub(super) const ABOUT_MOST: usize = 9 + 1 + 17;

impl From<About> for WireAbout {
    fn from(about: About) -> WireAbout {
        WireAbout { space: about.space, key: about.key.map(|key| key.0) }
    }
}

impl From<WireAbout> for About {
    fn from(wire: WireAbout) -> About {
        About { space: wire.space, key: wire.key.map(Key128) }
    }
}

#[derive(Debug, Clone, Encode, Decode)]
pub(super) struct WireRegister {
    about: WireAbout,
    stamp: u64,
    author: WireAuthor,
    value: Option<Vec<u8>>,
    until: u64,
    kept: u64,
}

/// The most bytes that one takes: what it is about, three times, an author (POP, node, incarnation), and its value with its length.
pub(super) fn most(fact: &Registered) -> usize {
    ABOUT_MOST + 3 * 9 + 3 + 5 + 9 + 1 + 3 + fact.value.as_ref().map_or(0, |value| value.len())
}

impl From<&Registered> for WireRegister {
    fn from(fact: &Registered) -> WireRegister {
        WireRegister {
            about: fact.about.into(),
            stamp: fact.stamp.0,
            author: fact.author.into(),
            value: fact.value.as_deref().map(<[u8]>::to_vec),
            until: fact.until.0,
            kept: fact.kept.0,
        }
    }
}

impl From<WireRegister> for Registered {
    fn from(wire: WireRegister) -> Registered {
        Registered {
            about: wire.about.into(),
            stamp: Time(wire.stamp),
            author: wire.author.into(),
            value: wire.value.map(Arc::from),
            until: Time(wire.until),
            kept: Time(wire.kept),
        }
    }
}
