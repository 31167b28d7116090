//! Idempotency keys: which requests are run once for each key that a client names, however often it asks
//! (draft-ietf-httpapi-idempotency-key-header-07).

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::{Expr, Phase};
use crate::finding::Check;
use crate::key::{self, KeyPart};
use crate::known::Known;
use crate::place::Place;
use crate::raw::{At, Choice, DurationText, Number, SizeText, Text, Word};
use crate::sections::{Section, at_most};
use crate::site;
use crate::value::{Wrong, duration, name, shown, size};

/// `[[idempotency]]`: requests that are run once. Of the policies that are for a request the first one decides, alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Idempotency {
    /// The name in reports and metrics: 1 to 64 characters of `[A-Za-z0-9._-]`. A part of what a key means, too.
    pub name: String,
    /// Indexes into [`crate::Config::sites`]; empty means all sites.
    pub sites: Vec<usize>,
    /// Which requests it is for, of methods that are not safe (RFC 9110 section 9.2.1); POST and PATCH when absent.
    pub when: Option<Expr>,
    /// Whether a request without a key is refused. Default no.
    pub required: bool,
    /// Whose a key is: parts of the request that tell clients apart. Default the header field `Authorization`.
    pub key: Vec<KeyPart>,
    /// How long a key means the same, from its first request on; [`LIFETIME_LEAST`] to [`LIFETIME_MOST`]. Default a day.
    pub lifetime: Duration,
    /// What becomes of a request whose home cannot be reached. Default [`IdempotencyMode::Strict`].
    pub mode: IdempotencyMode,
    /// The longest request body, bytes; at most [`KEYED_BODY_MAX`]. Default 64 KiB.
    pub body_max: u64,
    /// The longest response body that is kept, bytes; at most [`KEYED_BODY_MAX`]. Default 64 KiB.
    pub response_max: u64,
    /// Statuses by which the origin says that it did nothing: the key is as if it had not been used. At most [`NOT_DONE_MAX`], 400 to 599.
    pub not_done: Vec<u16>,
    /// Where it is written.
    pub place: Place,
}

/// What becomes of a request whose home cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdempotencyMode {
    /// It is not run: 503.
    Strict,
    /// It is run where it came, and may so be run twice.
    Available,
}

impl Choice for IdempotencyMode {
    const WORDS: &'static [(&'static str, IdempotencyMode)] =
        &[("strict", IdempotencyMode::Strict), ("available", IdempotencyMode::Available)];
}

/// The most policies of one config.
pub const IDEMPOTENCIES_MAX: usize = 64;

/// The most bytes of a body that may be compared or kept.
pub const KEYED_BODY_MAX: u64 = 16 << 20;

/// The shortest lifetime of a key.
pub const LIFETIME_LEAST: Duration = Duration::from_secs(1);

/// The longest one.
pub const LIFETIME_MOST: Duration = Duration::from_secs(31 * 86_400);

/// The most statuses in `not_done`.
pub const NOT_DONE_MAX: usize = 16;

const LIFETIME_DEFAULT: Duration = Duration::from_secs(86_400);
const BODY_DEFAULT: u64 = 64 << 10;

/// `[[idempotency]]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawIdempotency {
    /// The name in `explain`, logs and metrics. Keys mean nothing under another one.
    name: At<Text>,
    /// The sites it is for, by the host in their header; all when absent.
    sites: Option<At<Vec<At<Text>>>>,
    /// Which requests it is for, as an expression; never those of safe methods (`GET`, `HEAD`, `OPTIONS`, `TRACE`). Default each `POST` and `PATCH`.
    when: Option<At<Text>>,
    /// Whether a request without an `Idempotency-Key` is refused with 400. Default `false`: it goes on as any other.
    required: Option<At<bool>>,
    /// Whose a key is, such as `["jwt.shop.claims.sub"]`; where a part is absent, the client's network is one. Default `['request.headers["authorization"]']`.
    key: Option<At<Vec<At<Text>>>>,
    /// How long a key means the same, from its first request on, `1s` to `31d`. Default `24h`.
    lifetime: Option<At<DurationText>>,
    /// When the POP that answers for a key cannot be reached: `strict` (the default: 503, nothing is run) or `available` (it is run, perhaps twice, and marked).
    mode: Option<At<Word<IdempotencyMode>>>,
    /// The longest request body, up to `16MiB`; a longer one is refused with 413. Default `64KiB`.
    body_max: Option<At<SizeText>>,
    /// The longest response body that is kept, up to `16MiB`; a longer one reaches the client, and its repeats get 409. Default `64KiB`.
    response_max: Option<At<SizeText>>,
    /// Statuses, of 400 to 599, by which the origin says that it did nothing, such as `[429, 503]`: a repeat is run. Default `[]`.
    not_done: Option<At<Vec<At<Number>>>>,
}

