//! Limits on how often something may happen, how much of it, or how many at once: what is counted, by which key, how much is let through, and
//! what follows.

mod class;
mod fits;
mod levels;
mod measure;
mod over;
mod overrides;
mod penalty;
mod reserve;
mod sense;

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

pub use self::class::Class;
pub use self::measure::{Measure, Period, Quota, Rate, TIERS_MAX, Tier, Unit, Width};
use self::measure::{RawLevel, RawRate};
use self::over::RawOver;
pub use self::over::{BODY_MAX, DELAY_LONGEST, Deny, DenyBody, Over};
use self::overrides::RawOverride;
pub use self::overrides::{Allows, OVERRIDES_MAX, Override, UNLIMITED_MAX};
use self::penalty::RawPenalty;
pub use self::penalty::{BANS_MAX, Penalty};
use self::reserve::Reserve;
use crate::expr::{self, Expr, Kind, Phase, Read, Type};
use crate::finding::Check;
use crate::key::{self, KeyPart};
use crate::known::Known;
use crate::place::Place;
use crate::raw::{At, Choice, Number, QuotaText, RateText, Text, Word};
use crate::sections::{Section, at_most};
use crate::site;
use crate::value::name;

/// `[[limit]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// The name in logs and metrics: 1 to 64 characters of `[A-Za-z0-9._-]`.
    pub name: String,
    /// Indexes into [`crate::Config::sites`]; empty means all sites.
    pub sites: Vec<usize>,
    /// Which requests are counted; all when absent.
    pub when: Option<Expr>,
    /// What requests are counted by; empty counts all of them together. At most [`crate::KEY_PARTS_MAX`].
    pub key: Vec<KeyPart>,
    /// What becomes of a request of which a part of the key is missing. Default [`OnMissing::Count`].
    pub on_missing: OnMissing,
    /// What is limited.
    pub measure: Measure,
    /// What a request costs, of type int, in [`Phase::Response`] at the latest; 1 when absent.
    pub cost: Option<Expr>,
    /// What is taken for a request before its response is there, where that tells what it costs: 1 to [`COST_MAX`].
    pub reserve: Option<u32>,
    /// Which responses count, in [`Phase::Response`]; all, and requests that get none, when absent.
    pub count: Option<Expr>,
    /// Whether refused requests are counted as well.
    pub count_denied: bool,
    /// What follows when there is no room.
    pub over: Over,
    /// Keys that are treated otherwise; at most [`OVERRIDES_MAX`], no two of the same key.
    pub overrides: Vec<Override>,
    /// Conditions for requests that it is not for; at most [`UNLIMITED_MAX`].
    pub unlimited: Vec<Expr>,
    /// Whether POPs count together. Default [`Scope::Global`].
    pub scope: Scope,
    /// How its rate is held over all POPs; of meaning where they count together. Default [`Class::Converge`].
    pub class: Class,
    /// Whether a refusal is carried out. Default [`Mode::Enforce`].
    pub mode: Mode,
    /// What a POP does while it hears too few of the others. Default [`OnPartition::FairShare`].
    pub on_partition: OnPartition,
    /// What follows when one client is refused again and again.
    pub penalty: Option<Penalty>,
    /// What clients are told of it.
    pub headers: Headers,
    /// Where the limit is written.
    pub place: Place,
}

