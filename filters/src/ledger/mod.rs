//! What is counted and listed, by the names of the config: each limit, counter, unique and list with its table in the store.
//!
//! Expressions read it ([`Reads`]); requests are counted in it. A request-phase counter counts every request that has a site and is
//! not banned, whatever becomes of it; it is asked for when the rules have been, and counted when nothing more is asked.

mod counter;
mod marks;
mod unique;

use std::time::Duration;

use ipnet::IpNet;
use selvedge_conf::Config;
use selvedge_conf::expr::{Counted, Phase};
use selvedge_state::{Key, ListId, Store, TableFull, TableId, Time};

use self::counter::Counter;
pub(crate) use self::marks::Marks;
use self::unique::Unique;
use crate::ban::Subject;
use crate::explain::Note;
use crate::hand::Hand;
use crate::key::KeyShape;
use crate::limit::{Limit, LimitId};
use crate::rule::{Context, Reads, Value};
use crate::ruleset::Pending;
use crate::site::SiteId;

/// The tables of one config, in the order of its sections.
#[derive(Debug)]
pub(crate) struct Ledger {
    limits: Vec<Limit>,
    counters: Vec<Counter>,
    uniques: Vec<Unique>,
    lists: Vec<ListId>,
}

/// Which counters and uniques count a request or response.
#[derive(Debug, Default)]
pub(crate) struct Due {
    counters: Marks,
    uniques: Marks,
}

