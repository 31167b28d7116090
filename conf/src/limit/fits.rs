//! Which keys of a limit say something beside one another.

use std::ops::Range;

use super::{Class, Measure, Over, RawLimit, Unit};
use crate::finding::Check;
use crate::raw::At;
use crate::value::Wrong;

impl RawLimit {
    /// Notes what says nothing beside the rest. `is_late` says whether the response tells what a request costs.
    pub(super) fn fits(
        &self,
        measure: &Measure,
        class: Class,
        over: &Over,
        is_late: bool,
        check: &mut Check<'_>,
    ) -> Option<()> {
        let rates = matches!(measure, Measure::Rates(_));
        let single = measure.tiers().len() == 1;
        let shared = class.is_shared_out();
        let at_once = matches!(measure, Measure::InFlight(_));
        let bytes = matches!(measure, Measure::Quota(quota) if matches!(quota.unit, Unit::Bytes { .. }));
        let waits = matches!(over, Over::Delay(_));
        let clashes = [
            (span(&self.burst), self.rate.is_none(), "`burst` is of `rate`; each of `rates` and `levels` has its own"),
            (span(&self.levels), !rates, "`levels` are of rates"),
            (span(&self.levels), self.counts_no_client(), "`levels` need `client.net` or `client.ip` in the key"),
            (
                span(&self.class),
                !rates,
                "`class` is of rates: a quota is always strict, and what is in flight converges",
            ),
            (span(&self.rates), shared && !single, "a limit that is shared out has one rate"),
            (span(&self.levels), shared, "a limit that is shared out has one rate"),
            (
                span(&self.reserve),
                self.quota.is_none() && !is_late,
                "`reserve` is of a quota in bytes, or of a `cost` that reads the response",
            ),
            (span(&self.cost), at_once, "what is in flight costs nothing but its place"),
            (span(&self.cost), bytes, "a quota in bytes costs the bytes of the responses"),
            (span(&self.cost), shared && is_late, "shares are taken before the response is there"),
            (span(&self.cost), waits && is_late, "what is known to cost only by its response has no place in a queue"),
            (span(&self.count), at_once, "what is in flight counts until it ends, whatever its response is"),
            (span(&self.count), bytes, "a quota in bytes counts all responses"),
            (span(&self.count), shared, "shares are taken before the response is there"),
            (span(&self.count), waits, "what is known to count only by its response has no place in a queue"),
            (span(&self.count_denied), !rates || shared, "refused requests are counted only in buckets that converge"),
            (span(&self.over), waits && (!rates || shared), "only a bucket that converges has a queue"),
            (
                span(&self.penalty),
                matches!(over, Over::Tag(_)),
                "a limit that only tags refuses nobody, so bans nobody",
            ),
        ];
        let wrong = clashes.into_iter().filter_map(|(span, clash, why)| span.filter(|_| clash).map(|span| (span, why)));
        let mut fits = Some(());
        for (span, why) in wrong {
            check.note(span, Wrong::new(why));
            fits = None;
        }
        self.overrides_fit(single && !shared || !rates, check).and(fits)
    }

    /// What is held by several buckets, or by shares, has no bucket of one key's own.
    fn overrides_fit(&self, has_own: bool, check: &mut Check<'_>) -> Option<()> {
        let mut overrides = self.overrides.iter().flat_map(|overrides| &overrides.value);
        let Some(other) = overrides.find(|one| !has_own && !one.value.is_unlimited()) else { return Some(()) };
        let wrong = Wrong::new("only a limit of one rate that converges has other rates for some keys");
        check.note(other.span(), wrong.advice("write unlimited = true, or a limit of its own with `when`"));
        None
    }

    fn counts_no_client(&self) -> bool {
        !self.key.value.iter().any(|part| matches!(part.value.as_ref().trim(), "client.net" | "client.ip"))
    }
}

fn span<T>(written: &Option<At<T>>) -> Option<Range<usize>> {
    written.as_ref().map(At::span)
}