/// Which header fields tell clients of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
    pub draft: bool,
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`.
    pub legacy: bool,
}

impl Default for Headers {
    fn default() -> Headers {
        Headers { draft: true, legacy: false }
    }
}

/// A kind of header fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Draft,
    Legacy,
}

/// Arrivals are timed in slots no narrower than this, ms.
const SLOT_LEAST: f64 = 10.0;

impl Limit {
    /// What its author should know, though it is well written: a burst that is small beside its rate hides in the slots in which
    /// arrivals are timed. Slots as wide as a quarter of the time in which the burst refills hide little.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        self.measure.tiers().iter().find_map(|Tier { rate, burst, .. }| {
            let hidden = f64::from(rate.count) * SLOT_LEAST / rate.per.as_millis() as f64;
            (f64::from(*burst) < 4.0 * hidden).then(|| {
                format!(
                    "limit {:?}: arrivals are timed in slots of {SLOT_LEAST} ms, in which {} of its requests come, so as many beyond its burst of {} may pass at once; a burst of {} or more is precise",
                    self.name,
                    hidden.ceil(),
                    burst,
                    (4.0 * hidden).ceil()
                )
            })
        })
    }

    /// How far back its counts can be read; no time at all where nothing is counted by time.
    #[must_use]
    pub(crate) fn retention(&self) -> Duration {
        self.measure.retention()
    }
}

/// Whether POPs count together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All POPs share one count.
    Global,
    /// Each POP counts alone.
    Pop,
}

/// Whether a refusal is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The request is refused.
    Enforce,
    /// The request passes; the refusal is only counted and logged.
    Monitor,
}

/// What a POP does with a global limit while it hears too few of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnPartition {
    /// Each POP admits its share of the rate.
    FairShare,
    /// Each POP admits the full rate.
    Full,
    /// Requests the limit applies to are refused.
    Deny,
}

/// What becomes of a request of which a part of the key is missing: a header field that is not there, an expression without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMissing {
    /// The part counts as the empty text: all such requests together.
    Count,
    /// The limit is not for it.
    Skip,
    /// It is refused.
    Deny,
}

/// The most that one request costs.
pub const COST_MAX: u32 = 1_000_000;
/// The most limits of one config.
pub const LIMITS_MAX: usize = 1024;

impl Choice for Scope {
    const WORDS: &'static [(&'static str, Scope)] = &[("global", Scope::Global), ("pop", Scope::Pop)];
}

impl Choice for Mode {
    const WORDS: &'static [(&'static str, Mode)] = &[("enforce", Mode::Enforce), ("monitor", Mode::Monitor)];
}

impl Choice for OnPartition {
    const WORDS: &'static [(&'static str, OnPartition)] =
        &[("fair_share", OnPartition::FairShare), ("full", OnPartition::Full), ("deny", OnPartition::Deny)];
}

impl Choice for OnMissing {
    const WORDS: &'static [(&'static str, OnMissing)] =
        &[("count", OnMissing::Count), ("skip", OnMissing::Skip), ("deny", OnMissing::Deny)];
}

impl Choice for Told {
    const WORDS: &'static [(&'static str, Told)] = &[("ratelimit", Told::Draft), ("x-ratelimit", Told::Legacy)];
}

/// `[[limit]]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["rate"] }, { "required": ["rates"] }, { "required": ["quota"] }, { "required": ["in_flight"] }
]))]
pub(crate) struct RawLimit {
    /// The name in logs and metrics.
    name: At<Text>,
    /// The sites it is for, by the host in their header; all when absent.
    sites: Option<At<Vec<At<Text>>>>,
    /// Which requests are counted, as an expression; all when absent.
    when: Option<At<Text>>,
    /// What requests are counted by, such as `["client.net"]`; `[]` counts all of them together.
    key: At<Vec<At<Text>>>,
    /// What becomes of a request without a part of the key: `count` (the default: as the empty text), `skip` or `deny`.
    on_missing: Option<At<Word<OnMissing>>>,
    /// How fast the bucket refills, such as `"20/1m"`.
    rate: Option<At<RateText>>,
    /// The depth of the bucket. Default a tenth of the rate, at least 1.
    burst: Option<At<Number>>,
    /// Several rates that all must have room, such as `[{ rate = "10/1s", burst = 5 }, { rate = "300/1m" }]`.
    rates: Option<At<Vec<At<RawRate>>>>,
    /// Wider networks that are counted together, with higher rates, such as `[{ ipv6 = 48, rate = "500/1m" }]`.
    levels: Option<At<Vec<At<RawLevel>>>>,
    /// How much in each `hour`, `day` or `month`: requests (or their cost), such as `"10000/day"`, or bytes, such as `"10GiB/month"`.
    quota: Option<At<QuotaText>>,
    /// What is taken for a response before it is there: bytes of a quota of those (default `"64KiB"`), or a `cost` that the response tells (default 1).
    reserve: Option<At<Reserve>>,
    /// How many requests there may be at once.
    in_flight: Option<At<Number>>,
    /// What a request costs, as an expression of type int, which may read the response. Default 1.
    cost: Option<At<Text>>,
    /// Which requests count, by their response, such as `'response.status in [401, 403]'`.
    count: Option<At<Text>>,
    /// `true`: refused requests are counted, too.
    count_denied: Option<At<bool>>,
    /// What follows when there is no room, such as `{ deny = 503, body = "Later." }`. Default `{ deny = 429 }`.
    over: Option<At<RawOver>>,
    /// Keys that are treated otherwise, such as `[{ key = ["192.0.2.7"], rate = "100/1s" }]`.
    overrides: Option<At<Vec<At<RawOverride>>>>,
    /// Lists of clients, or of keys, that it is not for.
    unlimited: Option<At<Vec<At<Text>>>>,
    /// Whether POPs count together: `global` (the default) or `pop`.
    scope: Option<At<Word<Scope>>>,
    /// How a global limit is held: `converge` (the default), `bounded(2%)` or `strict`.
    class: Option<At<Word<Class>>>,
    /// Whether a refusal is carried out: `enforce` (the default) or `monitor`.
    mode: Option<At<Word<Mode>>>,
    /// What a POP does while it hears too few of the others: `fair_share` (the default), `full` or `deny`.
    on_partition: Option<At<Word<OnPartition>>>,
    /// A ban after repeated refusals, such as `{ after = 3, within = "10m", ban = ["1m", "10m"] }`.
    penalty: Option<At<RawPenalty>>,
    /// Which header fields tell clients of it: `ratelimit` (the default) and `x-ratelimit`; `[]` for none.
    headers: Option<At<Vec<At<Word<Told>>>>>,
}

