//! Snapshots: what a node knows, as frames that outlive its process.
//!
//! Out go the rows of all authors, local tables included, and all facts, walked as repair walks them. What comes back in is joined
//! like a peer's frames: own rows are those of an ended life, which only that life's author could raise, so a snapshot read twice, or
//! an old one, never counts anything twice. Beside a key's rows stands what its bucket owes beyond what cells tell, less what has drained since.
//! What it does not bring back is what was said to nobody and has no counter: what keys owe that had no place of their own.
//!
//! Nothing of a snapshot is taken before all of it was read ([`Reading`]): a torn one is as good as none.

use bytes::Bytes;

use crate::fact::Fact;
use crate::identity::{Actor, Author, Incarnation, PopId};
use crate::store::{Ingested, Offered, Store, Told};
use crate::time::Time;
use crate::walk::{Filled, Walk};
use crate::wire::{Builder, NEWEST, Room, Saved, SavedHead, State, WireError, saved_end, saved_head};

/// Whose snapshot it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotHead {
    /// The cluster's id.
    pub cluster: String,
    /// The id of the secret that its keys are hashed with.
    pub secret_id: u64,
    /// Who wrote it.
    pub actor: Actor,
    /// In which life.
    pub incarnation: Incarnation,
    /// Node time when it began.
    pub at: Time,
}

/// Why a snapshot is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// A frame cannot be read.
    #[error("it is damaged in frame {frame}: {cause}")]
    Damaged {
        /// Which, from 0.
        frame: u64,
        /// What is wrong with it.
        cause: String,
    },
    /// It has no end: its writing, or a copy of it, broke off.
    #[error("it is torn: it ends after {frames} frames, without an end")]
    Torn {
        /// Frames that are there.
        frames: u64,
    },
    /// Frames are missing, or there are too many.
    #[error("it says that it has {says} frames of state, and has {has}")]
    Incomplete {
        /// What its end says.
        says: u64,
        /// What it has.
        has: u64,
    },
    /// It does not begin with a head, or has a second one, or goes on behind its end.
    #[error("its frames are out of order")]
    Order,
    /// It is of another cluster.
    #[error("it belongs to cluster {theirs:?}, this node to {ours:?}")]
    OtherCluster {
        /// The snapshot's.
        theirs: String,
        /// This node's.
        ours: String,
    },
    /// Its keys are hashed with another secret.
    #[error("its keys are hashed with the secret {theirs:016x}, this node's with {ours:016x}")]
    OtherSecret {
        /// The snapshot's.
        theirs: u64,
        /// This node's.
        ours: u64,
    },
    /// It is of another POP or node.
    #[error("it was written by {theirs}, this node is {ours}")]
    OtherActor {
        /// The snapshot's.
        theirs: Actor,
        /// This node's.
        ours: Actor,
    },
}

/// What came of reading a snapshot into a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restored {
    /// Rows, facts and sketches that were taken or known already.
    pub taken: u64,
    /// Those that were over, or of tables that nothing counts in any more, or that there was no room for.
    pub left: u64,
}

/// A snapshot in the making: its frames in order. Each takes a bounded look at the store, so whoever writes them may rest between
/// two of them; what changes meanwhile is in it or not.
#[derive(Debug)]
pub struct Snapshot<'s> {
    store: &'s Store,
    stage: Stage,
    now: Time,
    frames: u64,
}

#[derive(Debug)]
enum Stage {
    Head(SnapshotHead),
    State(Box<Walk>),
    /// Those that are to be told still.
    Floors(Vec<Fact>),
    End,
    Over,
}

