//! A revocation on the wire. Field order is the format.

use bincode::{Decode, Encode};

use super::control::WireAuthor;
use crate::key::Key128;
use crate::revocation::{Revocable, Revoked};
use crate::time::Time;

/// The most bytes that one takes: what it is, its name, an instant, hours, an author (POP, node, incarnation).
pub(super) const MOST: usize = 1 + 1 + 17 + 9 + 9 + 3 + 5 + 9;

#[derive(Debug, Clone, Encode, Decode)]
pub(super) struct WireRevocation {
    what: WireRevocable,
    key: Option<u128>,
    before: u64,
    hours: u64,
    author: WireAuthor,
}

/// Field order is the format.
#[derive(Debug, Clone, Copy, Encode, Decode)]
enum WireRevocable {
    Session,
    User,
    Token,
    Tenant,
}

impl From<&Revoked> for WireRevocation {
    fn from(fact: &Revoked) -> WireRevocation {
        let what = match fact.what {
            Revocable::Session => WireRevocable::Session,
            Revocable::User => WireRevocable::User,
            Revocable::Token => WireRevocable::Token,
            Revocable::Tenant => WireRevocable::Tenant,
        };
        let (key, before) = (fact.key.map(|key| key.0), fact.before.0);
        WireRevocation { what, key, before, hours: fact.hours, author: fact.author.into() }
    }
}

impl From<WireRevocation> for Revoked {
    fn from(wire: WireRevocation) -> Revoked {
        let what = match wire.what {
            WireRevocable::Session => Revocable::Session,
            WireRevocable::User => Revocable::User,
            WireRevocable::Token => Revocable::Token,
            WireRevocable::Tenant => Revocable::Tenant,
        };
        let (key, before) = (wire.key.map(Key128), Time(wire.before));
        Revoked { what, key, before, author: wire.author.into(), hours: wire.hours }
    }
}
