//! An explanation: the notes of one decision, put in the order of the config, with a reason for all that was not asked.

use std::time::Duration;

use selvedge_conf::expr::Phase;
use selvedge_conf::{Config, Rule, RuleMode, Tier};

use super::Note;
use crate::decision::{ConnectionDecision, Decision, Quota, ResponseDecision, Verdict};
use crate::limit::{LimitId, Outcome};
use crate::ruleset::{Asked, RuleId, Undone};
use crate::site::SiteId;

/// What would come of a request, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The site that serves its host.
    pub site: Option<SiteId>,
    /// What would be decided about the client's connection.
    pub connection: ConnectionDecision,
    /// What would be decided about the request.
    pub decision: Decision,
    /// What would be decided about the response, when one was given and the request got that far.
    pub response: Option<ResponseDecision>,
    /// Each rule of the config, in file order.
    pub rules: Vec<RuleRecord>,
    /// Each limit of the config, in file order.
    pub limits: Vec<LimitRecord>,
    /// The counters that would count it, by their places in the config; those that rules count are among the rules' effects.
    pub counters: Vec<usize>,
    /// The uniques that would see it, likewise.
    pub uniques: Vec<usize>,
}

/// What came of one rule.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleRecord {
    /// Which: the config has its name, place, phase and mode.
    pub rule: RuleId,
    /// Whether it matched, and why not.
    pub outcome: RuleOutcome,
    /// Its effects in order, when it matched and is enforced.
    pub effects: Vec<EffectRecord>,
    /// Where it redirects to, when it matched and does.
    pub location: Option<String>,
}

/// Whether a rule matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleOutcome {
    /// It matched, and what it says was done.
    Matched,
    /// It matched in monitor mode, and nothing followed.
    WouldMatch,
    /// Its condition does not hold.
    NotMatched,
    /// Its condition was not asked: a look-up showed that it does not hold.
    NotCandidate,
    /// It is for other sites.
    OtherSite,
    /// It is off.
    Off,
    /// It was not reached.
    NotReached(Reason),
}

/// Why something was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A rule answered, or allowed.
    Rule(RuleId),
    /// A limit refused.
    Limit(LimitId),
    /// The client is banned.
    Banned,
    /// No site serves the host.
    NoSite,
    /// No response was given.
    NoResponse,
    /// The form that a rule or a limit has to see is too long.
    FormTooLong,
}

/// What came of one effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectRecord {
    /// It was done; with the text made of its expression, if it has one.
    Done(Option<String>),
    /// It was left undone.
    Undone(Undone),
}

/// What came of one limit.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitRecord {
    /// Which.
    pub limit: LimitId,
    /// The first bucket that this request was held against, which may be its key's own, and its backlog before it, in requests.
    pub bucket: Option<(Tier, f64)>,
    /// What it said.
    pub outcome: LimitOutcome,
}

/// What a limit said.
#[derive(Debug, Clone, PartialEq)]
pub enum LimitOutcome {
    /// It is for other sites, or its condition does not hold.
    NotApplicable,
    /// It lets the request through, after it has waited for so long.
    Admits(Quota, Duration),
    /// It is not for this key.
    Unlimited,
    /// It has no room, and lets the request through with its tag.
    Tags,
    /// It refuses because a part of its key is missing.
    Unkeyed,
    /// It refuses the request.
    Refuses(Quota),
    /// It would refuse, but is in monitor mode.
    WouldRefuse,
    /// It refuses because peers cannot be heard.
    Partitioned,
    /// Its table has no room for the key, and the request goes on uncounted.
    Uncounted,
    /// It was not reached.
    NotReached(Reason),
}

impl Explanation {
    /// Puts notes in the order of the config.
    pub(crate) fn new(
        config: &Config,
        site: Option<SiteId>,
        decided: (ConnectionDecision, Decision, Option<ResponseDecision>),
        notes: Vec<Note>,
    ) -> Explanation {
        let (connection, decision, response) = decided;
        let ended = |note: &Note| match note {
            Note::Ended(rule) => Some(*rule),
            _ => None,
        };
        let ended_by = notes.iter().find_map(ended);
        let before =
            Before { connection: &connection, decision: &decision, response: response.is_some(), ended_by, site };
        let rules = config.rules.iter().enumerate().map(|(at, rule)| before.rule(RuleId(at), rule)).collect();
        let limits = (0..config.limits.len()).map(|at| before.limit(LimitId(at))).collect();
        let (counters, uniques) = (Vec::new(), Vec::new());
        let mut whole = Explanation { site, connection, decision, response, rules, limits, counters, uniques };
        notes.into_iter().for_each(|note| whole.take(note));
        whole
    }

