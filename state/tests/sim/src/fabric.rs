//! A fabric that all nodes share: a broker in each city, which its nodes are next to, and a route from each broker to each other. What a
//! node publishes goes over each route once, so it is one event for each city, whatever the number of nodes there. A route is TCP:
//! it keeps order, and the loss of a segment costs a round trip. What was said over a route that is cut is lost, and so is what
//! comes for a node that reads too slowly: nobody is told.

use bytes::Bytes;
use selvedge_state::{Input, LinkId, Time};

use crate::network::Model;
use crate::queue::Event;
use crate::wire::{far, place};
use crate::{CITIES, Tcp, World};

/// How frames fare on the fabric.
#[derive(Debug, Clone, Copy)]
pub struct Fabric {
    /// Between brokers, and from a broker to a node: what has no room in the socket of a node that does not read is lost.
    pub routes: Tcp,
    /// Of what comes for a node beside that, so much is lost in a hundred.
    pub lost: u8,
    /// A broker hands over what has come every so many ms. So a node gets several messages in a row, which is most of what makes large fleets
    /// affordable: by then its state is in the processor's caches.
    pub gather: u64,
}

impl Fabric {
    /// A wide area: 1 % loss of segments on routes, none of messages while nodes read, and up to 5 ms in brokers.
    pub const WAN: Fabric = Fabric { routes: Tcp::WAN, lost: 0, gather: 5 };
}

/// Whom something on its way is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Audience {
    /// All nodes of the city.
    City,
    /// Whoever has this end of a link.
    Link(LinkId),
}

/// Something on its way between brokers.
#[derive(Debug)]
pub(crate) struct Carried {
    from: usize,
    /// What a life has said is over with it.
    life: u64,
    /// To the broker of which city.
    there: usize,
    to: Audience,
    frame: Bytes,
}

/// Whose turn the next message of a route is not before: from each city to each.
#[derive(Debug)]
pub(crate) struct Routes(Vec<Time>);

impl Default for Routes {
    fn default() -> Routes {
        Routes(vec![Time::ZERO; CITIES.len() * CITIES.len()])
    }
}

/// The city of a node.
pub(crate) fn city(node: usize) -> usize {
    node % CITIES.len()
}

impl World {
    /// How many parts there are that can be cut off from one another.
    pub(crate) fn places(&self) -> usize {
        match self.model {
            Model::Datagrams | Model::Tcp(_) => self.nodes.len(),
            Model::Fabric(_) => self.nodes.len().min(CITIES.len()),
        }
    }

    /// A node publishes a frame.
    pub(crate) fn publish(&mut self, node: usize, frame: &Bytes) {
        self.note_sent(frame);
        for city in 0..self.places() {
            self.carry(node, city, Audience::City, frame.clone());
        }
    }

    /// A node says something to the far end of a link alone.
    pub(crate) fn carry_over(&mut self, node: usize, link: LinkId, frame: Bytes) {
        let (wire, side) = place(link);
        let there = city(self.wires[wire].ends[1 - side]);
        self.carry(node, there, Audience::Link(far(link)), frame);
    }

    fn carry(&mut self, from: usize, there: usize, to: Audience, frame: Bytes) {
        let Model::Fabric(fabric) = self.model else { return };
        let here = city(from);
        if self.cut.contains(&(here, there)) {
            return;
        }
        let takes = fabric.routes.takes(self.one_way(here, there), frame.len(), &mut self.rng);
        let last = &mut self.routes.0[here * CITIES.len() + there];
        let due = self.now.plus(takes).0.next_multiple_of(fabric.gather.max(1));
        *last = Time(due).max(*last);
        let carried = Carried { from, life: self.nodes[from].life, there, to, frame };
        self.queue.push(*last, Event::Carried(carried));
    }

    /// Brokers have got these. Each node gets what has come for it in a row, in order.
    pub(crate) fn hand_out(&mut self, mut carried: Vec<Carried>) {
        carried.retain(|carried| self.nodes[carried.from].life == carried.life);
        carried.sort_by_key(|carried| carried.there);
        let mut given = Vec::new();
        for of_city in carried.chunk_by(|a, b| a.there == b.there) {
            for node in (of_city[0].there..self.nodes.len()).step_by(CITIES.len()) {
                let inputs: Vec<Input> = of_city.iter().filter_map(|carried| self.bring(node, carried)).collect();
                given.push((node, inputs));
            }
        }
        self.feed_many(given);
    }

    /// The node at this end of a link.
    fn receiver(&self, link: LinkId) -> usize {
        let (wire, side) = place(link);
        self.wires[wire].ends[side]
    }

    /// What something is to a node, if it is for it.
    fn bring(&mut self, node: usize, carried: &Carried) -> Option<Input> {
        let Carried { from, to, ref frame, .. } = *carried;
        let link = match to {
            Audience::City if node == from => return None,
            Audience::City => {
                // Nobody dials over a fabric: who is heard is reached.
                if self.nodes[node].links[from].is_empty() {
                    self.link(from, node);
                }
                *self.nodes[node].links[from].last()?
            }
            Audience::Link(link) if self.receiver(link) == node && self.wires[place(link).0].is_up => link,
            Audience::Link(_) => return None,
        };
        self.hand_over(node, link, frame.clone())
    }

    /// A broker has something for one of its nodes, which comes to it after all that came before: now, if it can take it.
    fn hand_over(&mut self, node: usize, link: LinkId, frame: Bytes) -> Option<Input> {
        let Model::Fabric(fabric) = self.model else { return None };
        if fabric.lost > 0 && self.rng.u8(..100) < fabric.lost {
            return None;
        }
        let of = &mut self.nodes[node];
        if !of.is_stopped && of.slow == 0 && of.inbox.is_empty() {
            self.hears(node);
            return Some(Input::Frame { link, bytes: frame });
        }
        if of.inbox_bytes + frame.len() > fabric.routes.socket {
            self.overrun += 1;
            return None;
        }
        let due = of.inbox.back().map_or(self.now, |(due, _, _)| *due).max(self.now.plus(of.slow));
        of.inbox_bytes += frame.len();
        of.inbox.push_back((due, link, frame));
        self.queue.push(due, Event::Inbox(node));
        None
    }

    /// A node gets to what has come for it by now.
    pub(crate) fn read(&mut self, node: usize) {
        while !self.nodes[node].is_stopped {
            let now = self.now;
            let Some((_, link, frame)) = self.nodes[node].inbox.pop_front_if(|(due, _, _)| *due <= now) else { return };
            self.nodes[node].inbox_bytes -= frame.len();
            self.take_in(node, link, frame);
        }
    }
}
