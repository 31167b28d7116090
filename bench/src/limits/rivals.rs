//! What others do, modelled by their documents: each POP for itself, as content networks do; and values that overwrite one another, as
//! stick tables of peers do. Both count in two windows, of which the older one fades (the usual estimate of a sliding window).

use std::collections::VecDeque;

use super::{COUNT, PERIOD, POPS, Scheme};

/// Between two pushes to peers, ms.
const PUSH: u64 = 100;

/// A sliding window of one POP.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    /// The number of the window that `present` counts.
    number: u64,
    present: u32,
    before: u32,
}

impl Window {
    fn roll(&mut self, now: u64) {
        let number = now / PERIOD;
        if number != self.number {
            let before = if number == self.number + 1 { self.present } else { 0 };
            *self = Window { number, present: 0, before };
        }
    }

    fn has_room(&self, now: u64) -> bool {
        let faded = 1.0 - (now % PERIOD) as f64 / PERIOD as f64;
        f64::from(self.before) * faded + f64::from(self.present) + 1.0 <= f64::from(COUNT)
    }
}

/// Each POP limits for itself.
#[derive(Debug)]
pub(super) struct PerPop {
    now: u64,
    windows: [Window; POPS],
}

impl PerPop {
    pub(super) fn new() -> PerPop {
        PerPop { now: 0, windows: [Window::default(); POPS] }
    }
}

impl Scheme for PerPop {
    fn began(&self) -> u64 {
        0
    }

    fn run(&mut self, until: u64) {
        self.now = until;
    }

    fn admits(&mut self, pop: usize) -> bool {
        let window = &mut self.windows[pop];
        window.roll(self.now);
        let admits = window.has_room(self.now);
        window.present += u32::from(admits);
        admits
    }

    fn bound(&self, _: f64) -> Option<f64> {
        None
    }
}

/// Each POP pushes what it has to all others, where it takes the place of what they had. Requests that are refused count.
#[derive(Debug)]
pub(super) struct Overwritten {
    delay: u64,
    now: u64,
    pushed: u64,
    windows: [Window; POPS],
    changed: [bool; POPS],
    /// When it arrives, from whom, and what.
    under_way: VecDeque<(u64, usize, Window)>,
}

impl Overwritten {
    pub(super) fn new(delay: u64) -> Overwritten {
        let windows = [Window::default(); POPS];
        Overwritten { delay, now: 0, pushed: 0, windows, changed: [false; POPS], under_way: VecDeque::new() }
    }

    fn take(&mut self, from: usize, window: Window) {
        for (pop, own) in self.windows.iter_mut().enumerate() {
            if pop != from {
                *own = window;
            }
        }
    }
}

impl Scheme for Overwritten {
    fn began(&self) -> u64 {
        0
    }

    fn run(&mut self, until: u64) {
        while self.pushed + PUSH <= until {
            self.pushed += PUSH;
            while let Some((_, from, window)) = self.under_way.pop_front_if(|(at, _, _)| *at <= self.pushed) {
                self.take(from, window);
            }
            for pop in 0..POPS {
                if std::mem::take(&mut self.changed[pop]) {
                    self.under_way.push_back((self.pushed + self.delay, pop, self.windows[pop]));
                }
            }
        }
        self.now = until;
    }

    fn admits(&mut self, pop: usize) -> bool {
        let window = &mut self.windows[pop];
        window.roll(self.now);
        let admits = window.has_room(self.now);
        window.present += 1;
        self.changed[pop] = true;
        admits
    }

    fn bound(&self, _: f64) -> Option<f64> {
        None
    }
}
