//! What a limit says that cannot come true: a ban by who refuses nobody, a cost that never fits, a condition under which nothing counts.

use std::ops::Range;

use super::overrides::{Allows, Override};
use super::{Class, Limit, Measure, Mode, Over, Quota, RawLimit, Tier, Unit};
use crate::expr::{Expr, Kind};
use crate::finding::Check;
use crate::raw::At;
use crate::value::Wrong;

impl RawLimit {
    /// Notes what cannot come true, beside what is right by itself.
    pub(super) fn makes_sense(
        &self,
        (measure, class): (&Measure, Class),
        (over, mode): (&Over, Option<Mode>),
        (cost, reserve, count): (Option<&Expr>, Option<u32>, Option<&Expr>),
        overrides: &[Override],
        check: &mut Check<'_>,
    ) -> Option<()> {
        let penalised = self.bans_somebody(mode, check);
        let charged = self.charges_something(cost, check);
        let counted = self.counts_something(count, check);
        let priced = match (reserve, measure) {
            (None, _) => self.cost.as_ref().map(At::span).zip(cost.and_then(least)),
            (Some(reserve), Measure::Rates(_)) => self.reserve.as_ref().map(At::span).zip(Some(reserve.into())),
            // No more is taken than there is.
            (Some(_), _) => None,
        };
        let price = priced.as_ref().map(|(_, price)| *price);
        let admitted = priced.map_or(Some(()), |price| ever_passes(price, measure, (class, over), check));
        let others = price.map_or(Some(()), |price| self.others_ever_pass(price, (measure, over), overrides, check));
        let widened = self.levels_are_wider(measure, check);
        penalised.and(charged).and(counted).and(admitted).and(others).and(widened)
    }

    /// A condition that no response meets is a typing error.
    fn counts_something(&self, count: Option<&Expr>, check: &mut Check<'_>) -> Option<()> {
        let never = count.filter(|count| count.kind == Kind::Bool(false));
        let Some(written) = self.count.as_ref().filter(|_| never.is_some()) else { return Some(()) };
        let wrong = Wrong::new("no response counts, so nothing is limited");
        check.note(written.span(), wrong.advice("leave `count` out to count every request, or the limit for none"));
        None
    }

    /// A cost that is always 0, or less, is a typing error.
    fn charges_something(&self, cost: Option<&Expr>, check: &mut Check<'_>) -> Option<()> {
        let constant = cost.filter(|cost| matches!(cost.kind, Kind::Int(..1)));
        let Some(written) = self.cost.as_ref().filter(|_| constant.is_some()) else { return Some(()) };
        let wrong = Wrong::new("a cost of less than 1 charges nothing that is meant");
        check.note(written.span(), wrong.advice("leave `cost` out for 1, or say in `when` which requests are counted"));
        None
    }

    /// Notes a key with numbers of its own whose requests can never pay the price.
    fn others_ever_pass(
        &self,
        price: u64,
        (measure, over): (&Measure, &Over),
        overrides: &[Override],
        check: &mut Check<'_>,
    ) -> Option<()> {
        let written = self.overrides.as_ref().map_or(&[][..], |written| &written.value);
        let mut pass = Some(());
        for (At { start, end, .. }, other) in written.iter().zip(overrides) {
            let (most, what) = match (other.allows, measure) {
                (Allows::Rate(tier), _) => most(&tier, (Class::Converge, over)),
                (Allows::Amount(amount), Measure::Quota(Quota { unit: Unit::Requests, .. })) => {
                    (amount, format!("a quota of {amount}"))
                }
                (Allows::Amount(_) | Allows::Everything | Allows::InFlight(_), _) => continue,
            };
            if price > most {
                check.note(*start..*end, never_fits(price, &what));
                pass = None;
            }
        }
        pass
    }

    fn bans_somebody(&self, mode: Option<Mode>, check: &mut Check<'_>) -> Option<()> {
        let Some(written) = self.penalty.as_ref().filter(|_| mode == Some(Mode::Monitor)) else { return Some(()) };
        let wrong = Wrong::new("a limit that is only watched refuses nobody, so bans nobody");
        check.note(written.span(), wrong.advice("leave it out as long as mode = \"monitor\""));
        None
    }
}

impl Limit {
    /// Why no request of a key with this bucket would ever be admitted, in words, where that can be told from the config.
    pub fn never_admits(&self, tier: &Tier) -> Option<String> {
        let price = match (self.reserve, &self.cost) {
            (Some(reserve), _) => reserve.into(),
            (None, Some(cost)) => least(cost)?,
            (None, None) => 1,
        };
        let (most, what) = most(tier, (self.class, &self.over));
        (price > most).then(|| no_fit(price, &what))
    }
}

/// The least that a request can cost, where that is written.
fn least(cost: &Expr) -> Option<u64> {
    match &cost.kind {
        Kind::Int(cost) => u64::try_from(*cost).ok(),
        // One whose condition is absent has no value and costs 1; that is not what was meant.
        Kind::Choose(_, one, other) => Some(least(one)?.min(least(other)?)),
        _ => None,
    }
}

pub(super) fn per_ms(tier: &Tier) -> f64 {
    f64::from(tier.rate.count) / tier.rate.per.as_millis().max(1) as f64
}

/// The most that one request can take of a bucket, and what of it to name.
fn most(tier: &Tier, (class, over): (Class, &Over)) -> (u64, String) {
    let waits = if let Over::Delay(longest) = over { per_ms(tier) * longest.as_millis() as f64 } else { 0.0 };
    let owes = if let Class::Bounded(part) = class { part * f64::from(tier.rate.count) } else { 0.0 };
    (u64::from(tier.burst) + (waits + owes) as u64, format!("a burst of {}", tier.burst))
}

/// Notes a price that no request can ever pay.
fn ever_passes(
    (span, price): (Range<usize>, u64),
    measure: &Measure,
    (class, over): (Class, &Over),
    check: &mut Check<'_>,
) -> Option<()> {
    let held = match measure {
        Measure::Rates(tiers) => tiers.iter().map(|tier| most(tier, (class, over))).min(),
        Measure::Quota(Quota { amount, unit: Unit::Requests, .. }) => Some((*amount, format!("a quota of {amount}"))),
        Measure::Quota(_) | Measure::InFlight(_) => None,
    };
    let Some((_, what)) = held.filter(|(most, _)| price > *most) else { return Some(()) };
    check.note(span, never_fits(price, &what));
    None
}

fn never_fits(price: u64, what: &str) -> Wrong {
    Wrong::new(no_fit(price, what))
}

fn no_fit(price: u64, what: &str) -> String {
    format!("{price} never fits {what}: every request would be refused")
}
