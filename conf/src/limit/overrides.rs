//! Keys that have a limit of their own, and those that have none.

use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;

use super::measure::{Measure, Quota, Tier, Unit, tier};
use crate::expr::{Expr, ListKind, Phase};
use crate::finding::Check;
use crate::key::KeyPart;
use crate::known::Known;
use crate::raw::{At, Number, QuotaText, RateText, Text};
use crate::value::{Wrong, quota};

/// One key that is treated otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// The values of the key's parts.
    pub key: Vec<String>,
    /// What it may do.
    pub allows: Allows,
}

/// What a key may do that is treated otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Allows {
    /// Everything: it is not counted.
    Everything,
    /// As often.
    Rate(Tier),
    /// As much; of the limit's own unit and period.
    Amount(u64),
    /// As many at once, 0 or more.
    InFlight(u32),
}

/// The most overrides of one limit.
pub const OVERRIDES_MAX: usize = 1000;
/// The most lists of keys that one limit is not for.
pub const UNLIMITED_MAX: usize = 8;

/// One of `overrides` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawOverride {
    /// The values of the key's parts, such as `["192.0.2.7"]`.
    key: At<Vec<At<Text>>>,
    /// How fast its bucket refills.
    rate: Option<At<RateText>>,
    /// The depth of its bucket. Default a tenth of the rate, at least 1.
    burst: Option<At<Number>>,
    /// Its quota, in the unit and for the time of the limit's own.
    quota: Option<At<QuotaText>>,
    /// How many of its requests there may be at once.
    in_flight: Option<At<Number>>,
    /// `true`: it is not counted.
    unlimited: Option<At<bool>>,
}

impl RawOverride {
    pub(super) fn is_unlimited(&self) -> bool {
        self.unlimited.is_some()
    }

    pub(super) fn lower(
        &self,
        span: Range<usize>,
        key: Option<&[KeyPart]>,
        measure: Option<&Measure>,
        check: &mut Check<'_>,
    ) -> Option<Override> {
        let values = self.values(key, check);
        let allows = self.allows(span, measure?, check);
        Some(Override { key: values?, allows: allows? })
    }

    fn values(&self, key: Option<&[KeyPart]>, check: &mut Check<'_>) -> Option<Vec<String>> {
        let key = key?;
        if key.len() != self.key.value.len() {
            let (has, takes) = (self.key.value.len(), key.len());
            check.note(self.key.span(), Wrong::new(format!("the key has {takes} parts, and this has {has} values")));
            return None;
        }
        let each = |(part, written): (&KeyPart, &At<Text>)| {
            check.value(written, |text| part.accepts(text).map(|()| text.to_owned()))
        };
        let values: Vec<_> = key.iter().zip(&self.key.value).map(each).collect();
        values.into_iter().collect()
    }

    /// Notes what is not of what the limit measures, or says nothing beside `unlimited`.
    fn says_too_much(&self, measure: &Measure, check: &mut Check<'_>) -> bool {
        let own: &[&str] = match measure {
            _ if self.unlimited.is_some() => &[],
            Measure::Rates(_) => &["rate", "burst"],
            Measure::Quota(_) => &["quota"],
            Measure::InFlight(_) => &["in_flight"],
        };
        let written = [
            ("rate", self.rate.as_ref().map(At::span)),
            ("burst", self.burst.as_ref().map(At::span)),
            ("quota", self.quota.as_ref().map(At::span)),
            ("in_flight", self.in_flight.as_ref().map(At::span)),
        ];
        let mut too_much = false;
        for (key, span) in written {
            if let Some(span) = span.filter(|_| !own.contains(&key)) {
                check.note(span, Wrong::new(format!("`{key}` says nothing in this override")));
                too_much = true;
            }
        }
        too_much
    }

    fn allows(&self, span: Range<usize>, measure: &Measure, check: &mut Check<'_>) -> Option<Allows> {
        if self.says_too_much(measure, check) {
            return None;
        }
        if let Some(unlimited) = &self.unlimited {
            if !unlimited.value {
                check.note(unlimited.span(), Wrong::new("`false` says nothing").advice("leave it out"));
                return None;
            }
            return Some(Allows::Everything);
        }
        match measure {
            Measure::Rates(_) => self.rate(span, check),
            Measure::Quota(of) => self.amount(span, *of, check),
            Measure::InFlight(_) => {
                let Some(written) = &self.in_flight else { return self.says_nothing(span, "in_flight", check) };
                check.number(Some(written), 0..u64::from(u32::MAX) + 1, 0).map(Allows::InFlight)
            }
        }
    }

    fn rate(&self, span: Range<usize>, check: &mut Check<'_>) -> Option<Allows> {
        let Some(written) = &self.rate else { return self.says_nothing(span, "rate", check) };
        tier(written, self.burst.as_ref(), None, check).map(Allows::Rate)
    }

    fn amount(&self, span: Range<usize>, of: Quota, check: &mut Check<'_>) -> Option<Allows> {
        let Some(written) = &self.quota else { return self.says_nothing(span, "quota", check) };
        let Quota { amount, unit, period } = check.value(written, quota)?;
        let is_alike =
            matches!((unit, of.unit), (Unit::Requests, Unit::Requests) | (Unit::Bytes { .. }, Unit::Bytes { .. }));
        if !is_alike || period != of.period {
            let wrong = Wrong::new("an override has the unit and the time of the limit's own quota");
            check.note(written.span(), wrong);
            return None;
        }
        Some(Allows::Amount(amount))
    }

    fn says_nothing(&self, span: Range<usize>, key: &str, check: &mut Check<'_>) -> Option<Allows> {
        if check.is_noted_within(&span) {
            return None;
        }
        let wrong = Wrong::new("this override does not say what the key may do");
        check.note(span, wrong.help(format!("write `{key}`, as the limit has it, or unlimited = true")));
        None
    }
}

/// The condition that holds for who is in one of these lists: a list of addresses is asked for the client's, another for the key.
pub(super) fn unlimited(
    written: Option<&At<Vec<At<Text>>>>,
    key: &[At<Text>],
    known: &Known,
    check: &mut Check<'_>,
) -> Option<Vec<Expr>> {
    let Some(written) = written else { return Some(Vec::new()) };
    check.at_most(&written.value, UNLIMITED_MAX)?;
    let lists: Vec<_> = written.value.iter().map(|list| in_list(list, key, known, check)).collect();
    lists.into_iter().collect()
}

fn in_list(list: &At<Text>, key: &[At<Text>], known: &Known, check: &mut Check<'_>) -> Option<Expr> {
    let at = check.value(list, |name| known.lists.find(name))?;
    // What is wrong with the list itself was noted.
    let kind = (*known.list_kinds.get(at)?)?;
    let asked = match (kind, key) {
        (ListKind::Addresses, _) => "client.ip",
        (_, [part]) => part.value.as_ref(),
        (_, _) => {
            let wrong = Wrong::new("a list of text is asked for the key, which has one part then");
            check.note(list.span(), wrong.advice("leave out these requests by `when`"));
            return None;
        }
    };
    check.stands_for(list, &format!("{asked} in lists[\"{}\"]", list.value.as_ref()), Phase::Request)
}
