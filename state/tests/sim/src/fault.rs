//! What befalls a cluster, drawn from a seed.

use crate::World;

/// One misfortune, or the end of some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is cut any more.
    Heal,
    /// Nodes before this one and those from it on hear nothing of each other.
    Split(usize),
    /// Nothing passes between the two.
    Cut(usize, usize),
    /// Nothing passes from the first to the second; the other way is open.
    OneWay(usize, usize),
    /// The links of the two break and are made again.
    Relink(usize, usize),
    /// The two have one more link.
    Link(usize, usize),
    /// A node loses its memory.
    Crash(usize),
    /// A node stops.
    Stop(usize),
    /// A node goes on, as fast as it can.
    Resume(usize),
    /// A node gets to its frames only so many ms after they came.
    Slow(usize, u64),
}

impl Fault {
    /// What befalls this moment; nothing, most of the time.
    pub fn draw(rng: &mut fastrand::Rng, nodes: usize) -> Option<Fault> {
        let (a, b) = (rng.usize(..nodes), rng.usize(..nodes));
        match rng.u8(..60) {
            0 => Some(Fault::Heal),
            1 => Some(Fault::Split(a)),
            2 | 3 if a != b => Some(Fault::Cut(a, b)),
            4 | 5 if a != b => Some(Fault::OneWay(a, b)),
            6 if a != b => Some(Fault::Relink(a, b)),
            7 if a != b => Some(Fault::Link(a, b)),
            8 => Some(Fault::Crash(a)),
            9 => Some(Fault::Stop(a)),
            10 | 11 => Some(Fault::Resume(a)),
            12 => Some(Fault::Slow(a, rng.u64(1..300))),
            _ => None,
        }
    }
}

impl World {
    /// Lets a fault befall the cluster.
    pub fn suffer(&mut self, fault: Fault) {
        match fault {
            Fault::Heal => self.heal(),
            Fault::Split(at) => self.split(at),
            Fault::Cut(a, b) => self.cut(a, b),
            Fault::OneWay(from, to) => self.cut_way(from, to),
            Fault::Relink(a, b) => {
                self.unlink(a, b);
                self.link(a, b);
            }
            Fault::Link(a, b) => self.link(a, b),
            Fault::Crash(node) => self.crash(node),
            Fault::Stop(node) => self.stop(node),
            Fault::Resume(node) => {
                self.nodes[node].slow = 0;
                self.resume(node);
            }
            Fault::Slow(node, ms) => self.nodes[node].slow = ms,
        }
    }

    /// Of a fabric with several nodes in a city, cities of their part are what is cut off.
    fn split(&mut self, at: usize) {
        let places = self.places();
        let at = at * places / self.nodes.len().max(1);
        (0..at).for_each(|near| (at..places).for_each(|far| self.cut(near, far)));
    }

    /// Ends all trouble. Links that lasted go on, so that what they owe comes as changes.
    pub fn recover(&mut self) {
        self.heal();
        let nodes = self.nodes.len();
        for node in 0..nodes {
            self.suffer(Fault::Resume(node));
        }
        for a in 0..nodes {
            for b in a + 1..nodes {
                if !self.is_linked(a, b) {
                    self.link(a, b);
                }
            }
        }
    }
}
