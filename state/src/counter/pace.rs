//! Pacing: near the limit each node admits at its own part of the rate.
//!
//! While a key is over its limit its bucket is full, and a token that drains is seen by every node: what arrives at several of them within
//! the lag is admitted by each. So a node that has itself refused a key, which others count too, admits it in turns: after a cost it waits
//! for `cost / (rate x w)`, where `w` is its own part of what the fine ring counts of all authors, an even part at least. That is the flow
//! proportional share of B. Raghavan and others, "Cloud Control with Distributed Rate Limiting" (2007), over counts that are here anyway.
//! The parts add up to 1 at least, so the limit is reached, and they follow the traffic within the ring.
//!
//! The whole wait is for a full bucket. It gets shorter as the bucket drains, in proportion, and there is none where a quarter of the room
//! for the cost is free: a node whose turn nobody takes leaves its tokens in the bucket, where the others find them. So nothing is lost to
//! pacing but room in the upper quarter, and a bucket that holds one cost is not paced at all.
//!
//! Nodes need not agree on the backlog: one that begins anew knows less of what is older than the ring, and finds room where another finds
//! none, which then never has a turn. So a node that has admitted nothing for a while, while the others were admitted half of the rate or
//! more, forgets by how much its backlog is above theirs. What it admits then the others count: no more comes of it than they find room
//! for.
//!
//! The bucket is asked first: pacing admits nothing that it refuses, and nobody whom it never refused is paced. It ends where the bucket is
//! found with a quarter free, or when nothing was refused for as long as a quarter takes to drain once there is room. It is this node's own:
//! never sent, never saved.

use super::carry::Carry;
use super::cells::{Counts, Ring};
use super::widths::Widths;
use super::{SlotCounter, sum};
use crate::bucket::{Bucket, Charge};
use crate::identity::Actor;
use crate::time::Time;

/// The part of a bucket in which a key is paced: its upper quarter.
const PACED: f64 = 0.25;

/// A node doubts its backlog when it has admitted nothing for so long, ms, for as many of its turns, and for the fine ring.
const SHUT: u64 = 2_000;
const TURNS: f64 = 10.0;

/// The part of the rate that others are admitted meanwhile.
const SERVED: f64 = 0.5;

/// Rounding must not refuse whose turn it is: ms.
const EDGE: f64 = 1e-6;

/// The pace of a key that was refused here while others counted it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Since when it waits for its turn.
    since: Time,
    /// How long its turn takes to come where the bucket is full, ms.
    gap: f64,
    /// When it is paced no more, unless it is refused before.
    until: Time,
    /// Since when nothing of it was admitted here.
    shut: Time,
}

/// The part of this node.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Of the rate: above 0, at most 1.
    of_rate: f64,
    /// How many of the nodes go before it, by all of them: those that begin to wait at one instant shall not all end at one.
    before: f64,
    /// What the others were admitted in the fine ring.
    others: u64,
}

/// A cost that a bucket is asked for.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    bucket: &'a Bucket,
    cost: f64,
    level: f64,
    now: Time,
}

impl SlotCounter {
    /// What a bucket with this backlog says to a cost at a node and, where the key is paced, whose turn it is.
    #[inline]
    pub(super) fn judge(&mut self, (bucket, cost): (&Bucket, u32), (me, level): (Actor, f64), now: Time) -> Charge {
        let said = bucket.judge(level, cost);
        let is_refused = matches!(said, Charge::Refused { .. });
        let may_wait = self.others().is_some_and(|others| is_refused || others.pace.is_some());
        if !may_wait || cost == 0 {
            return said;
        }
        let asked = Asked { bucket, cost: cost.into(), level, now };
        match said {
            Charge::Admitted { .. } => self.take_turn(said, me, asked),
            Charge::Refused { retry_after_ms: u64::MAX } | Charge::Full => said,
            Charge::Refused { retry_after_ms } => self.stand_in_line(retry_after_ms, me, asked),
        }
    }

    /// There is room.
    #[cold]
    fn take_turn(&mut self, said: Charge, me: Actor, asked: Asked<'_>) -> Charge {
        let Some(pace) = self.pace(asked.now) else {
            self.set_pace(None);
            return said;
        };
        let wait = pace.wait(asked);
        if wait > 0 {
            self.set_pace(Some(pace.refused(0, asked)));
            return Charge::Refused { retry_after_ms: wait };
        }
        let next = (asked.taken() > 0.0).then(|| {
            // Where all counts are its own, or over, the others may only be late. If they are not, the bucket drains, and it is alone.
            let gap = self.part(me).map_or(pace.gap, |part| asked.gap(part));
            Pace { since: asked.now, gap, shut: asked.now, ..pace }
        });
        self.set_pace(next);
        said
    }

