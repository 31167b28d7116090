//! How links begin: each side says who it is, at once and again until the other shows that it heard. A stranger is refused by
//! the name of what differs.

use super::clocks::Clocks;
use super::link::{Link, Wish};
use super::peer::Peer;
use super::rtt::Rtt;
use super::tally::TOLD_WITHIN;
use super::tempo::Reach;
use super::{CloseReason, Event, LinkId, Replica, STRANGERS_OVER_FABRIC, STRANGERS_PER_POP, TELLERS};
use crate::identity::{Actor, Author, Incarnation, PopId};
use crate::store::Hearing;
use crate::time::Time;
use crate::walk::Whose;
use crate::wire::{self, FEATURES, Hello, NEWEST, OLDEST, OWN, RELAYS};

/// Who ends when a link says hello.
enum GivesWay {
    Nobody,
    /// A link of before.
    Link(LinkId),
    /// The link itself, to one of a later life.
    Itself(Incarnation),
}

impl Replica {
    pub(super) fn connected(&mut self, id: LinkId, pop: PopId, reach: Reach, now: Time) {
        if !self.peers.is_in_roster(pop) {
            return self.close(id, CloseReason::NotInRoster(pop));
        }
        let most = match reach {
            Reach::Direct => STRANGERS_PER_POP,
            Reach::Shared => STRANGERS_OVER_FABRIC,
        };
        if self.links.strangers(pop) >= most {
            return self.close(id, CloseReason::TooMany);
        }
        let wish = self.wish(now);
        self.links.insert(id, Link::new(pop, reach, wish, self.index.last(), now));
        self.say_hello(id, now);
    }

    /// What a new link is to begin with. Each node tells its own, so what has no link here, such as lives that are over, is all that is
    /// missing; of several links that come at about one time the first bring that, and not each of them everything.
    fn wish(&self, now: Time) -> Wish {
        let tells = |link: &Link| link.wish == Wish::All && now < link.opened.plus(TOLD_WITHIN);
        let tellers = self.links.iter().filter(|(_, link)| tells(link)).take(TELLERS).count();
        if tellers < TELLERS { Wish::All } else { Wish::Own }
    }

    pub(super) fn say_hello(&mut self, id: LinkId, now: Time) {
        let Some(link) = self.links.get_mut(id) else { return };
        link.hello_at = now;
        let hello = Hello {
            oldest: OLDEST,
            newest: NEWEST,
            features: match link.wish {
                Wish::All => FEATURES,
                Wish::Own => FEATURES | OWN,
            },
            cluster: self.config.cluster.clone(),
            secret_id: self.config.secret_id,
            roster_revision: self.config.roster_revision,
            author: self.me.into(),
            boot: self.config.boot,
            base: link.out.base.0,
            at: now.0,
        };
        self.send(id, wire::hello(&hello), now);
    }

    pub(super) fn hello(&mut self, id: LinkId, hello: &Hello, now: Time) {
        let Some(link) = self.links.get(id) else { return };
        if let Some(actor) = link.actor() {
            // It says it again when its roster was changed, or when it did not hear ours in time.
            if let Some(peer) = self.peers.get_mut(actor) {
                peer.roster_revision = Some(hello.roster_revision);
            }
            self.agree_on_roster(now);
            return;
        }
        let (pop, author) = (link.peer, Author::from(hello.author));
        if let Some(reason) = self.refusal(pop, author, hello) {
            return self.close(id, reason);
        }
        if self.peers.meet(author.actor).is_none() {
            return self.close(id, CloseReason::TooMany);
        }
        if let Some(ms) = self.peers.get(author.actor).and_then(|peer| peer.budget.barred(now)) {
            return self.close(id, CloseReason::Barred { ms });
        }
        match self.gives_way(author) {
            GivesWay::Nobody => {}
            GivesWay::Link(other) => self.close(other, CloseReason::Superseded { by: author.incarnation }),
            GivesWay::Itself(by) => return self.close(id, CloseReason::Superseded { by }),
        }
        if hello.roster_revision != self.config.roster_revision {
            self.tell(Event::RosterDiffers { pop, theirs: hello.roster_revision, ours: self.config.roster_revision });
        }
        if hello.secret_id != self.config.secret_id {
            self.tell(Event::SecretDiffers { pop, theirs: hello.secret_id, ours: self.config.secret_id });
        }
        self.establish(id, author, hello, now);
    }

