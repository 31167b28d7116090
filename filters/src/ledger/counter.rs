//! A counter: how often something happened, by key.

use selvedge_conf::expr::Phase;
use selvedge_conf::{Counter as Facts, Scope};
use selvedge_state::{Key, Rung, Store, TableFull, TableId, TableSpec};

use crate::form::{self, FormNeed};
use crate::key::KeyShape;
use crate::rule::{Context, Program};
use crate::site::SiteId;

/// One counter, compiled, its table made.
#[derive(Debug)]
pub(super) struct Counter {
    phase: Phase,
    /// Sorted; empty means all.
    sites: Vec<usize>,
    when: Option<Program>,
    key: KeyShape,
    /// Whether its key is read from a form.
    reads_form: bool,
    table: TableId,
}

impl Counter {
    /// # Errors
    /// [`TableFull`] when the store has no room for another table.
    pub(super) fn new(facts: &Facts, store: &Store) -> Result<Counter, TableFull> {
        let key = KeyShape::new(&facts.key);
        let (fine, coarse) = Rung::for_looks(facts.window);
        let table = store.table(&TableSpec {
            // Limits have no slash in their names, so the two never meet.
            uid: format!("counter/{}", facts.name),
            shape: key.name().to_owned(),
            fine,
            coarse,
            replicated: facts.scope == Scope::Global,
        })?;
        let mut sites = facts.sites.clone();
        sites.sort_unstable();
        let when = facts.when.as_ref().map(Program::compile);
        Ok(Counter { phase: facts.phase, sites, when, reads_form: form::keyed(&facts.key), key, table })
    }

    pub(super) fn table(&self) -> TableId {
        self.table
    }

    pub(super) fn shape(&self) -> &KeyShape {
        &self.key
    }

    pub(super) fn key(&self, context: &Context<'_>) -> Key {
        self.key.hash(context)
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
