//! Rules: what is done about which requests.

mod action;
mod challenge;
mod doing;
mod header;
mod revoke;
mod session;

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::{Expr, Phase};
use crate::finding::Check;
use crate::known::Known;
use crate::place::Place;
use crate::raw::{At, Choice, Text, Word};
use crate::realm::Named;
use crate::sections::{Section, at_most};
use crate::site;
use crate::value::{Wrong, name};

use action::RawDo;
pub(crate) use action::written;

/// `[[rule]]`: a condition, what follows from it, and at most one answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The name in logs and metrics: 1 to 64 characters of `[A-Za-z0-9._-]`.
    pub name: String,
    /// When it is asked. Default [`Phase::Request`].
    pub phase: Phase,
    /// Indexes into [`crate::Config::sites`]; empty means all sites. Always empty in [`Phase::Connection`].
    pub sites: Vec<usize>,
    /// Which requests it is for; all when absent.
    pub when: Option<Expr>,
    /// The text of `when`, for people.
    pub text: Option<String>,
    /// What is done when it holds, in this order. At most [`EFFECTS_MAX`].
    pub effects: Vec<Effect>,
    /// What the client is answered when it holds. The first answer ends the evaluation.
    pub answer: Option<Reply>,
    /// Whether it is carried out. Default [`RuleMode::Enforce`].
    pub mode: RuleMode,
    /// Where the rule is written.
    pub place: Place,
}

/// Whether a rule is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleMode {
    /// It is.
    Enforce,
    /// It is evaluated, counted and logged, and nothing follows.
    Monitor,
    /// It is checked when the config is read, and never asked.
    Off,
}

/// What ends the evaluation of rules.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The edge answers with this status, 400 to 599; in [`Phase::Connection`] the connection is closed.
    Deny(u16),
    /// The edge answers with a redirect: 301, 302, 303, 307 or 308, to the value of an expression of type string. When that is
    /// absent or no valid field value, the rule does not answer.
    Redirect(u16, Expr),
    /// The client has to solve a puzzle of so many bits, unless it has a pass for one that was as hard: then the rule does not answer.
    Challenge(u8),
    /// No further rule and no limit is asked. Bans hold nevertheless.
    Allow,
}

/// What a rule does beside answering. Expressions whose value is absent leave their effect undone.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The path and query that cache and origin see; each an expression of type string, unchanged when `None`. Request phase.
    Rewrite(Option<Expr>, Option<Expr>),
    /// A header field, its name in lower case, set to an expression of type string before cache and origin. Request phase.
    SetRequestHeader(String, Expr),
    /// A header field removed before cache and origin. Request phase.
    RemoveRequestHeader(String),
    /// A header field of the response to the client. Request and response phase.
    SetResponseHeader(String, Expr),
    /// A header field removed from the response to the client. Request and response phase.
    RemoveResponseHeader(String),
    /// The origin that answers, by its place in [`crate::Config::origins`]. Request phase.
    Origin(usize),
    /// What the cache does with the response. Request phase.
    Cache(CacheAction),
    /// The client's network is banned at every POP for so long.
    Ban(Duration),
    /// The value of an expression (ip, cidr or string, as the list's kind asks) is in a list at every POP for so long.
    ListAdd(usize, Expr, Duration),
    /// The same is not in a list for so long, whatever its file and earlier additions say.
    ListRemove(usize, Expr, Duration),
    /// What becomes of the session of the request. Request and response phase.
    Session(SessionAction),
    /// What is revoked by name at every POP. Request and response phase.
    Revoke(Revoke),
    /// Counted in a `[[counter]]`, by its place in [`crate::Config::counters`].
    Count(usize),
    /// Counted in a `[[unique]]`, by its place in [`crate::Config::uniques`].
    Unique(usize),
    /// Later rules, limits and the log see this tag in `request.tags`.
    Tag(String),
    /// The access log names the rule.
    Log,
}

/// What is revoked by name.
#[derive(Clone, Debug, PartialEq)]
pub enum Revoke {
    /// All sessions and tokens of a user or a tenant that are theirs by now.
    Named {
        /// Which of the two.
        what: Named,
        /// Within what it is named, by its place in [`crate::Config::realms`].
        realm: usize,
        /// Its name: an expression of type string or int. What is absent or empty is the name of nobody.
        name: Expr,
    },
    /// The token of an issuer that the request carries, by the issuer's place in [`crate::Config::jwts`].
    Token(usize),
}

