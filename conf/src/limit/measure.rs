//! What a limit limits: how often, how much in an hour, a day or a month, or how many at once.

use std::ops::Range;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::RawLimit;
use crate::expr::span_of_time;
use crate::finding::Check;
use crate::raw::{At, Number, RateText};
use crate::value::{WINDOW_LONGEST, Wrong, quota, rate};

/// What a limit limits.
#[derive(Clone, Debug, PartialEq)]
pub enum Measure {
    /// How often: token buckets that each request takes from, from all or from none. 1 to [`TIERS_MAX`]; the first is of the key itself.
    Rates(Vec<Tier>),
    /// How much in an hour, a day or a month.
    Quota(Quota),
    /// How many at once, 1 or more.
    InFlight(u32),
}

/// One token bucket of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// How fast the bucket refills.
    pub rate: Rate,
    /// The depth of the bucket, 1 or more. Default `max(1, rate / 10)`.
    pub burst: u32,
    /// The wider networks that are counted together in it; `None` where it is of the key itself.
    pub width: Option<Width>,
}

/// Networks that are counted together. Clients of a family without a width are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    /// Bits of the prefix of an IPv4 address, 1 to 31.
    pub ipv4: Option<u8>,
    /// Bits of the prefix of an IPv6 address, 1 to 63.
    pub ipv6: Option<u8>,
}

/// `count` tokens every `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens, 1 or more.
    pub count: u32,
    /// The time they take to refill, 100 ms to 31 days.
    pub per: Duration,
}

/// So much in each hour, day or month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests, or what they cost, or bytes: 1 or more.
    pub amount: u64,
    /// What is counted.
    pub unit: Unit,
    /// In how long.
    pub period: Period,
}

/// What a quota counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Requests, or what each of them costs.
    Requests,
    /// Bytes of the bodies of responses, of which so many are taken before a response is there, and the rest when it is over.
    Bytes {
        /// Bytes that are taken for a response that is not there yet.
        reserve: u64,
    },
}

/// A stretch of the calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the first of the next.
    Month,
}

/// The most token buckets of one limit.
pub const TIERS_MAX: usize = 8;
/// A limit is remembered for so many of its periods. There are eight slots of one period each, but the newest is not over yet.
const WHOLE_SLOTS: u32 = 7;

/// One of `rates` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRate {
    /// How fast the bucket refills, such as `"20/1m"`.
    rate: At<RateText>,
    /// The depth of the bucket. Default a tenth of the rate, at least 1.
    burst: Option<At<Number>>,
}

/// One of `levels` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLevel {
    /// Bits of the IPv4 prefix that is counted together, 1 to 31; without it IPv4 is not counted here.
    ipv4: Option<At<Number>>,
    /// Bits of the IPv6 prefix that is counted together, 1 to 63; without it IPv6 is not counted here.
    ipv6: Option<At<Number>>,
    /// How fast the bucket refills, such as `"20/1m"`.
    rate: At<RateText>,
    /// The depth of the bucket. Default a tenth of the rate, at least 1.
    burst: Option<At<Number>>,
}

impl Measure {
    /// Its token buckets.
    #[must_use]
    pub fn tiers(&self) -> &[Tier] {
        match self {
            Measure::Rates(tiers) => tiers,
            Measure::Quota(_) | Measure::InFlight(_) => &[],
        }
    }

    /// As it is written, in a line.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Measure::Rates(tiers) => tiers.iter().map(Tier::text).collect::<Vec<_>>().join(", "),
            Measure::Quota(Quota { amount, unit: Unit::Requests, period }) => format!("{amount}/{}", period.text()),
            Measure::Quota(Quota { amount, unit: Unit::Bytes { .. }, period }) => {
                format!("{amount}B/{}", period.text())
            }
            Measure::InFlight(most) => format!("{most} in flight"),
        }
    }

    /// How far back the counts reach that can be read of it; no time at all where nothing is counted by time.
    pub(crate) fn retention(&self) -> Duration {
        self.tiers().first().map_or(Duration::ZERO, |tier| retention(tier.rate))
    }
}

impl Tier {
    /// As it is written, in a line.
    fn text(&self) -> String {
        let Tier { rate, burst, width } = self;
        let bits = |bits: Option<u8>| bits.map(|bits| format!(" /{bits}")).unwrap_or_default();
        let width = width.map(|Width { ipv4, ipv6 }| format!("{}{}", bits(ipv4), bits(ipv6))).unwrap_or_default();
        format!("{} burst {burst}{width}", rate.text())
    }
}

impl Rate {
    /// As it is written.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}/{}", self.count, span_of_time(self.per))
    }
}

impl Period {
    /// As it is written.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Period::Hour => "hour",
            Period::Day => "day",
            Period::Month => "month",
        }
    }
}

fn retention(rate: Rate) -> Duration {
    rate.per.saturating_mul(WHOLE_SLOTS).min(WINDOW_LONGEST)
}

