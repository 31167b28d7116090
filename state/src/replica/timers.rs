//! What happens by time alone, and when the next of it is due.

use super::clocks::Clocks;
use super::link::Link;
use super::tally::{Parts, TOLD_WITHIN, Tally};
use super::{CloseReason, Event, LinkId, Replica};
use crate::store::{Hearing, Standing};
use crate::time::Time;
use crate::wire::{self, Ack};

/// Hello is said again so often until it is answered, ms.
const HELLO_AGAIN: u64 = 500;

/// A link without a hello is closed after so long, ms.
const HELLO_WITHIN: u64 = 5_000;

/// A repair waits at least so long for its acknowledgement, ms: those are sent soon over any kind of link.
const REPAIR_PATIENCE: u64 = 250;

impl Replica {
    /// Does whatever is due.
    pub(super) fn drive(&mut self, now: Time) {
        self.trim();
        self.flush(now);
        self.relay(now);
        self.take_turn(now);
        for id in self.links.take_due(now) {
            self.drive_link(id, now);
            self.links.touch(id);
        }
        self.miss_peers(now);
        self.trim();
        let touched = self.links.take_touched();
        for id in &touched {
            let due = self.links.get(*id).and_then(|link| self.link_timeout(link));
            self.links.file_due(*id, due);
        }
        self.check_invariants(&touched);
    }

    fn drive_link(&mut self, id: LinkId, now: Time) {
        let Some(link) = self.links.get(id) else { return };
        let (rtt, tempo) = (link.rtt, link.reach.tempo());
        if link.author.is_none() && now >= link.opened.plus(HELLO_WITHIN) {
            return self.close(id, CloseReason::NoHello);
        }
        if link.silent_at.is_some_and(|at| at <= now) {
            return self.close(id, CloseReason::Silent);
        }
        let again = !link.is_greeted && now >= link.hello_at.plus(HELLO_AGAIN);
        let resend = link.out.is_waiting() && now >= link.out.patience.ends(rtt, tempo.patience);
        let rewind = !link.repair.flight.is_empty() && now >= link.repair.patience.ends(rtt, REPAIR_PATIENCE);
        let idle = link.out.is_at(self.index.last()) && link.repair.is_over();
        // Most links that are looked at want nothing: a frame was published for all of them, or came.
        if again || resend || rewind || !idle {
            if again {
                self.say_hello(id, now);
            }
            if resend {
                self.resend(id, now);
            } else {
                self.catch_up(id, now);
            }
            if let Some(link) = self.links.get_mut(id).filter(|_| rewind) {
                link.repair.rewind(now);
            }
            self.repair(id, now);
            self.stand_first(id, now);
        }
        // Where nothing leaves, one more heartbeat a while would add up.
        let Some(link) = self.links.get(id).filter(|link| link.author.is_some() && link.has_room()) else { return };
        if link.inward.ack_due.is_some_and(|due| due <= now) || now >= link.last_out.plus(tempo.heartbeat) {
            self.acknowledge(id, now);
        }
    }

    pub(super) fn acknowledge(&mut self, id: LinkId, now: Time) {
        let Some(link) = self.links.get_mut(id) else { return };
        link.inward.ack_due = None;
        let (echo, held) = link.inward.echo.map_or((0, 0), |(at, came)| (at, now.since(came)));
        let ack = Ack { have: link.inward.have, ranges: link.inward.ranges, echo, held, at: now.0 };
        self.send(id, wire::ack(&ack), now);
    }

    /// Peers that fell silent; and how much of the cluster is heard, for those who decide by it.
    fn miss_peers(&mut self, now: Time) {
        for actor in self.peers.fall_silent(now) {
            let latest = self.peers.get(actor).and_then(|peer| peer.life).map(|(life, _)| life);
            for life in latest.into_iter().chain(self.linked(actor).map(|author| author.incarnation)) {
                self.store.hears(actor, life, Hearing::Silent);
            }
            self.relay.changed(now);
            self.tell(Event::PeerDown { actor });
        }
        let known = u16::try_from(self.peers.len() + 1).unwrap_or(u16::MAX);
        let mine = self.me.actor.pop;
        let tally = self.peers.tally(now);
        let Parts { relied: part, own } = tally.parts(mine);
        let Tally { untold, relied, votes, .. } = *tally;
        self.warming &= untold > 0 && now < self.warm_by();
        // The first that are heard may be those that are wrong.
        if !self.warming || votes.are_all_in(self.peers.len()) {
            self.set_clock(votes.clock(self.clock));
        }
        let (standing, relied, part) = match (self.clock, self.warming) {
            (Clocks::Differ, _) => (Standing::Clock, 0, own),
            (Clocks::Agree, true) => (Standing::Warming, relied, part),
            (Clocks::Agree, false) => (Standing::Settled, relied, part),
        };
        let heard = u16::try_from(relied + 1).unwrap_or(u16::MAX);
        let news = self.peers.oldest_news().map(|news| news.or(self.started).unwrap_or(now));
        self.store.set_reach(known, heard, part, news);
        self.store.set_standing(standing);
    }

    /// When it is warm, whatever it heard.
    fn warm_by(&self) -> Time {
        self.started.unwrap_or_default().plus(TOLD_WITHIN)
    }

    /// When [`Input::Timeout`](super::Input::Timeout) is due, unless something else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let warm = (self.warming && self.started.is_some()).then(|| self.warm_by());
        let own = [self.pace.due(), self.turn.due(), self.relay.due(), warm];
        let due = [self.peers.next_look(), self.links.next_look()].into_iter().chain(own);
        due.flatten().min()
    }

    /// When a link wants to be looked at.
    fn link_timeout(&self, link: &Link) -> Option<Time> {
        let (rtt, tempo) = (link.rtt, link.reach.tempo());
        let timeouts = [
            link.author.is_none().then(|| link.opened.plus(HELLO_WITHIN)),
            (!link.is_greeted).then(|| link.hello_at.plus(HELLO_AGAIN)),
            link.out.is_waiting().then(|| link.out.patience.ends(rtt, tempo.patience)),
            (!link.repair.flight.is_empty()).then(|| link.repair.patience.ends(rtt, REPAIR_PATIENCE)),
            (link.author.is_some() && link.has_room()).then(|| link.last_out.plus(tempo.heartbeat)),
            link.inward.ack_due.filter(|_| link.has_room()),
            link.repair.again,
            link.silent_at,
        ];
        timeouts.into_iter().flatten().min()
    }
}