/// Checks all limits.
pub(crate) fn lower(sections: &[Section<RawLimit>], known: &Known, check: &mut Check<'_>) -> Option<Vec<Limit>> {
    let within = at_most(sections, LIMITS_MAX, "limits", check);
    let limits: Vec<_> = sections
        .iter()
        .take(LIMITS_MAX)
        .enumerate()
        .map(|(index, section)| {
            check.file = section.file;
            let place = check.place(section.head.start)?;
            let next = sections.get(index + 1).filter(|next| next.file == section.file);
            let extent = section.head.start..next.map_or(usize::MAX, |next| next.head.start);
            section.raw.as_ref()?.lower((place, extent), known.limit_keys.get(index)?.clone(), known, check)
        })
        .collect();
    within?;
    limits.into_iter().collect()
}

impl RawLimit {
    /// The parts of its key; see [`Known`].
    pub(crate) fn key(&self, check: &mut Check<'_>) -> Option<Vec<KeyPart>> {
        key::lower(&self.key.value, Phase::Request, check)
    }

    fn lower(
        &self,
        (place, extent): (Place, Range<usize>),
        key: Option<Vec<KeyPart>>,
        known: &Known,
        check: &mut Check<'_>,
    ) -> Option<Limit> {
        let name = check.value(&self.name, name);
        let sites = site::among(self.sites.as_ref(), "limit", known, check);
        let scoped = key::in_scope(&self.key.value, key.as_deref(), check);
        let when = check.condition_or_all(self.when.as_ref(), Phase::Request);
        let straight = self.straight(when.as_ref(), check);
        let cost = self.cost.as_ref().map(|cost| check.typed(cost, Phase::Response, "a cost", &[Type::Int]));
        // Of one that is wrong nobody knows.
        let is_late =
            cost.as_ref().is_some_and(|cost| cost.as_ref().is_none_or(|cost| cost.phase() == Phase::Response));
        let measure = self.measure(extent, is_late, check);
        let count = check.condition_or_all(self.count.as_ref(), Phase::Response);
        let over = self.over.as_ref().map_or(Some(Over::default()), |over| over.value.lower(over.span(), check));
        let overrides = self.each_override(key.as_deref(), measure.as_ref(), check);
        let unlimited = overrides::unlimited(self.unlimited.as_ref(), &self.key.value, known, check);
        let on_missing = check.word(self.on_missing.as_ref(), OnMissing::Count);
        let scope = check.word(self.scope.as_ref(), Scope::Global);
        let class = check.word(self.class.as_ref(), Class::Converge);
        let mode = check.word(self.mode.as_ref(), Mode::Enforce);
        let on_partition = check.word(self.on_partition.as_ref(), OnPartition::FairShare);
        let headers = self.told(check);
        let penalty = match &self.penalty {
            None => Some(None),
            Some(written) => written.value.lower(written.span(), key.as_deref(), check).map(Some),
        };
        scoped.and(straight)?;
        let (measure, class, scope, on_partition, over) = (measure?, class?, scope?, on_partition?, over?);
        let reserve = self.reserve(&measure, is_late, check);
        self.fits(&measure, class, &over, is_late, check)?;
        let counted = count.as_ref().and_then(Option::as_ref);
        let price = (cost.as_ref().and_then(Option::as_ref), reserve.flatten(), counted);
        self.makes_sense((&measure, class), (&over, mode), price, overrides.as_deref().unwrap_or_default(), check)?;
        let condition = when.as_ref().and_then(Option::as_ref);
        self.holds((&measure, class), (scope, on_partition), (key.as_deref(), condition), known, check)?;
        Some(Limit {
            name: name?,
            sites: sites?,
            when: when?,
            key: key?,
            on_missing: on_missing?,
            measure,
            cost: cost.map_or(Some(None), |cost| cost.map(Some))?,
            reserve: reserve?,
            count: count?,
            count_denied: self.count_denied.as_ref().is_some_and(|written| written.value),
            over,
            overrides: overrides?,
            unlimited: unlimited?,
            scope,
            class,
            mode: mode?,
            on_partition,
            penalty: penalty?,
            headers: headers?,
            place,
        })
    }

