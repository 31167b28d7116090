//! What is said of an element of a list, on the wire. Field order is the format.

use std::sync::Arc;

use bincode::{Decode, Encode};

use crate::identity::{Actor, PopId};
use crate::list::{ELEMENT_MAX, ListEntry, Listing};
use crate::time::Time;

/// The most bytes that one takes: the list's identity and three times of 64 bits, a text with its length, present, POP, node.
pub(super) const MOST: usize = 4 * 9 + ELEMENT_MAX + 1 + 1 + 3 + 5;

#[derive(Debug, Clone, Encode, Decode)]
pub(super) struct WireListing {
    list: u64,
    element: String,
    present: bool,
    until: u64,
    kept: u64,
    made_at: u64,
    pop: u16,
    node: u32,
}

impl From<&Listing> for WireListing {
    fn from(listing: &Listing) -> WireListing {
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
}

impl From<WireListing> for Listing {
    fn from(wire: WireListing) -> Listing {
        let entry = ListEntry {
            element: Arc::from(wire.element),
            present: wire.present,
            until: Time(wire.until),
            made_at: Time(wire.made_at),
            made_by: Actor { pop: PopId(wire.pop), node: wire.node },
        };
        Listing { list: wire.list, entry, kept: Time(wire.kept) }
    }
}
