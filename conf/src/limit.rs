//! Limits on how often something may happen: what is counted, by which key, how much is let through, and what follows.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::{self, Expr, Field, Kind};
use crate::finding::Check;
use crate::place::Place;
use crate::raw::{At, Choice, DurationText, Number, RateText, Text, Word};
use crate::sections::{Section, at_most, unique};
use crate::site::{RawSite, SITES_MAX};
use crate::suggest;
use crate::value::{Wrong, duration, name, rate, shown};

/// `[[limit]]`: a token bucket per key.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// The name in logs and metrics: 1 to 64 characters of `[A-Za-z0-9._-]`.
    pub name: String,
    /// Indexes into [`crate::Config::sites`]; empty means all sites.
    pub sites: Vec<usize>,
    /// Which requests are counted; all when absent.
    pub when: Option<Expr>,
    /// What requests are counted by; empty counts all of them together. At most [`KEY_PARTS_MAX`].
    pub key: Vec<KeyPart>,
    /// How fast the bucket refills.
    pub rate: Rate,
    /// The depth of the bucket, 1 or more. Default `max(1, rate / 10)`.
    pub burst: u32,
    /// Whether POPs count together. Default [`Scope::Global`].
    pub scope: Scope,
    /// Whether a refusal is carried out. Default [`Mode::Enforce`].
    pub mode: Mode,
    /// What a POP does while it hears too few of the others. Default [`OnPartition::FairShare`].
    pub on_partition: OnPartition,
    /// What follows when one client is refused again and again.
    pub penalty: Option<Penalty>,
    /// Where the limit is written.
    pub place: Place,
}

/// `count` tokens every `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens, 1 or more.
    pub count: u32,
    /// The time they take to refill, 100 ms to 31 days.
    pub per: Duration,
}

/// One part of the key requests are counted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// `client.ip`.
    ClientIp,
    /// `client.net`: the address cut to /32 for IPv4 and /64 for IPv6.
    ClientNet,
    /// `request.host`.
    Host,
    /// `request.method`.
    Method,
    /// `request.path`.
    Path,
    /// `request.headers["name"]`, the name in lower case; an absent or repeated header counts as `""`.
    Header(String),
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
/// The most parts of one key.
pub const KEY_PARTS_MAX: usize = 8;
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

/// How a global limit is held.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Class {
    /// POPs tell each other what they admitted and decide alone.
    Converge,
}

impl Choice for Class {
    const WORDS: &'static [(&'static str, Class)] = &[("converge", Class::Converge)];

    fn parse(text: &str) -> Result<Class, Wrong> {
        match text {
            "converge" => Ok(Class::Converge),
            _ if text == "strict" || text.starts_with("bounded") => {
                Err(Wrong::new(format!("the class `{}` is not available yet", shown(text)))
                    .advice("write \"converge\""))
            }
            _ => Err(Wrong::new(format!("`{}` is not a class", shown(text))).advice("write \"converge\"")),
        }
    }
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
    /// How a global limit is held: `converge`.
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

/// Checks all limits; `sites` are in the order of [`crate::Config::sites`].
pub(crate) fn lower(
    sections: &[Section<RawLimit>],
    sites: &[Section<RawSite>],
    check: &mut Check<'_>,
) -> Option<Vec<Limit>> {
    let name_of =
        |section: &Section<RawLimit>| section.raw.as_ref().map_or(section.head.clone(), |raw| raw.name.span());
    unique(sections, "limit", str::to_owned, name_of, check);
    let within = at_most(sections, LIMITS_MAX, "limits", check);
    let by_host: BTreeMap<String, usize> =
        sites.iter().enumerate().map(|(index, site)| (site.name.to_ascii_lowercase(), index)).collect();
    let limits: Vec<_> = sections
        .iter()
        .take(LIMITS_MAX)
        .map(|section| {
            check.file = section.file;
            let place = check.place(section.head.start);
            section.raw.as_ref()?.lower(place?, &by_host, check)
        })
        .collect();
    within?;
    limits.into_iter().collect()
}