/// Checks all policies. `state` says whether anything outlives the process here, `None` if that is wrong itself.
pub(crate) fn lower(
    sections: &[Section<RawIdempotency>],
    state: Option<bool>,
    known: &Known,
    check: &mut Check<'_>,
) -> Option<Vec<Idempotency>> {
    let within = at_most(sections, IDEMPOTENCIES_MAX, "idempotency policies", check);
    if let (Some(first), Some(false)) = (sections.first(), state) {
        check.file = first.file;
        let wrong = Wrong::new("what was run has to be known after a restart, and nothing outlives the process here");
        check.note(
            first.head.clone(),
            wrong.advice("name a folder for that in [storage]: `state = \"/var/lib/selvedge\"`"),
        );
    }
    let policies: Vec<_> = sections
        .iter()
        .take(IDEMPOTENCIES_MAX)
        .map(|section| {
            check.file = section.file;
            let place = check.place(section.head.start);
            section.raw.as_ref()?.lower(place?, known, check)
        })
        .collect();
    within?;
    policies.into_iter().collect()
}

impl RawIdempotency {
    fn lower(&self, place: Place, known: &Known, check: &mut Check<'_>) -> Option<Idempotency> {
        let name = check.value(&self.name, name);
        let sites = site::among(self.sites.as_ref(), "policy", known, check);
        let when = check.condition_or_all(self.when.as_ref(), Phase::Request);
        let key = self.key(check);
        let lifetime = check.value_or(self.lifetime.as_ref(), LIFETIME_DEFAULT, lifetime);
        let mode = check.word(self.mode.as_ref(), IdempotencyMode::Strict);
        let body_max = check.value_or(self.body_max.as_ref(), BODY_DEFAULT, body);
        let response_max = check.value_or(self.response_max.as_ref(), BODY_DEFAULT, body);
        let not_done = self.not_done(check);
        Some(Idempotency {
            name: name?,
            sites: sites?,
            when: when?,
            required: self.required.as_ref().is_some_and(|required| required.value),
            key: key?,
            lifetime: lifetime?,
            mode: mode?,
            body_max: body_max?,
            response_max: response_max?,
            not_done: not_done?,
            place,
        })
    }

    /// A key that is everybody's would answer one client with what another one was answered.
    fn key(&self, check: &mut Check<'_>) -> Option<Vec<KeyPart>> {
        let Some(written) = &self.key else { return Some(vec![KeyPart::Header("authorization".to_owned())]) };
        if written.value.is_empty() {
            let wrong = Wrong::new("a key that is everybody's: one client would get what another one was answered");
            check.note(written.span(), wrong.advice("say what tells clients apart, such as [\"jwt.shop.claims.sub\"]"));
            return None;
        }
        key::lower(&written.value, Phase::Request, check)
    }

    fn not_done(&self, check: &mut Check<'_>) -> Option<Vec<u16>> {
        let Some(written) = &self.not_done else { return Some(Vec::new()) };
        let within = check.at_most(&written.value, NOT_DONE_MAX);
        let statuses = written.value.iter().take(NOT_DONE_MAX);
        let statuses: Vec<_> = statuses.map(|status| check.number(Some(status), 400..600, 0)).collect();
        within?;
        statuses.into_iter().collect()
    }
}

fn lifetime(text: &str) -> Result<Duration, Wrong> {
    let lifetime = duration(text)?;
    if (LIFETIME_LEAST..=LIFETIME_MOST).contains(&lifetime) {
        return Ok(lifetime);
    }
    Err(Wrong::new(format!("`{}` is out of range: 1s to 31d is possible here", shown(text))))
}

fn body(text: &str) -> Result<u64, Wrong> {
    let size = size(text)?;
    if size <= KEYED_BODY_MAX {
        return Ok(size);
    }
    Err(Wrong::new(format!("`{}` is too long; 16MiB is the most", shown(text))))
}