    fn take(&mut self, note: Note) {
        match note {
            Note::Rule(rule, asked) => self.rule(rule, |record| record.outcome = RuleOutcome::of(asked)),
            Note::Effect(rule, Ok(made)) => self.rule(rule, |record| record.effects.push(EffectRecord::Done(made))),
            Note::Effect(rule, Err(why)) => self.rule(rule, |record| record.effects.push(EffectRecord::Undone(why))),
            Note::NoRoom(place) => self.rule(place.rule, |record| {
                let undone = |effect: &mut EffectRecord| *effect = EffectRecord::Undone(Undone::NoRoom);
                record.effects.get_mut(place.effect).map(undone).unwrap_or_default();
            }),
            Note::Location(rule, location) => self.rule(rule, |record| record.location = location),
            Note::Ended(_) => {}
            Note::Bucket(limit, bucket, level) => self.limit(limit, |record| record.bucket = Some((bucket, level))),
            Note::Limit(limit, outcome) => self.limit(limit, |record| record.outcome = LimitOutcome::of(outcome)),
            Note::Counter(at) => self.counters.push(at),
            Note::Unique(at) => self.uniques.push(at),
        }
    }

    fn rule(&mut self, rule: RuleId, change: impl FnOnce(&mut RuleRecord)) {
        self.rules.get_mut(rule.0).map(change).unwrap_or_default();
    }

    fn limit(&mut self, limit: LimitId, change: impl FnOnce(&mut LimitRecord)) {
        self.limits.get_mut(limit.0).map(change).unwrap_or_default();
    }
}

impl RuleOutcome {
    fn of(asked: Asked) -> RuleOutcome {
        match asked {
            Asked::Matched => RuleOutcome::Matched,
            Asked::WouldMatch => RuleOutcome::WouldMatch,
            Asked::NotMatched => RuleOutcome::NotMatched,
            Asked::OtherSite => RuleOutcome::OtherSite,
        }
    }
}

impl LimitOutcome {
    fn of(outcome: Outcome) -> LimitOutcome {
        match outcome {
            Outcome::Admitted { quota, wait } => LimitOutcome::Admits(quota, wait),
            Outcome::Unlimited => LimitOutcome::Unlimited,
            Outcome::Tagged => LimitOutcome::Tags,
            Outcome::Unkeyed => LimitOutcome::Unkeyed,
            Outcome::Refused { quota, .. } => LimitOutcome::Refuses(quota),
            Outcome::WouldRefuse => LimitOutcome::WouldRefuse,
            Outcome::Partitioned => LimitOutcome::Partitioned,
            Outcome::Uncounted => LimitOutcome::Uncounted,
        }
    }
}

/// What is known of a rule or a limit that no note mentions.
struct Before<'a> {
    connection: &'a ConnectionDecision,
    decision: &'a Decision,
    response: bool,
    /// The rule of the request phase that answered or allowed.
    ended_by: Option<RuleId>,
    site: Option<SiteId>,
}

impl Before<'_> {
    fn rule(&self, rule: RuleId, facts: &Rule) -> RuleRecord {
        let elsewhere =
            |facts: &Rule| !facts.sites.is_empty() && !self.site.is_some_and(|site| facts.sites.contains(&site.0));
        let outcome = match self.stopped(rule, facts.phase) {
            _ if facts.mode == RuleMode::Off => RuleOutcome::Off,
            Some(reason) => RuleOutcome::NotReached(reason),
            None if elsewhere(facts) => RuleOutcome::OtherSite,
            None => RuleOutcome::NotCandidate,
        };
        RuleRecord { rule, outcome, effects: Vec::new(), location: None }
    }

    fn limit(&self, limit: LimitId) -> LimitRecord {
        let outcome = match self.stopped_request().or(self.ended_by.map(Reason::Rule)) {
            Some(reason) => LimitOutcome::NotReached(reason),
            None => match self.decision.verdict {
                Verdict::Limited { quota: Quota { limit: by, .. }, .. }
                | Verdict::Partitioned { limit: by, .. }
                | Verdict::Unkeyed { limit: by, .. }
                    if by < limit =>
                {
                    LimitOutcome::NotReached(Reason::Limit(by))
                }
                Verdict::FormTooLong { .. } => LimitOutcome::NotReached(Reason::FormTooLong),
                _ => LimitOutcome::NotApplicable,
            },
        };
        LimitRecord { limit, bucket: None, outcome }
    }

    /// What stopped the evaluation before a rule.
    fn stopped(&self, rule: RuleId, phase: Phase) -> Option<Reason> {
        let closed = self.connection.closed_by;
        match phase {
            Phase::Connection => closed.filter(|by| *by < rule).map(Reason::Rule),
            Phase::Request => {
                self.stopped_request().or_else(|| self.ended_by.filter(|by| *by < rule).map(Reason::Rule))
            }
            Phase::Response if self.site.is_none() => Some(Reason::NoSite),
            Phase::Response => (!self.response).then_some(Reason::NoResponse),
        }
    }

    /// What stopped the evaluation before the rules of the request phase. A closed connection does not: a request that comes over
    /// another one would be decided so.
    fn stopped_request(&self) -> Option<Reason> {
        match self.decision.verdict {
            Verdict::Banned { .. } => Some(Reason::Banned),
            Verdict::NoSite => Some(Reason::NoSite),
            _ => None,
        }
    }
}
