//! How a life ends in order. A process that hands over to its successor says so on its links: whoever dialled it has no other reason to
//! dial again while the link is up, and would meet the successor, which listens in its place, only when it is gone. All else goes on:
//! what it counts is told, and what goes on there is counted, until its links close. At the other end its link is one that *drains* from
//! when the successor has one, too; a link that drains and falls silent is closed.

use super::link::Link;
use super::tempo::Reach;
use super::{Event, LinkId, Replica};
use crate::identity::Actor;
use crate::time::Time;
use crate::wire::{self, SUCCEEDS};

impl Replica {
    /// This life hands over.
    pub(super) fn retire(&mut self, now: Time) {
        if !std::mem::replace(&mut self.retires, true) {
            for id in self.established() {
                self.say_retires(id, now);
            }
        }
    }

    /// Says that this life hands over, if it does, to a peer that knows what that means. Over a shared fabric nobody dials.
    pub(super) fn say_retires(&mut self, id: LinkId, now: Time) {
        let is_told = |link: &Link| link.features & SUCCEEDS != 0 && link.reach == Reach::Direct;
        if self.retires && self.links.get(id).is_some_and(is_told) {
            self.send(id, wire::retires(), now);
        }
    }

    /// A peer says so. What was told, or is no news since its successor is linked, is not told again, however often it is said.
    pub(super) fn retires_in(&mut self, id: LinkId, actor: Actor) {
        let is_latest = self.peers.get(actor).is_some_and(|peer| peer.link == Some(id));
        let Some(link) = self.links.get_mut(id).filter(|link| is_latest && !link.told.retires) else { return };
        link.told.retires = true;
        self.tell(Event::Retires { actor, link: id });
    }

    /// A successor has a link, too.
    pub(super) fn drains(&mut self, id: LinkId, now: Time) {
        if let Some(link) = self.links.get_mut(id) {
            link.drains(now);
        }
    }
}
