//! What was published over a shared fabric lately: which change was the last one at which time. Whoever has heard a frame of that time and
//! lacks a change of before has lost a frame.

use std::collections::VecDeque;

use crate::identity::Seq;
use crate::time::Time;

/// Frames that are remembered. Who lost an older one is found by patience.
const FRAMES_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Published {
    /// Oldest first.
    lately: VecDeque<(Time, Seq)>,
    pub(super) frames: u64,
    pub(super) bytes: u64,
}

impl Published {
    /// A frame up to this change went out.
    pub(super) fn note(&mut self, to: Seq, bytes: usize, now: Time) {
        self.frames += 1;
        self.bytes += bytes as u64;
        if self.lately.len() >= FRAMES_MAX {
            self.lately.pop_front();
        }
        self.lately.push_back((now, to));
    }

    /// The last change that was published before this instant.
    pub(super) fn by(&self, at: Time) -> Option<Seq> {
        self.lately.iter().rev().find(|(published, _)| *published < at).map(|(_, seq)| *seq)
    }
}
