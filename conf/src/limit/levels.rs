//! Wider networks that are counted together: each has at least what it is made of has, or that would never be held by its own numbers.

use super::sense::per_ms;
use super::{Measure, RawLimit, Tier, Width};
use crate::finding::Check;
use crate::raw::At;
use crate::value::Wrong;

impl RawLimit {
    /// Notes a level that has less than one client in it, or than a narrower level.
    pub(super) fn levels_are_wider(&self, measure: &Measure, check: &mut Check<'_>) -> Option<()> {
        let (own, levels): (Vec<&Tier>, Vec<&Tier>) = measure.tiers().iter().partition(|tier| tier.width.is_none());
        let Some(written) = &self.levels else { return Some(()) };
        // A client is held by all of its own.
        let slowest = own.iter().copied().min_by(|one, other| per_ms(one).total_cmp(&per_ms(other)));
        let shallowest = own.iter().copied().min_by_key(|tier| tier.burst);
        let mut widened = Some(());
        for (At { start, end, .. }, level) in written.value.iter().zip(&levels) {
            let is_in = |other: &&&Tier| level.width.zip(other.width).is_some_and(|(one, other)| one.is_wider(other));
            let networks = levels.iter().filter(is_in).map(|other| (*other, Part::Network));
            let mut parts = slowest.map(|tier| (tier, Part::Client)).into_iter().chain(networks.clone());
            let slower = parts.find_map(|(part, what)| what.is_faster(part, level));
            let mut parts = shallowest.map(|tier| (tier, Part::Client)).into_iter().chain(networks);
            if let Some(wrong) = slower.or_else(|| parts.find_map(|(part, what)| what.is_deeper(part, level))) {
                check.note(*start..*end, wrong);
                widened = None;
            }
        }
        widened
    }
}

/// What a network is made of.
#[derive(Debug, Clone, Copy)]
enum Part {
    Client,
    Network,
}

impl Part {
    fn text(self) -> (&'static str, &'static str) {
        match self {
            Part::Client => ("one client in it", "its limit"),
            Part::Network => ("a network in it", "a narrower one"),
        }
    }

    /// What is wrong with a level that refills slower.
    fn is_faster(self, part: &Tier, level: &Tier) -> Option<Wrong> {
        if per_ms(level) >= per_ms(part) {
            return None;
        }
        let (what, of) = self.text();
        let (wide, one) = (level.rate.text(), part.rate.text());
        let wrong = Wrong::new(format!("{wide} for a whole network is less than {one} for {what}"));
        Some(wrong.help(format!("a level has a higher rate than {of}")))
    }

    /// What is wrong with a level that holds less at once.
    fn is_deeper(self, part: &Tier, level: &Tier) -> Option<Wrong> {
        if level.burst >= part.burst {
            return None;
        }
        let (what, of) = self.text();
        let (wide, one) = (level.burst, part.burst);
        let wrong = Wrong::new(format!("a burst of {wide} for a whole network is less than one of {one} for {what}"));
        Some(wrong.help(format!("a level has no smaller burst than {of}; its default is a tenth of its rate")))
    }
}

impl Width {
    /// Whether its networks hold those of the other one, in a family that both count.
    fn is_wider(self, other: Width) -> bool {
        let shorter = |one: Option<u8>, other: Option<u8>| one.zip(other).is_some_and(|(one, other)| one < other);
        shorter(self.ipv4, other.ipv4) || shorter(self.ipv6, other.ipv6)
    }
}
