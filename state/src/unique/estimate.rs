//! From a sketch to a number. The small form is counted. The large one is estimated with the improved raw estimator of
//! O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), algorithm 6: one formula from nothing to
//! more than 64 bits of hash tell apart, without a table of corrections or a seam between small counts and large ones. Its
//! standard error is 1.04 / sqrt(1024) = 3.25 %.

use super::mark::RANK_MAX;
use super::sketch::{REGISTERS, Sketch};

impl Sketch {
    /// How many different values there were.
    pub(crate) fn estimate(&self) -> u64 {
        match self {
            Sketch::Sparse(marks) => marks.len() as u64,
            Sketch::Dense(ranks) => estimate(ranks),
        }
    }
}

fn estimate(ranks: &[u8; REGISTERS]) -> u64 {
    let mut counts = [0_u32; RANK_MAX as usize + 1];
    for rank in ranks {
        if let Some(count) = counts.get_mut(usize::from(*rank)) {
            *count += 1;
        }
    }
    let m = REGISTERS as f64;
    let [zeros, ranked @ .., greatest] = &counts;
    let mut z = m * tau(1.0 - f64::from(*greatest) / m);
    for count in ranked.iter().rev() {
        z = 0.5 * (z + f64::from(*count));
    }
    z += m * sigma(f64::from(*zeros) / m);
    // Casting saturates: registers that all stand at the top estimate infinity.
    (m * m / (2.0 * std::f64::consts::LN_2 * z)).round() as u64
}

/// The sum of `x^(2^k) 2^(k-1)` over k from 1, and x.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

/// A third of `1 - x - the sum of (1 - x^(2^-k))^2 2^-k` over k from 1.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}