    /// There is none.
    #[cold]
    fn stand_in_line(&mut self, room_in: u64, me: Actor, asked: Asked<'_>) -> Charge {
        let known = self.pace(asked.now);
        // One whose turn it was all the same begins anew.
        let pace = known.filter(|pace| asked.now.since(pace.since) as f64 <= pace.gap).or_else(|| {
            let Some(part) = self.part(me) else { return known };
            let gap = asked.gap(part);
            let since = asked.now.minus((gap * part.before) as u64);
            Some(Pace { since, gap, until: asked.now, shut: known.map_or(asked.now, |known| known.shut) })
        });
        let pace = pace.map(|pace| pace.refused(room_in, asked));
        self.set_pace(pace);
        Charge::Refused { retry_after_ms: pace.map_or(0, |pace| pace.wait(asked)).max(room_in) }
    }

    /// Where the others are admitted and nothing is here, the backlog is more than they know of: forgets what of it leaves no room for the
    /// cost. Says whether it did.
    pub(super) fn doubt(
        &mut self,
        widths: Widths,
        (bucket, cost): (&Bucket, u32),
        (me, level): (Actor, f64),
        now: Time,
    ) -> bool {
        let Some(pace) = self.pace(now) else { return false };
        let (ring, surplus) =
            (now.0.saturating_sub(widths.fine_start(self.oldest())), level + f64::from(cost) - bucket.depth());
        if surplus <= 0.0 || now.since(pace.shut) < ring.max(SHUT).max((TURNS * pace.gap) as u64) {
            return false;
        }
        self.set_pace(Some(Pace { shut: now, ..pace }));
        let others = self.part(me).map_or(0, |part| part.others);
        let are_served = others as f64 >= SERVED * bucket.rate_per_ms * ring as f64;
        let Some(carry) = self.carry().filter(|carry| are_served && carry.backlog > 0.0) else { return false };
        self.set_carry(Some(Carry { backlog: (carry.backlog - surplus).max(0.0), ..carry }));
        true
    }

    fn pace(&self, now: Time) -> Option<Pace> {
        self.others()?.pace.as_deref().copied().filter(|pace| now < pace.until)
    }

    fn set_pace(&mut self, pace: Option<Pace>) {
        let Some(others) = self.others_mut() else { return };
        match (&mut others.pace, pace) {
            (Some(known), Some(pace)) => **known = pace,
            (known, pace) => *known = pace.map(Box::new),
        }
    }

    /// This node's part; `None` where nobody else counted in the fine ring.
    fn part(&self, me: Actor) -> Option<Part> {
        let fine = |cells: Counts<'_>| sum((self.oldest()..=self.head).map(|slot| cells.get(Ring::Fine, slot)));
        let (mut own, mut others, mut nodes, mut before) = (fine(self.own()), 0_u64, 1_u32, 0_u32);
        for (author, cells) in &self.others()?.rows {
            let count = fine(cells.counts());
            if author.actor == me {
                // In an earlier life, or before it forgot the key.
                own = own.saturating_add(count);
            } else if count > 0 {
                others = others.saturating_add(count);
                nodes += 1;
                before += u32::from(author.actor < me);
            }
        }
        let even = 1.0 / f64::from(nodes);
        let of_rate = even.max(own as f64 / own.saturating_add(others).max(1) as f64);
        (others > 0).then_some(Part { of_rate, before: f64::from(before) * even, others })
    }
}

impl Asked<'_> {
    /// What the bucket may hold beside the cost, in tokens.
    fn room(self) -> f64 {
        self.bucket.depth() - self.cost
    }

    /// How much of the paced part of the room is taken: 1 where all is, 0 or less where none is.
    fn taken(self) -> f64 {
        let room = self.room();
        if room > 0.0 { (self.level / room - 1.0) / PACED + 1.0 } else { 0.0 }
    }

    /// How long a node's turn takes to come after this cost where the bucket is full, ms.
    fn gap(self, part: Part) -> f64 {
        self.cost / (self.bucket.rate_per_ms * part.of_rate)
    }
}

impl Pace {
    /// It was refused; there is room in so many ms.
    fn refused(self, room_in: u64, asked: Asked<'_>) -> Pace {
        let drains = PACED * asked.bucket.depth() / asked.bucket.rate_per_ms;
        Pace { until: asked.now.plus(room_in).plus(drains.ceil() as u64), ..self }
    }

    /// How long until it is its turn if nobody charges meanwhile, ms: when it has waited for as much of the gap as is taken of the paced
    /// part, which drains while it waits.
    fn wait(self, asked: Asked<'_>) -> u64 {
        let taken = asked.taken();
        let lacks = self.gap * taken - asked.now.since(self.since) as f64;
        if taken <= 0.0 || lacks <= EDGE {
            return 0;
        }
        let shrinks = self.gap * asked.bucket.rate_per_ms / (PACED * asked.room());
        (lacks / (1.0 + shrinks)).ceil() as u64
    }
}
