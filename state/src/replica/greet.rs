//! How links begin: each side says who it is, at once and again until the other shows that it heard. A stranger is refused by
//! the name of what differs.

use super::link::Link;
use super::tempo::Reach;
use super::{CloseReason, Event, LinkId, Replica, STRANGERS_OVER_FABRIC, STRANGERS_PER_POP};
use crate::identity::{Author, PopId};
use crate::time::Time;
use crate::wire::{self, FEATURES, Hello, NEWEST, OLDEST, RELAYS};

impl Replica {
    pub(super) fn connected(&mut self, id: LinkId, pop: PopId, reach: Reach, now: Time) {
        if !self.peers.is_in_roster(pop) {
            return self.close(id, CloseReason::NotInRoster(pop));
        }
        let strangers = self.links.iter().filter(|(_, link)| link.peer == pop && link.author.is_none());
        let most = match reach {
            Reach::Direct => STRANGERS_PER_POP,
            Reach::Shared => STRANGERS_OVER_FABRIC,
        };
        if strangers.count() >= most {
            return self.close(id, CloseReason::TooMany);
        }
        self.links.insert(id, Link::new(pop, reach, self.index.last(), now));
        self.say_hello(id, now);
    }

    pub(super) fn say_hello(&mut self, id: LinkId, now: Time) {
        let Some(link) = self.links.get_mut(id) else { return };
        link.hello_at = now;
        let hello = Hello {
            oldest: OLDEST,
            newest: NEWEST,
            features: FEATURES,
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
        if link.author.is_some() {
            return;
        }
        let (pop, author) = (link.peer, Author::from(hello.author));
        if let Some(reason) = self.refusal(pop, author, hello) {
            return self.close(id, reason);
        }
        if self.peers.meet(author.actor).is_none() {
            return self.close(id, CloseReason::TooMany);
        }
        if let Some(other) = self.peers.get(author.actor).and_then(|peer| peer.link) {
            let theirs = self.links.get(other).and_then(|link| link.author);
            match theirs {
                Some(theirs) if theirs.incarnation > author.incarnation => {
                    return self.close(id, CloseReason::Superseded { by: theirs.incarnation });
                }
                _ => self.close(other, CloseReason::Superseded { by: author.incarnation }),
            }
        }
        if hello.roster_revision != self.config.roster_revision {
            self.tell(Event::RosterDiffers { pop, theirs: hello.roster_revision, ours: self.config.roster_revision });
        }
        self.establish(id, author, hello, now);
    }

    fn establish(&mut self, id: LinkId, author: Author, hello: &Hello, now: Time) {
        let Some(peer) = self.peers.get_mut(author.actor) else { return };
        peer.link = Some(id);
        peer.tells = hello.features & RELAYS != 0;
        peer.heard_for = self.links.get(id).map_or(peer.heard_for, |link| link.reach.tempo().heard_for);
        let before = peer.life.replace((author.incarnation, hello.boot));
        if before.is_some_and(|(life, boot)| life == author.incarnation && boot != hello.boot) {
            self.tell(Event::SameIncarnation { actor: author.actor, incarnation: author.incarnation });
        }
        if let Some(link) = self.links.get_mut(id) {
            link.author = Some(author);
            link.version = hello.newest.min(NEWEST);
            link.features = hello.features & FEATURES;
            link.inward.have = hello.base;
            // Answered at once: it is what tells the peer that its hello came.
            link.inward.ack_due = Some(now);
            link.repair.start();
        }
        self.relay.changed(now);
    }

    fn refusal(&self, pop: PopId, author: Author, hello: &Hello) -> Option<CloseReason> {
        if hello.oldest > NEWEST || hello.newest < OLDEST {
            return Some(CloseReason::Version { oldest: hello.oldest, newest: hello.newest });
        }
        if hello.cluster != self.config.cluster {
            let theirs: String = hello.cluster.chars().take(64).collect();
            return Some(CloseReason::OtherCluster { theirs, ours: self.config.cluster.clone() });
        }
        if hello.secret_id != self.config.secret_id {
            return Some(CloseReason::OtherSecret { theirs: hello.secret_id, ours: self.config.secret_id });
        }
        let says = author.actor.pop;
        if says != pop {
            return Some(CloseReason::NotItsCertificate { certificate: pop, says });
        }
        (author.actor == self.me.actor).then_some(CloseReason::Myself(author.actor))
    }
}
