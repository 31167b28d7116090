//! What the rules of one phase found. Nothing is allocated until a rule matches.

use std::sync::Arc;

use selvedge_conf::{Named, Realm};
use selvedge_state::{Key, ListId, Store, TableId, Time, UniquesId};

use super::RuleId;
use crate::ban::Subject;
use crate::changes::Changes;
use crate::explain::Note;
use crate::hand::{Hand, Sentence, Settled};
use crate::rule::Context;

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings<'a> {
    pub(crate) changes: Changes,
    pub(crate) tags: Vec<Arc<str>>,
    pub(crate) fired: Vec<RuleId>,
    pub(crate) monitored: Vec<RuleId>,
    /// The rules that could not do all they say, once for each effect that was left undone.
    pub(crate) undone: Vec<RuleId>,
    /// What is to be written into the store once nothing more is asked, and which effect says so.
    pub(crate) pending: Vec<(EffectPlace, Pending<'a>)>,
}

/// Which effect of which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EffectPlace {
    pub(crate) rule: RuleId,
    /// In the order of the rule.
    pub(crate) effect: usize,
}

/// An effect on the state.
#[derive(Debug)]
pub(crate) enum Pending<'a> {
    /// The client's network is banned for so many ms, for this reason.
    Ban(u64, &'a str),
    /// An element of a list, present or not, for so many ms.
    List(ListId, String, bool, u64),
    /// What is revoked by a name.
    Revoke {
        what: Named,
        realm: &'a Realm,
        name: String,
        /// Until when anything of it may be valid, where that is known.
        until: Option<Time>,
    },
    /// Counted once.
    Count(TableId, Key),
    /// An element of a unique.
    Unique(UniquesId, Key, Box<[u8]>),
}

impl Findings<'_> {
    /// Tags the request, once.
    pub(super) fn tag<'t>(&mut self, tag: &'t Arc<str>, context: &Context<'t>) {
        let mut tags = context.tags.borrow_mut();
        if !tags.contains(&&**tag) {
            tags.push(tag);
            self.tags.push(Arc::clone(tag));
        }
    }

    /// Writes what is to be written.
    pub(crate) fn settle(&mut self, context: &Context<'_>, hand: &mut impl Hand) {
        let (store, now): (&Store, Time) = (context.store, context.now);
        for (place, pending) in &self.pending {
            let settled = match pending {
                Pending::Ban(length, reason) => {
                    let sentence = Sentence { until: now.plus(*length), level: 0, reason };
                    hand.ban(store, Subject::of(context.head.client_net()).as_str(), sentence, now)
                }
                Pending::List(list, element, present, length) => {
                    hand.list(store, (*list, element), *present, now.plus(*length), now)
                }
                Pending::Revoke { what, realm, name, until } => {
                    hand.revoke(store, (*what, realm, name), *until, now);
                    self.changes.session.named.push(*what);
                    Settled::Done
                }
                Pending::Count(table, key) => {
                    hand.add(store, (*table, *key), 1, now);
                    Settled::Done
                }
                Pending::Unique(uniques, key, element) => {
                    hand.observe(store, (*uniques, *key), element, now);
                    Settled::Done
                }
            };
            if settled == Settled::Refused {
                self.undone.push(place.rule);
                hand.note(|| Note::NoRoom(*place));
            }
        }
    }
}
