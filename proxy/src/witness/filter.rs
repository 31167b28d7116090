//! The filter of a tail: an expression of the rules' language, asked in the response phase. Its names are those of a config, so it
//! is read anew when the config changes; the reading before is kept for the requests that still belong to it.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use selvedge_filters::rule::Program;

/// An expression and what it means in the plans `P` of this moment.
#[derive(Debug)]
pub struct Filter<P> {
    text: String,
    readings: ArcSwap<Readings<P>>,
}

#[derive(Debug)]
struct Readings<P> {
    now: Arc<Reading<P>>,
    before: Option<Arc<Reading<P>>>,
}

#[derive(Debug)]
struct Reading<P> {
    /// With whose names it was read. Holds the place of the plan in memory, not the plan, so no other plan is taken for it.
    plan: Weak<P>,
    program: Program,
}

impl<P> Reading<P> {
    fn is_of(&self, plan: &Arc<P>) -> bool {
        std::ptr::eq(self.plan.as_ptr(), Arc::as_ptr(plan))
    }
}

impl<P> Filter<P> {
    /// The filter of an expression that was read with the names of a plan.
    pub fn new(text: String, plan: &Arc<P>, program: Program) -> Filter<P> {
        let now = Arc::new(Reading { plan: Arc::downgrade(plan), program });
        Filter { text, readings: ArcSwap::from_pointee(Readings { now, before: None }) }
    }

    /// The expression as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it was read with the names of this plan last.
    pub fn is_of(&self, plan: &Arc<P>) -> bool {
        self.readings.load().now.is_of(plan)
    }

    /// Takes it as it was read with the names of the plan that is now in force.
    pub fn renew(&self, plan: &Arc<P>, program: Program) {
        let now = Arc::new(Reading { plan: Arc::downgrade(plan), program });
        let before = Some(Arc::clone(&self.readings.load().now));
        self.readings.store(Arc::new(Readings { now, before }));
    }

    /// Whether a request that this plan serves passes; none when it was not read with that plan's names.
    pub(super) fn passes(&self, plan: &Arc<P>, holds: impl Fn(&Program) -> bool) -> Option<bool> {
        let readings = self.readings.load();
        let mut both = std::iter::once(&readings.now).chain(&readings.before);
        both.find(|reading| reading.is_of(plan)).map(|reading| holds(&reading.program))
    }
}