impl<'s> Snapshot<'s> {
    /// Of what lives at `head.at`.
    #[must_use]
    pub fn new(store: &'s Store, head: SnapshotHead) -> Snapshot<'s> {
        Snapshot { store, now: head.at, stage: Stage::Head(head), frames: 0 }
    }

    /// The next frame of state; none when the walk is over.
    fn state(&mut self) -> Option<Bytes> {
        // Whoever reads it is nobody yet, and lacks everything.
        let nobody = Author { actor: Actor { pop: PopId(u16::MAX), node: u32::MAX }, incarnation: Incarnation(0) };
        while let Stage::State(walk) = &mut self.stage {
            let mut builder = Builder::new();
            if walk.fill(self.store, &mut builder, nobody, self.now) == Filled::Walk {
                self.stage = Stage::Floors(self.store.floors());
            }
            if !builder.is_empty() {
                self.frames += 1;
                return Some(builder.saved(self.now));
            }
        }
        self.floors()
    }

    /// The floors once more: one that rose meanwhile covers what the walk has not come to, and may lie where it has been.
    fn floors(&mut self) -> Option<Bytes> {
        let Stage::Floors(left) = &mut self.stage else { return None };
        let mut builder = Builder::new();
        while left.pop_if(|floor| builder.fact(floor) == Room::Taken).is_some() {}
        if builder.is_empty() {
            self.stage = Stage::End;
            return None;
        }
        self.frames += 1;
        Some(builder.saved(self.now))
    }
}

impl Iterator for Snapshot<'_> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if let Stage::Head(head) = &self.stage {
            let saved = saved_head(&head.saved());
            self.stage = Stage::State(Box::new(Walk::everything()));
            return Some(saved);
        }
        if let Some(frame) = self.state() {
            return Some(frame);
        }
        let over = matches!(std::mem::replace(&mut self.stage, Stage::Over), Stage::Over);
        (!over).then(|| saved_end(self.frames))
    }
}

impl SnapshotHead {
    fn saved(&self) -> SavedHead {
        let author = Author { actor: self.actor, incarnation: self.incarnation };
        let (cluster, secret_id, at) = (self.cluster.clone(), self.secret_id, self.at.0);
        SavedHead { version: NEWEST, cluster, secret_id, author: author.into(), at }
    }

    /// Whether a node may take this snapshot; `mine` is what it would write itself, `beside` the id of the secret that it knows
    /// beside its own.
    ///
    /// # Errors
    /// [`SnapshotError`], by the name of what differs.
    pub fn check(&self, mine: &SnapshotHead, beside: Option<u64>) -> Result<(), SnapshotError> {
        if self.cluster != mine.cluster {
            let theirs = self.cluster.chars().take(64).collect();
            return Err(SnapshotError::OtherCluster { theirs, ours: mine.cluster.clone() });
        }
        if self.secret_id != mine.secret_id && Some(self.secret_id) != beside {
            return Err(SnapshotError::OtherSecret { theirs: self.secret_id, ours: mine.secret_id });
        }
        if self.actor != mine.actor {
            return Err(SnapshotError::OtherActor { theirs: self.actor, ours: mine.actor });
        }
        Ok(())
    }
}

/// Reads a snapshot to see whether it is whole. Frames go in, in order; the head comes out when all of it is sound.
#[derive(Debug, Default)]
pub struct Reading {
    head: Option<SnapshotHead>,
    frames: u64,
    /// The greatest life of its writer's actor in which rows were counted.
    seen: Option<Incarnation>,
    /// What its end says.
    end: Option<u64>,
}

impl Reading {
    /// Takes the next frame.
    ///
    /// # Errors
    /// [`SnapshotError`] when it cannot be read, or does not belong there.
    pub fn frame(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let nth = self.frames + u64::from(self.head.is_some());
        let damaged = |error: WireError| SnapshotError::Damaged { frame: nth, cause: error.to_string() };
        match (Saved::decode(bytes).map_err(damaged)?, &self.head, self.end) {
            (Saved::Head(saved), None, None) => {
                let Author { actor, incarnation } = saved.author.into();
                let (cluster, secret_id, at) = (saved.cluster, saved.secret_id, Time(saved.at));
                self.head = Some(SnapshotHead { cluster, secret_id, actor, incarnation, at });
            }
            (Saved::State(blocks), Some(head), None) => {
                let actor = head.actor;
                for block in blocks {
                    self.seen = self.seen.max(lives(&block.map_err(damaged)?, actor).max());
                }
                self.frames += 1;
            }
            (Saved::End(frames), Some(_), None) => self.end = Some(frames),
            _ => return Err(SnapshotError::Order),
        }
        Ok(())
    }

    /// Whose it says it is, once its first frame was taken.
    #[must_use]
    pub fn head(&self) -> Option<&SnapshotHead> {
        self.head.as_ref()
    }

    /// Whether its end was taken.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// The greatest life of its writer's actor that it knows of; greater than the writer's own when peers told of one that is.
    #[must_use]
    pub fn seen(&self) -> Option<Incarnation> {
        self.seen
    }