    fn each_override(
        &self,
        key: Option<&[KeyPart]>,
        measure: Option<&Measure>,
        check: &mut Check<'_>,
    ) -> Option<Vec<Override>> {
        let Some(written) = &self.overrides else { return Some(Vec::new()) };
        check.at_most(&written.value, OVERRIDES_MAX)?;
        let (mut all, mut known) = (Vec::new(), BTreeSet::new());
        for one in &written.value {
            let lowered = one.value.lower(one.span(), key, measure, check);
            let name =
                |new: &Override| key.unwrap_or(&[]).iter().zip(&new.key).map(|(part, text)| part.name(text)).collect();
            let names: Option<Vec<String>> = lowered.as_ref().map(name);
            if names.is_some_and(|names| !known.insert(names)) {
                check.note(one.span(), crate::value::Wrong::new("this key has an override already"));
                all.push(None);
            } else {
                all.push(lowered);
            }
        }
        all.into_iter().collect()
    }

    fn told(&self, check: &mut Check<'_>) -> Option<Headers> {
        let Some(written) = &self.headers else { return Some(Headers::default()) };
        let told = check.list(&written.value, Told::WORDS.len(), Told::parse)?;
        Some(Headers { draft: told.contains(&Told::Draft), legacy: told.contains(&Told::Legacy) })
    }

    /// Notes a limit that asks for a limit: whether one is exceeded depends on its own `when`, which could go round in
    /// circles.
    fn straight(&self, when: Option<&Option<Expr>>, check: &mut Check<'_>) -> Option<()> {
        let (Some(written), Some(Some(when))) = (&self.when, when) else { return Some(()) };
        let Some(span) = asks_for_a_limit(when) else { return Some(()) };
        let message = "a limit cannot ask whether a limit is exceeded".to_owned();
        let help = Some("a rule can, and tag the request: `\"busy\" in request.tags`".to_owned());
        check.note_expression(written, expr::Error { span, message, help });
        None
    }
}

/// Where an expression asks whether a limit is exceeded.
fn asks_for_a_limit(expr: &Expr) -> Option<expr::Span> {
    if matches!(&expr.kind, Kind::Read(read) if matches!(**read, Read::Exceeded(_))) {
        return Some(expr.span);
    }
    let mut found = None;
    expr.for_each_part(&mut |part| found = found.or_else(|| asks_for_a_limit(part)));
    found
}