    /// Which link a new one takes the place of. A life has one link; a node has two while a process hands over to its successor, so that
    /// what the older one counted last still comes. Of three lives the oldest gives way.
    fn gives_way(&self, author: Author) -> GivesWay {
        let life = |id: LinkId| Some((id, self.links.get(id)?.author?.incarnation));
        let Some(peer) = self.peers.get(author.actor) else { return GivesWay::Nobody };
        let lives = [peer.link, peer.draining].map(|id| id.and_then(life));
        let same = lives.into_iter().flatten().find(|(_, life)| *life == author.incarnation);
        match (same, lives) {
            (Some((id, _)), _) => GivesWay::Link(id),
            (None, [Some(_), Some((oldest, life))]) if author.incarnation > life => GivesWay::Link(oldest),
            (None, [Some((_, newest)), Some(_)]) => GivesWay::Itself(newest),
            (None, _) => GivesWay::Nobody,
        }
    }

    fn establish(&mut self, id: LinkId, author: Author, hello: &Hello, now: Time) {
        let newest = self.peers.get(author.actor).and_then(|peer| self.links.get(peer.link?)?.author);
        let Some(peer) = self.peers.get_mut(author.actor) else { return };
        if newest.is_some_and(|newest| newest.incarnation > author.incarnation) {
            peer.draining = Some(id);
            self.drains(id, now);
            return self.begin(id, author, hello, now);
        }
        peer.draining = peer.link.or(peer.draining);
        peer.link = Some(id);
        peer.roster_revision = Some(hello.roster_revision);
        peer.secret_id = Some(hello.secret_id);
        peer.tells = hello.features & RELAYS != 0;
        peer.heard_for = self.links.get(id).map_or(peer.heard_for, |link| link.reach.tempo().heard_for);
        let before = peer.life.replace((author.incarnation, hello.boot));
        if before != peer.life {
            // Another process has another clock.
            (peer.rtt, peer.clocks) = (Rtt::default(), Clocks::Agree);
            self.peers.recount(author.actor);
        }
        if before.is_some_and(|(life, boot)| life == author.incarnation && boot != hello.boot) {
            let event = Event::SameIncarnation { actor: author.actor, incarnation: author.incarnation };
            if let Some(peer) = self.peers.get_mut(author.actor) {
                peer.last_error = Some(event.to_string());
            }
            self.tell(event);
        }
        if let Some((life, _)) = before.filter(|(life, _)| *life != author.incarnation) {
            self.miss_unlinked(Author { actor: author.actor, incarnation: life });
        }
        if let Some(older) = self.peers.get(author.actor).and_then(|peer| peer.draining) {
            self.drains(older, now);
        }
        self.agree_on_roster(now);
        self.begin(id, author, hello, now);
    }

    /// Looks whether all have this roster, as long as that is asked: those that are known, and of each other POP node 0, which may claim
    /// something.
    fn agree_on_roster(&self, now: Time) {
        if !self.store.awaits_roster() {
            return;
        }
        let has = |peer: &Peer| peer.roster_revision == Some(self.config.roster_revision);
        let others = self.peers.pops().filter(|pop| *pop != self.me.actor.pop);
        let mut claimants = others.map(|pop| self.peers.get(Actor { pop, node: 0 }));
        if claimants.all(|first| first.is_some_and(has)) && self.peers.iter().all(has) {
            self.store.agree_on_roster(now);
        }
    }

    fn begin(&mut self, id: LinkId, author: Author, hello: &Hello, now: Time) {
        self.store.hears(author.actor, author.incarnation, Hearing::Heard);
        let rtt = self.peers.get(author.actor).and_then(|peer| peer.rtt.worst());
        if let Some(link) = self.links.establish(id, author) {
            link.rtt = rtt;
            link.version = hello.newest.min(NEWEST);
            link.features = hello.features & FEATURES;
            link.secret_id = hello.secret_id;
            link.inward.have = hello.base;
            link.inward.echo = Some((hello.at, now));
            link.repair.start(if hello.features & OWN == 0 { Whose::Everybody } else { Whose::One(self.me.actor) });
        }
        self.relay.changed(now);
        // Answered at once, before anything else: it tells the peer that its hello came, and by what clock the cells to come were counted.
        self.acknowledge(id, now);
        self.say_retires(id, now);
    }

    fn refusal(&self, pop: PopId, author: Author, hello: &Hello) -> Option<CloseReason> {
        if hello.oldest > NEWEST || hello.newest < OLDEST {
            return Some(CloseReason::Version { oldest: hello.oldest, newest: hello.newest });
        }
        if hello.cluster != self.config.cluster {
            let theirs: String = hello.cluster.chars().take(64).collect();
            return Some(CloseReason::OtherCluster { theirs, ours: self.config.cluster.clone() });
        }
        if hello.secret_id != self.config.secret_id && Some(hello.secret_id) != self.config.secret_beside {
            return Some(CloseReason::OtherSecret { theirs: hello.secret_id, ours: self.config.secret_id });
        }
        let says = author.actor.pop;
        if says != pop {
            return Some(CloseReason::NotItsCertificate { certificate: pop, says });
        }
        (author.actor == self.me.actor).then_some(CloseReason::Myself(author.actor))
    }
}