    /// Whose it is.
    ///
    /// # Errors
    /// [`SnapshotError`] when it is not whole.
    pub fn finish(self) -> Result<SnapshotHead, SnapshotError> {
        let has = self.frames;
        match (self.head, self.end) {
            (Some(head), Some(says)) if says == has => Ok(head),
            (Some(_), Some(says)) => Err(SnapshotError::Incomplete { says, has }),
            (_, None) => Err(SnapshotError::Torn { frames: has }),
            (None, Some(_)) => Err(SnapshotError::Order),
        }
    }
}

/// The lives in which an actor counted.
fn lives(state: &State, actor: Actor) -> impl Iterator<Item = Incarnation> {
    let (rows, accounts, sessions): (&[_], &[_], &[_]) = match state {
        State::Counters(block) => (&block.rows, &[], &[]),
        State::Accounts(block) => (&[], &block.accounts, &[]),
        State::Sessions(sessions) => (&[], &[], sessions),
        State::Sketches(_) | State::Facts(_) | State::Debts(_) | State::Unknown => (&[], &[], &[]),
    };
    let authors = rows.iter().map(|(_, author, _)| *author).chain(accounts.iter().map(|(_, author, _)| *author));
    let authors = authors.chain(sessions.iter().flat_map(|(_, session)| session.authors()));
    authors.filter(move |author| author.actor == actor).map(|author| author.incarnation)
}

impl Store {
    /// Takes one frame of a snapshot that is whole. Everything is joined: what is known better stays.
    pub fn restore(&self, frame: &[u8], now: Time) -> Restored {
        let mut restored = Restored::default();
        let Ok(Saved::State(blocks)) = Saved::decode(frame) else { return restored };
        for state in blocks.flatten() {
            restored.add(self.take(state, now));
        }
        restored
    }

    fn take(&self, state: State, now: Time) -> Restored {
        let mut restored = Restored::default();
        match state {
            State::Counters(block) => match self.any_by_identity(block.table) {
                Some(table) => block.rows.into_iter().for_each(|(key, author, mut row)| {
                    restored.ingested(self.offer_row((table, key), (author, &mut row), Told::Known, now));
                }),
                None => restored.left += block.rows.len() as u64,
            },
            State::Sketches(block) => match self.any_uniques_by_identity(block.table) {
                Some(table) => block.seen.into_iter().for_each(|seen| {
                    restored.ingested(self.offer_sketch(
                        (table, seen.key),
                        (None, (seen.slot, &seen.sketch)),
                        Told::Known,
                        now,
                    ));
                }),
                None => restored.left += block.seen.len() as u64,
            },
            State::Facts(facts) => facts.into_iter().for_each(|fact| restored.offered(self.offer_fact(fact, now))),
            State::Accounts(block) => match self.any_ledgers_by_identity(block.table) {
                Some(table) => block.accounts.into_iter().for_each(|(key, author, account)| {
                    let ingested = self.offer_account((table, key), (author, account), Told::Known, now);
                    if ingested.ahead > 0 || ingested.full || ingested.void.is_some() {
                        self.leave_out_account(table, now);
                    }
                    restored.ingested(ingested);
                }),
                None => {
                    self.miss_ledgers(block.table);
                    restored.left += block.accounts.len() as u64;
                }
            },
            State::Sessions(sessions) => sessions.into_iter().for_each(|(key, session)| {
                restored.ingested(self.offer_session(key, (None, session), Told::Known, now));
            }),
            State::Debts(debts) => self.owe(&debts, now),
            State::Unknown => restored.left += 1,
        }
        restored
    }
}

impl Restored {
    /// Adds what came of another frame.
    pub fn add(&mut self, other: Restored) {
        self.taken += other.taken;
        self.left += other.left;
    }

    fn ingested(&mut self, Ingested { ahead, expired, implausible, void, full, pushed: _, raised: _ }: Ingested) {
        let left = full || void.is_some() || ahead + expired + implausible > 0;
        self.taken += u64::from(!left);
        self.left += u64::from(left);
    }

    pub(crate) fn offered(&mut self, offered: Offered) {
        match offered {
            Offered::Taken | Offered::Known => self.taken += 1,
            Offered::Refused | Offered::Ahead | Offered::Full | Offered::Void(_) => self.left += 1,
        }
    }
}
