//! What is to happen, by when: events in the order in which they were put in for one instant, and one timer for each node.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use selvedge_state::{LinkId, Time};

use crate::fabric::Carried;

/// Something on its way.
#[derive(Debug)]
pub(crate) enum Event {
    /// A datagram comes to this end of a link.
    Datagram(LinkId, Bytes),
    /// Something may have come that this end of a link said.
    Arrival(LinkId),
    /// Something comes to a broker of a fabric.
    Carried(Carried),
    /// A node may get to something that a fabric has for it.
    Inbox(usize),
}

/// Events by their instant. Many share one, so a bucket for each of them is less work than a heap of all.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    events: BTreeMap<Time, Vec<Event>>,
}

impl Queue {
    pub(crate) fn push(&mut self, at: Time, event: Event) {
        self.events.entry(at).or_default().push(event);
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.events.first_key_value().map(|(at, _)| *at)
    }

    /// What is due first, if it is due by `now`.
    pub(crate) fn take(&mut self, now: Time) -> Option<Vec<Event>> {
        self.events.first_entry().filter(|first| *first.key() <= now).map(|first| first.remove())
    }
}

/// When each node wants to be called, in the world's time.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    of: Vec<Option<Time>>,
    set: BTreeSet<(Time, usize)>,
}

impl Timers {
    pub(crate) fn set(&mut self, node: usize, due: Option<Time>) {
        if self.of.len() <= node {
            self.of.resize(node + 1, None);
        }
        let before = std::mem::replace(&mut self.of[node], due);
        if before == due {
            return;
        }
        if let Some(before) = before {
            self.set.remove(&(before, node));
        }
        self.set.extend(due.map(|due| (due, node)));
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.set.first().map(|(due, _)| *due)
    }

    /// Nodes whose time has come, in order; their timers are unset.
    pub(crate) fn take(&mut self, now: Time) -> Vec<usize> {
        let mut nodes = Vec::new();
        while let Some((due, node)) = self.set.first().copied().filter(|(due, _)| *due <= now) {
            self.set.remove(&(due, node));
            self.of[node] = None;
            nodes.push(node);
        }
        nodes.sort_unstable();
        nodes
    }
}
