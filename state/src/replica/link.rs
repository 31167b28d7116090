//! One link: how far the two sides of it know each other. Of what was sent it keeps numbers, never the frames.

use std::collections::VecDeque;

use super::compare::Asked;
use super::tempo::Reach;
use crate::identity::{Actor, Author, PopId, Seq};
use crate::range::{PARTS, Range};
use crate::time::Time;
use crate::walk::{Walk, Whose};
use crate::wire::OLDEST;

/// Bytes that may wait to leave for the network. What is beyond it is not made: it is made later, of newer values.
pub(super) const UNSENT_MAX: usize = 512 * 1024;

/// Bytes of repair that may wait for their acknowledgement.
pub(super) const REPAIR_BYTES_MAX: usize = 512 * 1024;

/// Frames of repair that may wait for their acknowledgement.
pub(super) const REPAIR_FRAMES_MAX: usize = 32;

/// Ranges that wait to be gone through.
const RANGES_MAX: usize = 2 * PARTS;

/// A life that hands over is taken for gone when it said nothing for so many times as long as makes a node be not heard. The node itself is heard by
/// its successor. Not at once: starting that one takes what the machine has.
const SILENT: u64 = 3;

/// Each time in vain doubles the patience, up to so many times.
const PATIENCE_DOUBLINGS: u32 = 3;

/// And up to so long, ms: the round trips of a peer that was slow or stopped say nothing of what it takes when it is not.
const PATIENCE_MAX: u64 = 10_000;

#[derive(Debug)]
pub(super) struct Link {
    /// Whom its certificate names.
    pub(super) peer: PopId,
    pub(super) reach: Reach,
    pub(super) opened: Time,
    /// What the peer is asked to begin with.
    pub(super) wish: Wish,
    pub(super) hello_at: Time,
    /// Whom the peer said it is; none before its hello.
    pub(super) author: Option<Author>,
    /// The newest protocol version that both ends speak; of meaning once there is an author.
    pub(super) version: u16,
    /// What is optional and both ends can do; of meaning once there is an author.
    pub(super) features: u64,
    /// The id of the secret by which the peer names what clients choose; of meaning once there is an author.
    pub(super) secret_id: u64,
    /// Whether the peer has shown that it took our hello.
    pub(super) is_greeted: bool,
    pub(super) unsent: usize,
    pub(super) last_out: Time,
    /// The worst of the last round trips to its other end, ms.
    pub(super) rtt: Option<u64>,
    /// Of a life that hands over: when it is closed, unless something comes before.
    pub(super) silent_at: Option<Time>,
    pub(super) out: Outward,
    pub(super) inward: Inward,
    pub(super) repair: Repair,
    pub(super) told: Told,
}

/// What a node wants to be told first on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// All that the peer knows.
    All,
    /// What the peer counted and stated itself: others tell the rest.
    Own,
}

/// Our changes on their way to the peer.
#[derive(Debug)]
pub(super) struct Outward {
    /// Changes up to this one are the business of repair.
    pub(super) base: Seq,
    /// The base moved while the link was up, and the peer has not acknowledged that.
    pub(super) moved: bool,
    /// The next frame is to tell the peer so.
    jump: bool,
    pub(super) sent: Seq,
    pub(super) acked: Seq,
    pub(super) patience: Patience,
}

/// The peer's changes on their way to us.
#[derive(Debug, Default)]
pub(super) struct Inward {
    /// All changes up to this one came.
    pub(super) have: u64,
    /// All pieces of repair up to this one came.
    pub(super) ranges: u64,
    /// The peer's time in the newest frame, and when that came.
    pub(super) echo: Option<(u64, Time)>,
    pub(super) ack_due: Option<Time>,
}

