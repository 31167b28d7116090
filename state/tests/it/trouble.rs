//! A cluster in every trouble that rights and shares have to bear: loss, doubling, reordering, cuts, crashes with loss of memory,
//! restarts in order, processes that hand over, nodes that stop and go on, clocks that differ, and rosters that change while not all have heard of it.

use selvedge_state::{Input, PopId, SPREAD, Store, Time};

use crate::sim::{Network, World};

/// The longest that a process goes on beside its successor, ms.
const HANDS_OVER: u64 = 30_000;

/// The last POP of five joins late, the fourth one leaves.
const POPS: usize = 5;

/// What a node of the cluster has to be told when it begins.
pub(crate) type Begin = fn(&Store);

pub(crate) struct Trouble {
    pub(crate) world: World,
    /// Where each POP's newest process is; none while it has none.
    who: Vec<Option<usize>>,
    /// Processes that hand over, and when they end.
    ending: Vec<(Time, usize)>,
    /// When they take no more work, before that; what they began goes on.
    leaving: Vec<(Time, usize)>,
    /// The roster: POPs, and who has yet to hear of it.
    roster: (u64, Vec<u16>),
    unheard: Vec<usize>,
    began: Time,
    begin: Begin,
}

impl Trouble {
    /// Four POPs that have known each other for long.
    pub(crate) fn new(seed: u64, begin: Begin) -> Trouble {
        let network = Network { lost: 5, doubled: 5, delay: (1, 300) };
        let mut world = World::new(seed, POPS as u16, &[], network);
        world.nodes.iter().for_each(|node| begin(&node.store));
        for node in 0..POPS {
            let ahead = world.rng.u64(..=500);
            world.set_ahead(node, ahead);
        }
        let who = (0..POPS).map(|node| (node < POPS - 1).then_some(node)).collect();
        let (began, roster) = (world.now, (1, vec![1, 2, 3, 4]));
        let mut trouble =
            Trouble { world, who, ending: Vec::new(), leaving: Vec::new(), roster, unheard: Vec::new(), began, begin };
        trouble.world.stop(POPS - 1);
        trouble.world.begin_with(1, &[1, 2, 3, 4]);
        trouble.tell((0..POPS - 1).collect());
        trouble.world.run(began.plus(SPREAD + 60_000));
        trouble.began = trouble.world.now;
        trouble
    }

    /// The processes that take requests.
    pub(crate) fn alive(&self) -> Vec<usize> {
        let newest = self.who.iter().flatten().copied();
        let all = newest.chain(self.ending.iter().map(|(_, node)| *node));
        all.filter(|node| !self.world.nodes[*node].is_stopped).collect()
    }

    /// Tells these nodes of the roster.
    fn tell(&mut self, nodes: Vec<usize>) {
        for node in nodes {
            let me = self.world.nodes[node].pop;
            let pops = self.roster.1.iter().copied().filter(|pop| *pop != me).map(PopId).collect();
            self.world.feed(node, Input::Roster { revision: self.roster.0, pops });
        }
    }

    /// A new roster, which nodes hear of one after the other.
    fn change(&mut self, pops: &[u16]) {
        self.roster = (self.roster.0 + 1, pops.to_vec());
        self.world.begin_with(self.roster.0, pops);
        self.unheard = self.who.iter().flatten().copied().chain(self.ending.iter().map(|(_, node)| *node)).collect();
    }

    /// A moment of the cluster's life.
    pub(crate) fn suffer(&mut self) {
        let now = self.world.now;
        let (ended, ending) = self.ending.iter().copied().partition(|(at, _)| *at <= now);
        self.ending = ending;
        ended.into_iter().for_each(|(_, node): (Time, usize)| self.end(node));
        let (left, leaving) = self.leaving.iter().copied().partition(|(at, _)| *at <= now);
        self.leaving = leaving;
        left.into_iter().for_each(|(_, node): (Time, usize)| self.leave(node));
        match (self.roster.0, now.since(self.began) / 60_000) {
            (1, 3..) => {
                self.who[POPS - 1] = Some(POPS - 1);
                self.world.resume(POPS - 1);
                self.begin_anew(POPS - 1);
                self.change(&[1, 2, 3, 4, 5]);
            }
            (2, 15..) => {
                // It has stopped before anybody goes by the roster without it.
                for (_, node) in std::mem::take(&mut self.ending) {
                    self.end(node);
                }
                if let Some(node) = self.who[3].take() {
                    self.end(node);
                }
                self.change(&[1, 2, 3, 5]);
            }
            _ => {}
        }
        if !self.unheard.is_empty() && self.world.rng.u8(..8) == 0 {
            let at = self.world.rng.usize(..self.unheard.len());
            let node = self.unheard.swap_remove(at);
            self.tell(vec![node]);
        }
        self.befall();
    }

    fn befall(&mut self) {
        let alive: Vec<usize> = self.who.iter().flatten().copied().collect();
        let rng = &mut self.world.rng;
        let (a, b) = (alive[rng.usize(..alive.len())], alive[rng.usize(..alive.len())]);
        match rng.u8(..100) {
            0..4 => self.world.heal(),
            4..6 if a != b => self.world.cut(a, b),
            6..8 if a != b => self.world.cut_way(a, b),
            8 if a != b => {
                self.world.unlink(a, b);
                self.world.link(a, b);
            }
            9 => self.begin_anew(a),
            10 => self.world.stop(a),
            11..16 => {
                self.world.nodes[a].slow = 0;
                self.world.resume(a);
            }
            16 => self.world.nodes[a].slow = self.world.rng.u64(1..300),
            17..20 if !self.world.nodes[a].is_stopped => {
                let begin = self.begin;
                self.world.restart_in_order(a, begin);
                self.tell(vec![a]);
            }
            20 if self.ending.is_empty() && self.world.nodes.len() < POPS + 6 && !self.world.nodes[a].is_stopped => {
                let next = self.world.succeed(a);
                (self.begin)(&self.world.nodes[next].store);
                let lasts = self.world.rng.u64(1..HANDS_OVER);
                self.ending.push((self.world.now.plus(lasts), a));
                self.leaving.push((self.world.now.plus(lasts / 3), a));
                if let Some(who) = self.who.iter_mut().find(|who| **who == Some(a)) {
                    *who = Some(next);
                }
                self.tell(vec![next]);
            }
            _ => {}
        }
    }

    /// A node loses its memory. It starts with the newest roster.
    fn begin_anew(&mut self, node: usize) {
        self.world.resume(node);
        self.world.crash(node);
        (self.begin)(&self.world.nodes[node].store);
        self.tell(vec![node]);
    }

    /// A process that has handed over takes no more work, unless it or its successor hangs.
    fn leave(&mut self, node: usize) {
        let pop = self.world.nodes[node].pop;
        let newest = self.who.iter().flatten().copied().find(|who| self.world.nodes[*who].pop == pop);
        let lives = |node: usize| !self.world.nodes[node].is_stopped;
        if let Some(newest) = newest.filter(|newest| lives(*newest) && lives(node)) {
            self.world.leave_to(node, newest);
        }
    }

    /// A process ends for good.
    fn end(&mut self, node: usize) {
        self.leaving.retain(|(_, other)| *other != node);
        self.unheard.retain(|other| *other != node);
        for other in 0..self.world.nodes.len() {
            if other != node && self.world.is_linked(node, other) {
                self.world.unlink(node, other);
            }
        }
        self.world.stop(node);
    }
}