impl RawLimit {
    fn lower(&self, place: Place, by_host: &BTreeMap<String, usize>, check: &mut Check<'_>) -> Option<Limit> {
        let name = check.value(&self.name, name);
        let sites = self.sites(by_host, check);
        let when = match &self.when {
            None => Some(None),
            Some(written) => check.condition(written).map(Some),
        };
        let key = self.key(check);
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
        let Class::Converge = class?;
        Some(Limit {
            name: name?,
            sites: sites?,
            when: when?,
            key: key?,
            rate: rate?,
            burst: burst?,
            scope: scope?,
            mode: mode?,
            on_partition: on_partition?,
            penalty: penalty?,
            place,
        })
    }

    fn sites(&self, by_host: &BTreeMap<String, usize>, check: &mut Check<'_>) -> Option<Vec<usize>> {
        let Some(written) = &self.sites else { return Some(Vec::new()) };
        if written.value.is_empty() {
            let wrong = Wrong::new("a limit for no site").advice("leave `sites` out to mean all of them");
            check.note(written.span(), wrong);
            return None;
        }
        let mut sites = check.list(&written.value, SITES_MAX, |text| {
            let unknown = || {
                let names = || by_host.keys().map(String::as_str);
                Wrong::new(format!("there is no site `{}`", shown(text))).help(suggest::among(text, names))
            };
            by_host.get(&text.to_ascii_lowercase()).copied().ok_or_else(unknown)
        })?;
        sites.sort_unstable();
        sites.dedup();
        Some(sites)
    }

    fn key(&self, check: &mut Check<'_>) -> Option<Vec<KeyPart>> {
        let written = &self.key.value;
        let within = check.at_most(written, KEY_PARTS_MAX);
        let mut key: Vec<Option<KeyPart>> = Vec::new();
        for part in written.iter().take(KEY_PARTS_MAX) {
            let parsed = match KeyPart::parse(part.value.as_ref()) {
                Ok(parsed) if key.iter().flatten().any(|earlier| *earlier == parsed) => {
                    check.note(part.span(), Wrong::new("this part is in the key already"));
                    None
                }
                Ok(parsed) => Some(parsed),
                Err(errors) => {
                    errors.into_iter().for_each(|error| check.note_expression(part, error));
                    None
                }
            };
            key.push(parsed);
        }
        within?;
        key.into_iter().collect()
    }
}

impl KeyPart {
    /// A key part is a field, written as in an expression.
    fn parse(text: &str) -> Result<KeyPart, Vec<expr::Error>> {
        let field = expr::parse_any(text)?;
        match field.kind {
            Kind::Field(Field::ClientIp) => Ok(KeyPart::ClientIp),
            Kind::Field(Field::ClientNet) => Ok(KeyPart::ClientNet),
            Kind::Field(Field::Host) => Ok(KeyPart::Host),
            Kind::Field(Field::Method) => Ok(KeyPart::Method),
            Kind::Field(Field::Path) => Ok(KeyPart::Path),
            Kind::Header(name) => Ok(KeyPart::Header(name)),
            _ => Err(vec![expr::Error {
                span: field.span,
                message: "requests are counted by a field, not by an expression".to_owned(),
                help: Some("such as `client.net` or `request.headers[\"x-api-key\"]`".to_owned()),
            }]),
        }
    }
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
        let positive = |text: &str| match duration(text)? {
            zero if zero.is_zero() => Err(Wrong::new(format!("`{}` is no time at all", shown(text)))),
            length => Ok(length),
        };
        let within = check.value(&self.within, positive);
        if self.ban.value.is_empty() {
            check.note(self.ban.span(), Wrong::new("a penalty needs at least one length of ban"));
        }
        let ban = check.list(&self.ban.value, BANS_MAX, positive);
        by_client?;
        Some(Penalty { after: after?, within: within?, ban: ban? })
    }
}