/// A repair on its way to the peer.
#[derive(Debug, Default)]
pub(super) struct Repair {
    /// Where it goes on; none when all was sent.
    pub(super) walk: Option<Walk>,
    /// Pieces that are not acknowledged, oldest first.
    pub(super) flight: VecDeque<Piece>,
    /// The newest piece's number, and the number that the next piece follows.
    pub(super) last: u64,
    pub(super) follows: u64,
    pub(super) acked: u64,
    pub(super) patience: Patience,
    /// What to go through once more when the walk ends: what it passed by has changed since.
    pub(super) once_more: Option<Whose>,
    /// When to go on with a walk that stopped without a full frame.
    pub(super) again: Option<Time>,
    /// Where the standing repair goes on, for peers that cannot compare.
    pub(super) standing: Option<Walk>,
    /// Whether the peer was asked, or told something, since all was sent for the first time.
    pub(super) has_stood: bool,
    /// The range that was asked about last.
    pub(super) asked: Option<Range>,
    /// How often the peer was listened to.
    pub(super) heard: Asked,
    /// Ranges in which the peer knows something else, to be walked when nothing else is.
    ranges: VecDeque<Range>,
}

/// One frame of a repair: its number, its bytes, and where its walk began.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) to: u64,
    pub(super) bytes: usize,
    pub(super) from: Walk,
}

/// How long to wait for an acknowledgement.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Patience {
    since: Time,
    in_vain: u32,
}

/// Troubles that the operator was told of once on this link.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) undecodable: bool,
    pub(super) foreign: bool,
    pub(super) unknown_table: bool,
    pub(super) ahead: bool,
    pub(super) implausible: bool,
    pub(super) no_room: bool,
    pub(super) over: bool,
    /// Under which revision of the roster the peer said what is void.
    pub(super) void: Option<u64>,
    pub(super) foreign_ack: bool,
    pub(super) retires: bool,
}

impl Patience {
    /// Something waits that did not before. What ran out in vain stays counted until something is acknowledged.
    pub(super) fn begin(&mut self, now: Time) {
        self.since = now;
    }

    /// Something was acknowledged.
    pub(super) fn renew(&mut self, now: Time) {
        *self = Patience { since: now, in_vain: 0 };
    }

    /// It ran out; the next one is longer.
    pub(super) fn double(&mut self, now: Time) {
        *self = Patience { since: now, in_vain: (self.in_vain + 1).min(PATIENCE_DOUBLINGS) };
    }

    /// Whether it ran out as often as is counted, and nothing was acknowledged since: what was sent may all be lost.
    pub(super) fn is_out(&self) -> bool {
        self.in_vain >= PATIENCE_DOUBLINGS
    }

    /// When it runs out: `least` is the least that it lasts, ms.
    pub(super) fn ends(&self, rtt: Option<u64>, least: u64) -> Time {
        let patience = rtt.unwrap_or(0).saturating_mul(4).max(least).saturating_mul(1 << self.in_vain);
        self.since.plus(patience.min(PATIENCE_MAX.max(least)))
    }
}

impl Link {
    pub(super) fn new(peer: PopId, reach: Reach, wish: Wish, base: Seq, now: Time) -> Link {
        let patience = Patience::default();
        Link {
            peer,
            reach,
            opened: now,
            wish,
            hello_at: now,
            author: None,
            version: OLDEST,
            features: 0,
            secret_id: 0,
            is_greeted: false,
            unsent: 0,
            last_out: now,
            rtt: None,
            silent_at: None,
            out: Outward { base, moved: false, jump: false, sent: base, acked: base, patience },
            inward: Inward::default(),
            repair: Repair::default(),
            told: Told::default(),
        }
    }

    /// Who is at the other end, once it said so.
    pub(super) fn actor(&self) -> Option<Actor> {
        self.author.map(|author| author.actor)
    }

    /// It is that of a life that hands over, and something came just now.
    pub(super) fn drains(&mut self, now: Time) {
        self.silent_at = Some(now.plus(SILENT * self.reach.tempo().heard_for));
    }

    pub(super) fn has_room(&self) -> bool {
        self.unsent < UNSENT_MAX
    }
}

impl Inward {
    /// An acknowledgement is due at `at`, if none was before.
    pub(super) fn acknowledge(&mut self, at: Time) {
        self.ack_due = Some(self.ack_due.map_or(at, |due| due.min(at)));
    }
}

impl Outward {
    /// Whether the peer has yet to acknowledge something that was sent.
    pub(super) fn is_waiting(&self) -> bool {
        self.sent > self.acked || self.moved
    }

    /// What the peer must have before the next frame: nothing, if that frame is to tell it that the base moved.
    pub(super) fn follows(&self) -> Seq {
        if self.jump { Seq(0) } else { self.sent }
    }

