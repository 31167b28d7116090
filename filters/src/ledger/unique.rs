//! A unique: how many different values of something there were, by key.

use selvedge_conf::expr::Phase;
use selvedge_conf::{Scope, Unique as Facts};
use selvedge_state::{Key, Rung, Store, TableFull, UniquesId, UniquesSpec};

use crate::form::{self, FormNeed};
use crate::key::KeyShape;
use crate::rule::{Context, KeyBytes, Program};
use crate::site::SiteId;

/// One unique, compiled, its table made.
#[derive(Debug)]
pub(super) struct Unique {
    phase: Phase,
    /// Sorted; empty means all.
    sites: Vec<usize>,
    when: Option<Program>,
    of: Program,
    key: KeyShape,
    /// Whether what it counts, or by what key, is read from a form.
    reads_form: bool,
    id: UniquesId,
}

impl Unique {
    /// # Errors
    /// [`TableFull`] when the store has no room for another table.
    pub(super) fn new(facts: &Facts, store: &Store) -> Result<Unique, TableFull> {
        let key = KeyShape::new(&facts.key);
        let id = store.uniques(&UniquesSpec {
            uid: format!("unique/{}", facts.name),
            // What is told apart belongs to the identity: estimates of different things do not join.
            shape: format!("{} by {}", facts.of_text, key.name()),
            slot: Rung::eighth_of(facts.window),
            replicated: facts.scope == Scope::Global,
        })?;
        let mut sites = facts.sites.clone();
        sites.sort_unstable();
        let when = facts.when.as_ref().map(Program::compile);
        let reads_form = facts.of.reads_form() || form::keyed(&facts.key);
        Ok(Unique { phase: facts.phase, sites, when, of: Program::compile(&facts.of), key, reads_form, id })
    }

    pub(super) fn id(&self) -> UniquesId {
        self.id
    }

    pub(super) fn shape(&self) -> &KeyShape {
        &self.key
    }

    pub(super) fn key(&self, context: &Context<'_>) -> Key {
        self.key.hash(context)
    }

    /// What is told apart; `None` when it is absent or empty, which counts as nothing.
    pub(super) fn element<'v>(&'v self, context: &'v Context<'_>) -> Option<KeyBytes<'v>> {
        self.of.value(context).map(|value| value.key()).filter(|element| !element.as_slice().is_empty())
    }

    /// Whether it counts in a phase of itself.
    pub(super) fn counts_in(&self, phase: Phase) -> bool {
        self.phase == phase && self.when.is_some()
    }

    /// Whether it counts this.
    pub(super) fn is_due(&self, phase: Phase, site: SiteId, context: &Context<'_>) -> bool {
        let here = self.sites.is_empty() || self.sites.binary_search(&site.0).is_ok();
        let due = self.phase == phase && here && self.when.as_ref().is_some_and(|when| when.holds(context));
        if due && self.reads_form {
            context.need_form(FormNeed::Fields);
        }
        due
    }
}