/// One bucket; its burst is a tenth of the rate unless it is written.
pub(super) fn tier(
    written: &At<RateText>,
    burst: Option<&At<Number>>,
    width: Option<Width>,
    check: &mut Check<'_>,
) -> Option<Tier> {
    let rate = check.value(written, rate);
    let tenth = rate.map_or(1, |rate| (rate.count / 10).max(1));
    let burst = check.number(burst, 1..u64::from(u32::MAX) + 1, tenth);
    Some(Tier { rate: rate?, burst: burst?, width })
}

impl RawLimit {
    /// How far back its counts reach, `None` if what says so is wrong.
    pub(crate) fn retention(&self) -> Option<Duration> {
        let first = self.rates.as_ref().and_then(|rates| rates.value.first());
        match self.rate.as_ref().or(first.map(|first| &first.value.rate)) {
            Some(written) => rate(written.value.as_ref()).ok().map(retention),
            None => Some(Duration::ZERO),
        }
    }

    /// Where each of the ways to say what is limited is written.
    pub(super) fn measures(&self) -> Vec<(&'static str, Range<usize>)> {
        let written = [
            ("rate", self.rate.as_ref().map(At::span)),
            ("rates", self.rates.as_ref().map(At::span)),
            ("quota", self.quota.as_ref().map(At::span)),
            ("in_flight", self.in_flight.as_ref().map(At::span)),
        ];
        written.into_iter().filter_map(|(key, span)| Some((key, span?))).collect()
    }

    /// What it limits; one of four keys says so. Where something is wrong within its extent, that none does is not noted as well: it may be a
    /// typing error. `is_late` says whether the response tells what a request costs.
    pub(super) fn measure(&self, extent: Range<usize>, is_late: bool, check: &mut Check<'_>) -> Option<Measure> {
        const WAYS: &str = "one of `rate`, `rates`, `quota` and `in_flight` says what is limited";
        let measures = self.measures();
        if let [(first, _), (second, again), ..] = measures.as_slice() {
            check.note(again.clone(), Wrong::new(format!("`{second}` beside `{first}`")).advice(WAYS));
            return None;
        }
        if let Some(written) = &self.quota {
            let quota = check.value(written, quota)?;
            return self.reserve_of(quota, is_late, check).map(Measure::Quota);
        }
        if let Some(written) = &self.in_flight {
            return check.number(Some(written), 1..u64::from(u32::MAX) + 1, 1).map(Measure::InFlight);
        }
        if measures.is_empty() {
            if !check.is_noted_within(&extent) {
                check.note(self.name.span(), Wrong::new("this limit does not say what it limits").advice(WAYS));
            }
            return None;
        }
        let tiers = self.tiers(check);
        let most = self.rates.as_ref().map_or(1, |rates| rates.value.len());
        let levels = self.levels.as_ref().map_or(0, |levels| levels.value.len());
        if most + levels > TIERS_MAX {
            let span = self.levels.as_ref().map_or(self.name.span(), At::span);
            check.note(span, Wrong::new(format!("{} rates and levels; at most {TIERS_MAX} fit here", most + levels)));
            return None;
        }
        tiers.map(Measure::Rates)
    }

    fn tiers(&self, check: &mut Check<'_>) -> Option<Vec<Tier>> {
        let mut tiers = Vec::new();
        if let Some(written) = &self.rate {
            tiers.push(tier(written, self.burst.as_ref(), None, check));
        }
        if let Some(rates) = &self.rates {
            if rates.value.is_empty() {
                check.note(rates.span(), Wrong::new("a list of no rates"));
                tiers.push(None);
            }
            let each = |At { value, .. }: &At<RawRate>| tier(&value.rate, value.burst.as_ref(), None, check);
            tiers.extend(rates.value.iter().take(TIERS_MAX).map(each));
        }
        for level in self.levels.iter().flat_map(|levels| levels.value.iter().take(TIERS_MAX)) {
            let tier = level.value.lower(level.span(), check);
            let is_known = |tier: &Tier| tiers.iter().flatten().any(|known| known.width == tier.width);
            if tier.as_ref().is_some_and(is_known) {
                check.note(level.span(), Wrong::new("networks of this width are counted already"));
                tiers.push(None);
            } else {
                tiers.push(tier);
            }
        }
        tiers.into_iter().collect()
    }
}

impl RawLevel {
    fn lower(&self, span: Range<usize>, check: &mut Check<'_>) -> Option<Tier> {
        let bits = |written: &Option<At<Number>>, most: u64, check: &mut Check<'_>| match written {
            None => Some(None),
            Some(written) => check.number(Some(written), 1..most, 0_u8).map(Some),
        };
        let (ipv4, ipv6) = (bits(&self.ipv4, 32, check), bits(&self.ipv6, 64, check));
        let (ipv4, ipv6) = (ipv4?, ipv6?);
        if ipv4.is_none() && ipv6.is_none() {
            let wrong = Wrong::new("this level counts nobody");
            check.note(span, wrong.advice("write how many bits of an address are counted together: ipv6 = 48"));
            return None;
        }
        tier(&self.rate, self.burst.as_ref(), Some(Width { ipv4, ipv6 }), check)
    }
}
