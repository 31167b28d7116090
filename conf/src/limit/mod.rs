//! Limits on how often something may happen: what is counted, by which key, how much is let through, and what follows.

mod class;

use std::ops::Range;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

pub use self::class::Class;
use crate::expr::{self, Expr, Kind, Phase, Read};
use crate::finding::Check;
use crate::key::{self, KeyPart};
use crate::known::Known;
use crate::place::Place;
use crate::raw::{At, Choice, DurationText, Number, RateText, Text, Word};
use crate::sections::{Section, at_most};
use crate::site;
use crate::value::{WINDOW_LONGEST, Wrong, name, rate, some_time};

/// `[[limit]]`: a token bucket per key.
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
    /// How fast the bucket refills.
    pub rate: Rate,
    /// The depth of the bucket, 1 or more. Default `max(1, rate / 10)`.
    pub burst: u32,
    /// Whether POPs count together. Default [`Scope::Global`].
    pub scope: Scope,
    /// How it is held over all POPs; of meaning where they count together. Default [`Class::Converge`].
    pub class: Class,
    /// Whether a refusal is carried out. Default [`Mode::Enforce`].
    pub mode: Mode,
    /// What a POP does while it hears too few of the others. Default [`OnPartition::FairShare`].
    pub on_partition: OnPartition,
    /// What follows when one client is refused again and again.
    pub penalty: Option<Penalty>,
    /// Where the limit is written.
    pub place: Place,
}

/// Arrivals are timed in slots no narrower than this, ms.
const SLOT_LEAST: f64 = 10.0;

impl Limit {
    /// What its author should know, though it is well written: a burst that is small beside its rate hides in the slots in which
    /// arrivals are timed. Slots as wide as a quarter of the time in which the burst refills hide little.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let hidden = f64::from(self.rate.count) * SLOT_LEAST / self.rate.per.as_millis() as f64;
        (f64::from(self.burst) < 4.0 * hidden).then(|| {
            format!(
                "limit {:?}: arrivals are timed in slots of {SLOT_LEAST} ms, in which {} of its requests come, so as many beyond its burst of {} may pass at once; a burst of {} or more is precise",
                self.name,
                hidden.ceil(),
                self.burst,
                (4.0 * hidden).ceil()
            )
        })
    }
}

/// `count` tokens every `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens, 1 or more.
    pub count: u32,
    /// The time they take to refill, 100 ms to 31 days.
    pub per: Duration,
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

/// A ban on the client's network after repeated refusals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Penalty {
    /// Refusals that lead to a ban, 1 or more.
    pub after: u32,
    /// The time in which they must fall.
    pub within: Duration,
    /// The length of the first, second, ... ban; the last one repeats. Never empty, at most [`BANS_MAX`].
    pub ban: Vec<Duration>,
}

/// The most limits of one config.
pub const LIMITS_MAX: usize = 1024;
/// A limit is remembered for so many of its periods. There are eight slots of one period each, but the newest is not over yet.
const WHOLE_SLOTS: u32 = 7;
/// The most steps of one penalty.
pub const BANS_MAX: usize = 8;

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

/// `[[limit]]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLimit {
    /// The name in logs and metrics.
    name: At<Text>,
    /// The sites it is for, by the host in their header; all when absent.
    sites: Option<At<Vec<At<Text>>>>,
    /// Which requests are counted, as an expression; all when absent.
    when: Option<At<Text>>,
    /// What requests are counted by, such as `["client.net"]`; `[]` counts all of them together.
    key: At<Vec<At<Text>>>,
    /// How fast the bucket refills, such as `"20/1m"`.
    rate: At<RateText>,
    /// The depth of the bucket. Default a tenth of the rate, at least 1.
    burst: Option<At<Number>>,
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
}

/// `penalty` of a limit as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPenalty {
    /// Refusals that lead to a ban, 1 to 1,000,000.
    after: At<Number>,
    /// The time in which they must fall, such as `"10m"`.
    within: At<DurationText>,
    /// The length of the first, second, ... ban, such as `["1m", "10m", "1h"]`; the last one repeats.
    ban: At<Vec<At<DurationText>>>,
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
            let place = check.place(section.head.start);
            section.raw.as_ref()?.lower(place?, known.limit_keys.get(index)?.clone(), known, check)
        })
        .collect();
    within?;
    limits.into_iter().collect()
}

/// How far back the counts of a limit of this rate reach.
pub(crate) fn retention(rate: Rate) -> Duration {
    rate.per.saturating_mul(WHOLE_SLOTS).min(WINDOW_LONGEST)
}

impl RawLimit {
    /// The parts of its key; see [`Known`].
    pub(crate) fn key(&self, check: &mut Check<'_>) -> Option<Vec<KeyPart>> {
        key::lower(&self.key.value, Phase::Request, check)
    }

    /// How far back its counts reach, `None` if its rate is wrong.
    pub(crate) fn retention(&self) -> Option<Duration> {
        rate(self.rate.value.as_ref()).ok().map(retention)
    }

    fn lower(&self, place: Place, key: Option<Vec<KeyPart>>, known: &Known, check: &mut Check<'_>) -> Option<Limit> {
        let name = check.value(&self.name, name);
        let sites = site::among(self.sites.as_ref(), "limit", known, check);
        let when = check.condition_or_all(self.when.as_ref(), Phase::Request);
        let straight = self.straight(when.as_ref(), check);
        let rate = check.value(&self.rate, rate);
        let tenth = rate.map_or(1, |rate| (rate.count / 10).max(1));
        let burst = check.number(self.burst.as_ref(), 1..u64::from(u32::MAX) + 1, tenth);
        let scope = check.word(self.scope.as_ref(), Scope::Global);
        let class = check.word(self.class.as_ref(), Class::Converge);
        let mode = check.word(self.mode.as_ref(), Mode::Enforce);
        let on_partition = check.word(self.on_partition.as_ref(), OnPartition::FairShare);
        let penalty = match &self.penalty {
            None => Some(None),
            Some(written) => written.value.lower(written.span(), key.as_deref(), check).map(Some),
        };
        straight?;
        let (class, scope, on_partition) = (class?, scope?, on_partition?);
        self.holds(class, (scope, on_partition, rate), key.as_deref(), known, check)?;
        Some(Limit {
            name: name?,
            sites: sites?,
            when: when?,
            key: key?,
            rate: rate?,
            burst: burst?,
            scope,
            class,
            mode: mode?,
            on_partition,
            penalty: penalty?,
            place,
        })
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

impl RawPenalty {
    fn lower(&self, span: Range<usize>, key: Option<&[KeyPart]>, check: &mut Check<'_>) -> Option<Penalty> {
        let by_client = match key {
            // A key that is wrong was noted already.
            None | Some([KeyPart::ClientIp | KeyPart::ClientNet]) => Some(()),
            Some(_) => {
                let wrong = Wrong::new("a penalty bans a client network, and this limit does not count by one");
                check.note(
                    span,
                    wrong.advice("write key = [\"client.net\"] or key = [\"client.ip\"], without further parts"),
                );
                None
            }
        };
        let after = check.number(Some(&self.after), 1..1_000_001, 1);
        let within = check.value(&self.within, some_time);
        if self.ban.value.is_empty() {
            check.note(self.ban.span(), Wrong::new("a penalty needs at least one length of ban"));
        }
        let ban = check.list(&self.ban.value, BANS_MAX, some_time);
        by_client?;
        Some(Penalty { after: after?, within: within?, ban: ban? })
    }
}
