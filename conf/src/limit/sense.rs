//! What a limit says that cannot come true: a ban by who refuses nobody, a cost that never fits, a wider network that has less than one client.

use std::ops::Range;

use super::overrides::{Allows, Override};
use super::{Class, Measure, Mode, Over, Quota, RawLimit, Tier, Unit};
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
        (cost, reserve): (Option<&Expr>, Option<u32>),
        overrides: &[Override],
        check: &mut Check<'_>,
    ) -> Option<()> {
        let penalised = self.bans_somebody(mode, check);
        let charged = self.charges_something(cost, check);
        let priced = match (reserve, measure) {
            (None, _) => self.cost.as_ref().map(At::span).zip(cost.and_then(constant)),
            (Some(reserve), Measure::Rates(_)) => self.reserve.as_ref().map(At::span).zip(Some(reserve.into())),
            // No more is taken than there is.
            (Some(_), _) => None,
        };
        let price = priced.as_ref().map(|(_, price)| *price);
        let admitted = priced.map_or(Some(()), |price| ever_passes(price, measure, (class, over), check));
        let others = price.map_or(Some(()), |price| self.others_ever_pass(price, (measure, over), overrides, check));
        let widened = self.levels_are_wider(measure, check);
        penalised.and(charged).and(admitted).and(others).and(widened)
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

    /// A network that is counted together has at least what one of its clients has, or that one is never held by its own rate.
    fn levels_are_wider(&self, measure: &Measure, check: &mut Check<'_>) -> Option<()> {
        let (own, levels): (Vec<&Tier>, Vec<&Tier>) = measure.tiers().iter().partition(|tier| tier.width.is_none());
        let slowest = own.into_iter().min_by(|one, other| per_ms(one).total_cmp(&per_ms(other)));
        let (Some(written), Some(slowest)) = (&self.levels, slowest) else { return Some(()) };
        let mut widened = Some(());
        for (At { start, end, .. }, level) in written.value.iter().zip(levels) {
            if per_ms(level) < per_ms(slowest) {
                let (wide, one) = (level.rate.text(), slowest.rate.text());
                let wrong = Wrong::new(format!("{wide} for a whole network is less than {one} for one client in it"));
                check.note(*start..*end, wrong.advice("a level has a higher rate than its limit"));
                widened = None;
            }
        }
        widened
    }
}

/// What every request costs, where that is written.
fn constant(cost: &Expr) -> Option<u64> {
    match cost.kind {
        Kind::Int(cost) => u64::try_from(cost).ok(),
        _ => None,
    }
}

fn per_ms(tier: &Tier) -> f64 {
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
    Wrong::new(format!("{price} never fits {what}: every request would be refused"))
}
