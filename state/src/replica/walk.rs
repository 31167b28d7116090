//! A walk over the store in a fixed order: shard by shard, in each shard the bans and then every table, in key order. It
//! stops anywhere and goes on from there, so a repair of any size is a sequence of bounded frames.

use crate::identity::Author;
use crate::key::{Key64, Key128};
use crate::store::{Store, TableId};
use crate::time::Time;
use crate::wire::{Builder, Room};

/// Keys that one fill looks at: a store that has little to say to a receiver must not be walked in one go.
const LOOKS: usize = 4096;

/// Where a walk is.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    shard: u8,
    place: Place,
}

/// Inside a shard: after this key.
#[derive(Debug, Clone, Copy)]
enum Place {
    Bans(Option<Key128>),
    Table(TableId, Option<Key64>),
}

/// Why a fill stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    /// The frame is full; there is more.
    Frame,
    /// Enough was looked at for now, whatever is in the frame; there is more.
    Looks,
    /// The walk is over.
    Walk,
}

impl Walk {
    /// Everything.
    pub(super) fn all() -> Walk {
        Walk { shard: 0, place: Place::Bans(None) }
    }

    /// Everything from a shard on.
    pub(super) fn from(shard: u8) -> Walk {
        Walk { shard, ..Walk::all() }
    }

    /// Goes on until the frame is full. Leaves out what only the receiver may say: its rows of its present life.
    pub(super) fn fill(&mut self, store: &Store, builder: &mut Builder, receiver: Author, now: Time) -> Filled {
        let mut looks = LOOKS;
        loop {
            let stopped = match self.place {
                Place::Bans(after) => self.bans(after, store, builder, now, &mut looks),
                Place::Table(table, after) => self.table((table, after), store, builder, receiver, now, &mut looks),
            };
            if let Some(stopped) = stopped {
                return stopped;
            }
            let table = match self.place {
                Place::Bans(_) => None,
                Place::Table(table, _) => Some(table),
            };
            match store.next_table(table) {
                Some(next) => self.place = Place::Table(next, None),
                None => match self.shard.checked_add(1) {
                    Some(shard) => *self = Walk::from(shard),
                    None => return Filled::Walk,
                },
            }
        }
    }

    fn bans(
        &mut self,
        after: Option<Key128>,
        store: &Store,
        builder: &mut Builder,
        now: Time,
        looks: &mut usize,
    ) -> Option<Filled> {
        for key in store.ban_keys(self.shard, after) {
            *looks = looks.saturating_sub(1);
            if *looks == 0 {
                return Some(Filled::Looks);
            }
            let fact = store.fact(key).filter(|fact| !fact.is_spent(now));
            if fact.is_some_and(|fact| builder.fact(fact) == Room::Full) {
                return Some(Filled::Frame);
            }
            self.place = Place::Bans(Some(key));
        }
        None
    }

    fn table(
        &mut self,
        (table, after): (TableId, Option<Key64>),
        store: &Store,
        builder: &mut Builder,
        receiver: Author,
        now: Time,
        looks: &mut usize,
    ) -> Option<Filled> {
        let identity = store.identity(table)?;
        for key in store.keys_of(table, self.shard, after) {
            *looks = looks.saturating_sub(1);
            if *looks == 0 {
                return Some(Filled::Looks);
            }
            for (author, row) in store.rows(table, key, now) {
                // A key whose rows do not all fit is said again in the next frame; a frame holds all rows of one key.
                if author != receiver && builder.row(identity, key, author, row) == Room::Full {
                    return Some(Filled::Frame);
                }
            }
            self.place = Place::Table(table, Some(key));
        }
        None
    }
}
