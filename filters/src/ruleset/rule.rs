//! One rule, compiled: a condition, what follows from it, and at most one answer.

use selvedge_conf::{Config, Reply, Rule as Facts, RuleMode};

use super::effect::{Effect, valid};
use super::terms::{Answers, Terms, When};
use super::{Asked, EffectPlace, Findings, RuleId};
use crate::explain::Note;
use crate::hand::Hand;
use crate::ledger::Ledger;
use crate::rule::{Context, Program};
use crate::site::SiteId;

/// What is asked of a request.
#[derive(Debug)]
pub(super) struct Gate {
    when: When,
    /// Sorted; empty means all.
    sites: Box<[usize]>,
    pub(super) id: RuleId,
    monitor: bool,
}

/// What rules are asked about.
#[derive(Debug)]
pub(super) struct Asking<'c, 'a> {
    pub(super) site: Option<SiteId>,
    pub(super) context: &'c Context<'a>,
    pub(super) terms: &'c Terms,
    pub(super) answers: Answers,
}

/// What follows when it holds.
#[derive(Debug)]
pub(super) struct Rule {
    effects: Box<[Effect]>,
    answer: Option<Answer>,
}

/// What it answers.
#[derive(Debug)]
enum Answer {
    Deny(u16),
    Redirect(u16, Program),
    Challenge(u8),
    Allow,
}

/// What the client is answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answered {
    /// This status.
    Denied(RuleId, u16),
    /// This status and place.
    Redirected(RuleId, u16, String),
    /// A puzzle of so many bits.
    Challenged(RuleId, u8),
    /// Nothing, and no further rule or limit is asked.
    Allowed(RuleId),
}

impl Answered {
    /// Whether the edge answers by itself.
    pub(crate) fn refuses(&self) -> bool {
        !matches!(self, Answered::Allowed(_))
    }

    /// Which rule it was.
    pub(crate) fn rule(&self) -> RuleId {
        match self {
            Answered::Denied(rule, _)
            | Answered::Redirected(rule, _, _)
            | Answered::Challenged(rule, _)
            | Answered::Allowed(rule) => *rule,
        }
    }
}

impl Gate {
    pub(super) fn new(id: RuleId, facts: &Facts, when: When) -> Gate {
        let mut sites = facts.sites.clone();
        sites.sort_unstable();
        Gate { when, sites: sites.into(), id, monitor: facts.mode == RuleMode::Monitor }
    }

    /// Whether it matches.
    pub(super) fn ask(&self, asking: &Asking<'_, '_>) -> Asked {
        if !self.sites.is_empty() && asking.site.is_none_or(|site| self.sites.binary_search(&site.0).is_err()) {
            return Asked::OtherSite;
        }
        let holds = || self.when.holds(asking.terms, &asking.answers, asking.context);
        match asking.context.asked_by(!self.monitor, holds) {
            false => Asked::NotMatched,
            true if self.monitor => Asked::WouldMatch,
            true => Asked::Matched,
        }
    }
}

impl Rule {
    pub(super) fn new(facts: &Facts, config: &Config) -> Rule {
        Rule {
            effects: facts.effects.iter().filter_map(|effect| Effect::new(effect, facts, config)).collect(),
            answer: facts.answer.as_ref().map(|answer| match answer {
                Reply::Deny(status) => Answer::Deny(*status),
                Reply::Redirect(status, to) => Answer::Redirect(*status, Program::compile(to)),
                Reply::Challenge(bits) => Answer::Challenge(*bits),
                Reply::Allow => Answer::Allow,
            }),
        }
    }

    /// What follows when it matches.
    pub(super) fn follow<'a>(
        &'a self,
        id: RuleId,
        context: &Context<'a>,
        ledger: &Ledger,
        findings: &mut Findings<'a>,
        hand: &mut impl Hand,
    ) -> Option<Answered> {
        findings.fired.push(id);
        for (place, effect) in self.effects.iter().enumerate() {
            let place = EffectPlace { rule: id, effect: place };
            let effected = effect.follow(place, context, ledger, findings);
            if effected.is_err() {
                findings.undone.push(id);
            }
            hand.note(|| Note::Effect(id, effected.map(|()| effect.made(findings))));
        }
        match self.answer.as_ref()? {
            Answer::Deny(status) => Some(Answered::Denied(id, *status)),
            Answer::Challenge(bits) => {
                let is_needed = context.passed().is_none_or(|passed| passed < *bits);
                is_needed.then_some(Answered::Challenged(id, *bits))
            }
            Answer::Allow => Some(Answered::Allowed(id)),
            Answer::Redirect(status, to) => {
                let to = to.text(context).filter(|to| !to.is_empty() && valid(to).is_some());
                hand.note(|| Note::Location(id, to.map(str::to_owned)));
                if to.is_none() {
                    findings.undone.push(id);
                }
                Some(Answered::Redirected(id, *status, to?.to_owned()))
            }
        }
    }
}