    /// Whether the next frame is an ordinary one that follows on `seq`.
    pub(super) fn is_at(&self, seq: Seq) -> bool {
        self.sent == seq && !self.jump
    }

    pub(super) fn sent(&mut self, to: Seq, now: Time) {
        if self.sent == self.acked && !self.moved {
            self.patience.begin(now);
        }
        self.sent = to;
        self.jump = false;
    }

    /// Goes back to what is known to have come: it was waited for in vain.
    pub(super) fn rewind(&mut self, now: Time) {
        self.sent = self.acked;
        self.jump = self.moved;
        self.patience.double(now);
    }

    /// Whether the peer heard something that left at `echo`, after something it still lacks: on a link that keeps order that is lost.
    /// What waits began to wait when it left, or waits on since the peer acknowledged something else.
    pub(super) fn is_overtaken_by(&self, echo: Time) -> bool {
        self.is_waiting() && echo > self.patience.since
    }

    /// Goes back to what is known to have come: the peer says that it lacks what follows.
    pub(super) fn lacks(&mut self, now: Time) {
        self.sent = self.acked;
        self.jump = self.moved;
        self.patience.renew(now);
    }

    pub(super) fn acked(&mut self, have: Seq, now: Time) {
        if have < self.base {
            return;
        }
        if have > self.acked || self.moved {
            self.patience.renew(now);
        }
        self.moved = false;
        self.acked = self.acked.max(have);
        self.sent = self.sent.max(have);
    }

    /// What lies behind is gone from the index: from here on it is the business of repair.
    pub(super) fn rebase(&mut self, to: Seq, now: Time) {
        (self.base, self.sent, self.acked) = (to, to, to);
        (self.moved, self.jump) = (true, true);
        self.patience.renew(now);
    }
}

impl Repair {
    /// Goes through everything of these. A walk in progress is finished first: starting over each time would never get to the end.
    pub(super) fn start(&mut self, whose: Whose) {
        if self.walk.is_some() {
            self.once_more = Some(whose);
            return;
        }
        self.flight.clear();
        self.follows = self.acked;
        self.walk = Some(Walk::of(whose));
    }

    /// Goes through a range as well, now or when the walk in progress is over. What there is no room for is found again later.
    pub(super) fn also(&mut self, range: Range) {
        if self.ranges.len() < RANGES_MAX && !self.ranges.contains(&range) {
            self.ranges.push_back(range);
        }
        if self.walk.is_none() {
            self.walk = self.next_walk();
        }
    }

    /// What to go through after a walk is over.
    pub(super) fn next_walk(&mut self) -> Option<Walk> {
        if let Some(whose) = self.once_more.take() {
            return Some(Walk::of(whose));
        }
        self.ranges.pop_front().map(Walk::within)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.walk.is_none() && self.flight.is_empty()
    }

    /// Whether nothing of it is left to be sent, and the peer was asked whether it knows the same.
    pub(super) fn is_over(&self) -> bool {
        self.walk.is_none() && self.again.is_none() && self.has_stood
    }

    pub(super) fn has_room(&self) -> bool {
        let bytes: usize = self.flight.iter().map(|piece| piece.bytes).sum();
        self.flight.len() < REPAIR_FRAMES_MAX && bytes < REPAIR_BYTES_MAX
    }

    pub(super) fn sent(&mut self, piece: Piece, now: Time) {
        if self.flight.is_empty() {
            self.patience.begin(now);
        }
        self.follows = piece.to;
        self.last = piece.to;
        self.flight.push_back(piece);
    }

    pub(super) fn acked(&mut self, to: u64, now: Time) {
        if to <= self.acked {
            return;
        }
        self.acked = to;
        self.patience.renew(now);
        while self.flight.pop_front_if(|piece| piece.to <= to).is_some() {}
    }

    /// Goes back to the first piece that was not acknowledged. What is sent from there on has new numbers, so that a late
    /// piece of before is not taken for one of them.
    pub(super) fn rewind(&mut self, now: Time) {
        if let Some(first) = self.flight.pop_front() {
            self.flight.clear();
            self.walk = Some(first.from);
            self.follows = self.acked;
            self.patience.double(now);
        }
    }
}