impl Ledger {
    /// Finds or makes all tables.
    ///
    /// # Errors
    /// [`TableFull`] when the store has no room for another table.
    pub(crate) fn new(config: &Config, store: &Store) -> Result<Ledger, TableFull> {
        let limit = |(at, facts)| Limit::new(LimitId(at), facts, store);
        Ok(Ledger {
            limits: config.limits.iter().enumerate().map(limit).collect::<Result<_, _>>()?,
            counters: config.counters.iter().map(|facts| Counter::new(facts, store)).collect::<Result<_, _>>()?,
            uniques: config.uniques.iter().map(|facts| Unique::new(facts, store)).collect::<Result<_, _>>()?,
            lists: config.lists.iter().map(|facts| store.list(&facts.name)).collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn limits(&self) -> &[Limit] {
        &self.limits
    }

    pub(crate) fn list(&self, at: usize) -> Option<ListId> {
        self.lists.get(at).copied()
    }

    /// A counter's table, and the key that these values make, if there are any.
    pub(crate) fn counter(
        &self,
        at: usize,
        values: &[String],
        store: &Store,
    ) -> Result<(TableId, Option<Key>), String> {
        let counter = self.counters.get(at).ok_or("there is no such counter")?;
        let key = if values.is_empty() { None } else { Some(counter.shape().hash_of(values, store)?) };
        Ok((counter.table(), key))
    }

    /// Whether anything is counted in a phase without a rule's say.
    pub(crate) fn counts_in(&self, phase: Phase) -> bool {
        self.counters.iter().any(|counter| counter.counts_in(phase))
            || self.uniques.iter().any(|unique| unique.counts_in(phase))
    }

    /// Where and by which key a rule counts this in a counter.
    pub(crate) fn count(&self, counter: usize, context: &Context<'_>) -> Option<Pending<'static>> {
        let counter = self.counters.get(counter)?;
        Some(Pending::Count(counter.table(), counter.key(context)))
    }

    /// What a rule counts in a unique; `None` when there is nothing to tell apart.
    pub(crate) fn sight(&self, unique: usize, context: &Context<'_>) -> Option<Pending<'static>> {
        let unique = self.uniques.get(unique)?;
        let element = unique.element(context)?;
        Some(Pending::Unique(unique.id(), unique.key(context), element.as_slice().into()))
    }

    /// Which limits are for a request.
    pub(crate) fn limits_for(&self, site: SiteId, context: &Context<'_>) -> Marks {
        Marks::of(&self.limits, |limit| limit.applies(site, context))
    }

    /// Which counters and uniques of a phase count this.
    pub(crate) fn due(&self, phase: Phase, site: SiteId, context: &Context<'_>) -> Due {
        Due {
            counters: Marks::of(&self.counters, |counter| counter.is_due(phase, site, context)),
            uniques: Marks::of(&self.uniques, |unique| unique.is_due(phase, site, context)),
        }
    }

    /// Counts what is due.
    pub(crate) fn count_due(&self, due: &Due, context: &Context<'_>, hand: &mut impl Hand) {
        for (at, counter) in due.counters.among(&self.counters) {
            hand.note(|| Note::Counter(at));
            hand.add(context.store, (counter.table(), counter.key(context)), 1, context.now);
        }
        for (at, unique) in due.uniques.among(&self.uniques) {
            if let Some(element) = unique.element(context) {
                hand.note(|| Note::Unique(at));
                hand.observe(context.store, (unique.id(), unique.key(context)), element.as_slice(), context.now);
            }
        }
    }

    /// Makes it so that a counter or a limit has just counted so many for a key.
    ///
    /// # Errors
    /// In words, when the key does not fit.
    pub(crate) fn give_count(
        &self,
        what: Counted,
        key: &[String],
        n: u32,
        store: &Store,
        now: Time,
    ) -> Result<(), String> {
        let none = "nothing of this number is counted";
        let key = self.shape(what).ok_or(none)?.hash_of(key, store)?;
        let (table, key) = self.counted_at(what, key, store, now).ok_or(none)?;
        store.add(table, key, n, now);
        Ok(())
    }

    /// Makes it so that a unique has just seen so many different values for a key.
    ///
    /// # Errors
    /// In words, when the key does not fit.
    pub(crate) fn give_uniques(
        &self,
        unique: usize,
        key: &[String],
        n: u32,
        store: &Store,
        now: Time,
    ) -> Result<(), String> {
        let unique = self.uniques.get(unique).ok_or("there is no unique of this number")?;
        let key = unique.shape().hash_of(key, store)?;
        (0..n).for_each(|element| store.observe(unique.id(), key, format!("given {element}").as_bytes(), now));
        Ok(())
    }

    /// What the keys of a counter or a limit are made of.
    fn shape(&self, what: Counted) -> Option<&KeyShape> {
        match what {
            Counted::Counter(at) => self.counters.get(at).map(Counter::shape),
            Counted::Limit(at) => self.limits.get(at).map(Limit::shape),
        }
    }

    /// Where a key is counted, and by which name.
    fn counted_at(&self, what: Counted, key: Key, store: &Store, now: Time) -> Option<(TableId, Key)> {
        match what {
            Counted::Counter(at) => self.counters.get(at).map(|counter| (counter.table(), key)),
            Counted::Limit(at) => self.limits.get(at)?.counted_at(key, store, now),
        }
    }
}

/// The key of these values, or the request's own.
fn key_of(shape: &KeyShape, values: Option<&[Value<'_>]>, context: &Context<'_>) -> Key {
    match values {
        Some(values) => shape.hash_values(values, context.store),
        None => shape.hash(context),
    }
}

fn millis(window: Duration) -> u64 {
    u64::try_from(window.as_millis()).unwrap_or(u64::MAX)
}

impl Reads for Ledger {
    fn count(&self, what: Counted, key: Option<&[Value<'_>]>, window: Duration, context: &Context<'_>) -> u64 {
        let Some(key) = self.shape(what).map(|shape| key_of(shape, key, context)) else { return 0 };
        let counted = self.counted_at(what, key, context.store, context.now);
        counted.map_or(0, |(table, key)| context.store.count(table, key, millis(window), context.now))
    }

    fn uniques(&self, unique: usize, key: Option<&[Value<'_>]>, window: Duration, context: &Context<'_>) -> u64 {
        let Some(unique) = self.uniques.get(unique) else { return 0 };
        let key = key_of(unique.shape(), key, context);
        context.store.distinct(unique.id(), key, millis(window), context.now)
    }

    fn exceeded(&self, limit: usize, context: &Context<'_>) -> bool {
        self.limits.get(limit).is_some_and(|limit| limit.would_refuse(context))
    }

    fn banned(&self, net: IpNet, context: &Context<'_>) -> bool {
        context.store.banned(Subject::of(net.trunc()).as_str(), context.now).is_some()
    }

    fn listed(&self, list: usize, element: &str, context: &Context<'_>) -> Option<bool> {
        context.store.listed(self.list(list)?, element, context.now)
    }

    fn has_listed(&self, list: usize, context: &Context<'_>) -> bool {
        self.list(list).is_some_and(|list| context.store.has_listed(list))
    }
}
