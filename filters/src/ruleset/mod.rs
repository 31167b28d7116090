//! Rules: which match, what follows from each, and which one answers.
//!
//! In goes a context (a request, perhaps its response), out come the [`Findings`] and at most one answer. The rules of a phase are
//! taken in file order, but only those that the [`index`] leaves as candidates; the first answer ends them. What several of them
//! ask is answered once ([`terms`]). A rule sees the request
//! as the client sent it and the state as the request found it, whatever earlier rules change: only tags go from rule to rule.

mod effect;
mod findings;
pub(crate) mod index;
mod revoke;
mod rule;
mod session;
mod spelling;
mod terms;

use selvedge_conf::expr::Phase;
use selvedge_conf::{Config, Rule as Facts, RuleMode};

pub(crate) use self::findings::{EffectPlace, Findings, Pending};
use self::index::{Index, WORDS_MAX};
pub(crate) use self::rule::Answered;
use self::rule::{Asking, Gate, Rule};
use self::terms::{Answers, Terms};
use crate::explain::Note;
use crate::hand::Hand;
use crate::ledger::Ledger;
use crate::rule::Context;
use crate::site::SiteId;

pub use self::effect::Undone;

/// A rule's place in the config, in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub usize);

/// Whether rules are looked up, or all of them asked about everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indexing {
    /// Candidates are looked up by access atoms.
    On,
    /// Every rule is asked, which comes to the same and takes longer.
    Off,
}

/// The rules of one phase that are not off, in file order.
#[derive(Debug)]
pub(crate) struct Ruleset {
    /// What is asked of each rule, apart from what follows: most candidates do not match, so that is all that is looked at.
    gates: Vec<Gate>,
    /// What several of them ask.
    terms: Terms,
    rules: Vec<Rule>,
    index: Option<Index>,
}

impl Ruleset {
    pub(crate) fn new(config: &Config, phase: Phase, indexing: Indexing) -> Ruleset {
        let asked = |facts: &Facts| facts.phase == phase && facts.mode != RuleMode::Off;
        let facts = || config.rules.iter().enumerate().filter(|(_, facts)| asked(facts));
        let by_atoms = || Index::new(facts().map(|(_, facts)| (facts.when.as_ref(), facts.sites.as_slice())));
        let (terms, whens) = Terms::share(facts().map(|(_, facts)| facts.when.as_ref()));
        Ruleset {
            gates: facts().zip(whens).map(|((at, facts), when)| Gate::new(RuleId(at), facts, when)).collect(),
            terms,
            rules: facts().map(|(_, facts)| Rule::new(facts, config)).collect(),
            index: (indexing == Indexing::On).then(by_atoms),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules that are always asked.
    pub(crate) fn unindexed(&self) -> impl Iterator<Item = RuleId> {
        let always = |number| self.index.as_ref().is_none_or(|index| index.is_always(number));
        self.gates.iter().enumerate().filter(move |(number, _)| always(*number)).map(|(_, gate)| gate.id)
    }

    /// Asks the rules in file order until one answers.
    pub(crate) fn ask<'a>(
        &'a self,
        site: Option<SiteId>,
        context: &Context<'a>,
        ledger: &Ledger,
        findings: &mut Findings<'a>,
        hand: &mut impl Hand,
    ) -> Option<Answered> {
        if self.rules.is_empty() {
            return None;
        }
        let asking = Asking { site, context, terms: &self.terms, answers: Answers::new() };
        let Some(index) = &self.index else {
            return (0..self.gates.len()).find_map(|at| self.ask_one(at, &asking, ledger, findings, hand));
        };
        // Sets of a few sizes, so that small configs do not pay for clearing what only large ones need.
        let (mut few, mut some, mut many);
        let set: &mut [u64] = match self.rules.len() {
            0..=128 => {
                few = [0; 2];
                &mut few
            }
            129..=2048 => {
                some = [0; 32];
                &mut some
            }
            _ => {
                many = [0; WORDS_MAX];
                &mut many
            }
        };
        index.mark(site, context, set);
        for (at, mut word) in set.iter().copied().enumerate() {
            while word != 0 {
                let number = at * 64 + word.trailing_zeros() as usize;
                word &= word - 1;
                if let Some(answered) = self.ask_one(number, &asking, ledger, findings, hand) {
                    return Some(answered);
                }
            }
        }
        None
    }

    /// Asks one rule; what follows from it goes into the findings.
    fn ask_one<'a>(
        &'a self,
        number: usize,
        asking: &Asking<'_, 'a>,
        ledger: &Ledger,
        findings: &mut Findings<'a>,
        hand: &mut impl Hand,
    ) -> Option<Answered> {
        let gate = self.gates.get(number)?;
        let asked = gate.ask(asking);
        hand.note(|| Note::Rule(gate.id, asked));
        match asked {
            Asked::OtherSite | Asked::NotMatched => None,
            Asked::Matched => self.rules.get(number)?.follow(gate.id, asking.context, ledger, findings, hand),
            Asked::WouldMatch => {
                findings.monitored.push(gate.id);
                None
            }
        }
    }
}

/// What came of asking a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It is for other sites.
    OtherSite,
    /// Its condition does not hold.
    NotMatched,
    /// It does.
    Matched,
    /// It does, in monitor mode.
    WouldMatch,
}
