//! What is said of elements of lists, in bincode, like the facts about bans.

use std::sync::Arc;

use bincode::{Decode, Encode};

use super::WireError;
use crate::identity::{Actor, PopId};
use crate::list::{ELEMENT_MAX, ListEntry, Listing};
use crate::time::Time;

/// Entries in one block.
pub(super) const LISTINGS_MAX: usize = 256;

/// The most bytes that one entry takes: the list's identity and three times of 64 bits, a text with its length, present, POP,
/// node.
pub(super) const LISTING_MOST: usize = 4 * 9 + ELEMENT_MAX + 1 + 1 + 3 + 5;

/// The most memory that decoding a block may claim.
const DECODE_MAX: usize = 128 * 1024;

#[derive(Encode, Decode)]
struct WireListing {
    list: u64,
    element: String,
    present: bool,
    until: u64,
    kept: u64,
    made_at: u64,
    pop: u16,
    node: u32,
}

pub(super) fn encode(listings: &[Listing]) -> Vec<u8> {
    let wire: Vec<WireListing> = listings.iter().map(to_wire).collect();
    // Writing to memory does not fail; should it, the peer refuses an empty block by name.
    bincode::encode_to_vec(wire, bincode::config::standard()).unwrap_or_default()
}

pub(super) fn decode(body: &[u8]) -> Result<Vec<Listing>, WireError> {
    let limited = bincode::config::standard().with_limit::<DECODE_MAX>();
    let read: Result<(Vec<WireListing>, usize), _> = bincode::decode_from_slice(body, limited);
    let (wire, read) = read.map_err(|error| WireError::Listings(error.to_string()))?;
    if read < body.len() {
        return Err(WireError::Trailing(body.len() - read));
    }
    Ok(wire.into_iter().map(from_wire).collect())
}

fn to_wire(listing: &Listing) -> WireListing {
    let Listing { list, entry, kept } = listing;
    WireListing {
        list: *list,
        element: entry.element.to_string(),
        present: entry.present,
        until: entry.until.0,
        kept: kept.0,
        made_at: entry.made_at.0,
        pop: entry.made_by.pop.0,
        node: entry.made_by.node,
    }
}

fn from_wire(wire: WireListing) -> Listing {
    let entry = ListEntry {
        element: Arc::from(wire.element),
        present: wire.present,
        until: Time(wire.until),
        made_at: Time(wire.made_at),
        made_by: Actor { pop: PopId(wire.pop), node: wire.node },
    };
    Listing { list: wire.list, entry, kept: Time(wire.kept) }
}
