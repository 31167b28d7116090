//! The shapes of traffic: how much of a limit arrives, and where.

use super::POPS;

/// A client stays so long at a POP before it hops, ms.
const STAY: u64 = 5_000;

#[derive(Debug, Clone, Copy)]
enum Where {
    /// At all POPs alike.
    Spread,
    /// At one POP.
    Single,
    /// At one POP after the other.
    Hopping,
}

/// A shape of traffic.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    /// What arrives, by the limit.
    pub(super) times: f64,
    at: Where,
}

/// Two kinds of attack that is spread, clients under the limit that stay and hop, and an attack that hops.
pub(super) const SHAPES: [Shape; 5] = [
    Shape { name: "attack2", times: 2.0, at: Where::Spread },
    Shape { name: "attack20", times: 20.0, at: Where::Spread },
    Shape { name: "single", times: 0.9, at: Where::Single },
    Shape { name: "hopping", times: 0.9, at: Where::Hopping },
    Shape { name: "hopping20", times: 20.0, at: Where::Hopping },
];

impl Shape {
    /// At which POP something arrives that comes so many ms after the begin.
    pub(super) fn pop(&self, passed: u64, rng: &mut fastrand::Rng) -> usize {
        match self.at {
            Where::Spread => rng.usize(..POPS),
            Where::Single => 0,
            Where::Hopping => (passed / STAY) as usize % POPS,
        }
    }
}