/// What becomes of a session. Names are those of attributes and counters that the session of each site has that the rule is for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionAction {
    /// A request without a valid one gets one.
    pub start: bool,
    /// It goes on under another id, and the one of before is revoked.
    pub rotate: bool,
    /// It is over. Nothing else is said then.
    pub revoke: bool,
    /// Attributes and expressions of their types.
    pub set: Vec<(String, Expr)>,
    /// Attributes that are set no longer.
    pub unset: Vec<String>,
    /// What is counted once more.
    pub count: Vec<String>,
}

/// What the cache does with a response, said by a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheAction {
    /// It is not asked and stores nothing.
    Pass,
    /// A response that may be stored (RFC 9111 section 3) is fresh for so long, whatever its own fields say.
    Ttl {
        /// Freshness lifetime.
        ttl: Duration,
        /// How long it may be served stale while it is fetched anew (RFC 5861 section 3); as the origin says when absent.
        stale_while_revalidate: Option<Duration>,
        /// How long it may stand in for an error (RFC 5861 section 4); as the origin says when absent.
        stale_if_error: Option<Duration>,
    },
}

/// The most rules of one config.
pub const RULES_MAX: usize = 16_384;
/// The most effects of one rule.
pub const EFFECTS_MAX: usize = 32;

impl Choice for Phase {
    const WORDS: &'static [(&'static str, Phase)] =
        &[("connection", Phase::Connection), ("request", Phase::Request), ("response", Phase::Response)];
}

impl Choice for RuleMode {
    const WORDS: &'static [(&'static str, RuleMode)] =
        &[("enforce", RuleMode::Enforce), ("monitor", RuleMode::Monitor), ("off", RuleMode::Off)];
}

/// `[[rule]]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRule {
    /// The name in logs and metrics.
    name: At<Text>,
    /// When it is asked: `connection`, `request` (the default) or `response`.
    phase: Option<At<Word<Phase>>>,
    /// The sites it is for, by the host in their header; all when absent.
    sites: Option<At<Vec<At<Text>>>>,
    /// Which requests it is for, as an expression; all when absent.
    when: Option<At<Text>>,
    /// What is done, such as `{ deny = 403 }`: any number of effects and at most one of `deny`, `redirect`, `challenge` and `allow`.
    // In a box, because it is large and there may be many.
    #[serde(rename = "do")]
    action: At<Box<RawDo>>,
    /// Whether it is carried out: `enforce` (the default), `monitor` (only counted and logged) or `off`.
    mode: Option<At<Word<RuleMode>>>,
}

/// Checks all rules.
pub(crate) fn lower(sections: &[Section<RawRule>], known: &Known, check: &mut Check<'_>) -> Option<Vec<Rule>> {
    let within = at_most(sections, RULES_MAX, "rules", check);
    let rules: Vec<_> = sections
        .iter()
        .take(RULES_MAX)
        .map(|section| {
            check.file = section.file;
            let place = check.place(section.head.start);
            section.raw.as_ref()?.lower(place?, known, check)
        })
        .collect();
    within?;
    rules.into_iter().collect()
}

impl RawRule {
    fn lower(&self, place: Place, known: &Known, check: &mut Check<'_>) -> Option<Rule> {
        let name = check.value(&self.name, name);
        let phase = check.word(self.phase.as_ref(), Phase::Request);
        // What a phase that is wrong would know cannot be said, so nothing is called too early.
        let asked = phase.unwrap_or(Phase::Response);
        let sites = match &self.sites {
            Some(written) if phase == Some(Phase::Connection) => {
                let wrong = Wrong::new("a connection has no site yet");
                check.note(written.span(), wrong.advice("leave `sites` out, or ask in the request phase"));
                None
            }
            written => site::among(written.as_ref(), "rule", known, check),
        };
        let when = check.condition_or_all(self.when.as_ref(), asked);
        let action = self.action.value.lower(self.action.span(), phase, known, check);
        let mode = check.word(self.mode.as_ref(), RuleMode::Enforce);
        let (effects, answer) = action?;
        let text = self.when.as_ref().map(|when| when.value.as_ref().to_owned());
        Some(Rule { name: name?, phase: phase?, sites: sites?, when: when?, text, effects, answer, mode: mode?, place })
    }
}
