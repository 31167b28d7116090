//! What happens by time alone, and when the next of it is due.

use super::link::Link;
use super::peer::HEARD_FOR;
use super::{CloseReason, Event, LinkId, Replica};
use crate::time::Time;
use crate::wire::{self, Ack};

/// A link with nothing to say says so, ms.
const HEARTBEAT: u64 = 500;

/// Hello is said again so often until it is answered, ms.
const HELLO_AGAIN: u64 = 500;

/// A link without a hello is closed after so long, ms.
const HELLO_WITHIN: u64 = 5_000;

impl Replica {
    /// Does whatever is due.
    pub(super) fn drive(&mut self, now: Time) {
        self.flush(now);
        self.take_turn(now);
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for id in links {
            self.drive_link(id, now);
        }
        self.miss_peers(now);
    }

    fn drive_link(&mut self, id: LinkId, now: Time) {
        let Some(link) = self.links.get(&id) else { return };
        let rtt = self.peers.get(&link.peer).and_then(|peer| peer.rtt.worst());
        if link.author.is_none() && now >= link.opened.plus(HELLO_WITHIN) {
            return self.close(id, CloseReason::NoHello);
        }
        let again = !link.is_greeted && now >= link.hello_at.plus(HELLO_AGAIN);
        let resend = link.out.is_waiting() && now >= link.out.patience.ends(rtt);
        let rewind = !link.repair.flight.is_empty() && now >= link.repair.patience.ends(rtt);
        if again {
            self.say_hello(id, now);
        }
        if resend {
            self.resend(id, now);
        } else {
            self.catch_up(id, now);
        }
        if let Some(link) = self.links.get_mut(&id).filter(|_| rewind) {
            link.repair.rewind(now);
        }
        self.repair(id, now);
        let Some(link) = self.links.get(&id).filter(|link| link.author.is_some()) else { return };
        if link.inward.ack_due.is_some_and(|due| due <= now) || now >= link.last_out.plus(HEARTBEAT) {
            self.acknowledge(id, now);
        }
    }

    fn acknowledge(&mut self, id: LinkId, now: Time) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.inward.ack_due = None;
        let (echo, held) = link.inward.echo.map_or((0, 0), |(at, came)| (at, now.since(came)));
        let ack = Ack { have: link.inward.have, ranges: link.inward.ranges, echo, held, at: now.0 };
        self.send(id, wire::ack(&ack), now);
    }

    /// Peers that fell silent; and how much of the cluster is heard, for those who decide by it.
    fn miss_peers(&mut self, now: Time) {
        let mut silent = Vec::new();
        let (mut heard, mut news) = (1_u16, None);
        for peer in self.peers.values_mut() {
            let recent = peer.heard_at.is_some_and(|at| now < at.plus(HEARD_FOR));
            if peer.is_up && !recent {
                peer.is_up = false;
                silent.push(peer.pop);
            }
            heard = heard.saturating_add(u16::from(peer.is_up));
            let known = peer.news().or(self.started).unwrap_or(now);
            news = Some(news.map_or(known, |oldest: Time| oldest.min(known)));
        }
        self.store.set_heard(heard, news);
        for pop in silent {
            self.tell(Event::PeerDown { pop });
        }
    }

    /// When [`Input::Timeout`](super::Input::Timeout) is due, unless something else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let peers = self.peers.values().filter(|peer| peer.is_up).filter_map(|peer| peer.heard_at);
        let silences = peers.map(|at| at.plus(HEARD_FOR));
        let links = self.links.values().filter_map(|link| self.link_timeout(link));
        silences.chain(links).chain(self.pace.due()).chain(self.turn.due()).min()
    }

    fn link_timeout(&self, link: &Link) -> Option<Time> {
        let rtt = self.peers.get(&link.peer).and_then(|peer| peer.rtt.worst());
        let timeouts = [
            link.author.is_none().then(|| link.opened.plus(HELLO_WITHIN)),
            (!link.is_greeted).then(|| link.hello_at.plus(HELLO_AGAIN)),
            link.out.is_waiting().then(|| link.out.patience.ends(rtt)),
            (!link.repair.flight.is_empty()).then(|| link.repair.patience.ends(rtt)),
            link.author.is_some().then(|| link.last_out.plus(HEARTBEAT)),
            link.inward.ack_due,
            link.repair.again,
        ];
        timeouts.into_iter().flatten().min()
    }
}
