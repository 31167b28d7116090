//! One evaluation: its context, its scratch memory, and what the macros around the current place have bound.

use std::cell::{Cell, OnceCell};

use bumpalo::Bump;
use selvedge_conf::expr::SLOTS_MAX;

use super::context::Context;
use super::datum::Datum;
use super::scratch::Scratch;
use super::value::Value;

/// The most elements that a macro visits, with those in it: sixteen times what the largest request brings, so that only macros one
/// in another get there. Beyond it, the outermost is absent unless it is decided.
pub const STEPS_MAX: usize = 1 << 20;

/// Whether an expression binds variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binds {
    Nothing,
    Variables,
}

/// The state of one evaluation. `'v` is how long its values live, `'a` what the context borrows.
pub(super) struct Eval<'v, 'a> {
    pub(super) context: &'v Context<'a>,
    pub(super) scratch: Scratch<'v>,
    slots: &'v [Cell<Datum<'v>>],
    /// Macros around the current place.
    depth: Cell<usize>,
    /// Elements visited since the outermost of them began.
    steps: Cell<usize>,
}

impl<'v, 'a> Eval<'v, 'a> {
    pub(super) fn new(context: &'v Context<'a>, arena: &'v OnceCell<Bump>, binds: Binds) -> Eval<'v, 'a> {
        let scratch = Scratch::new(arena, &context.memo.spare);
        let slots = match (binds, scratch) {
            (Binds::Nothing, _) => None,
            (Binds::Variables, scratch) => scratch.room(),
        };
        let unbound = |_| Cell::new(Datum::Scalar(Value::Bool(false)));
        let slots = slots.map_or(&[][..], |arena| arena.alloc_slice_fill_with(SLOTS_MAX, unbound));
        Eval { context, scratch, slots, depth: Cell::new(0), steps: Cell::new(0) }
    }

    /// What a macro bound.
    pub(super) fn variable(&self, slot: usize) -> Option<Datum<'v>> {
        self.slots.get(slot).map(Cell::get)
    }

    /// Runs a macro, within those that run already.
    pub(super) fn nest<T>(&self, run: impl FnOnce() -> T) -> T {
        let depth = self.depth.get();
        if depth == 0 {
            self.steps.set(0);
        }
        self.depth.set(depth + 1);
        let result = run();
        self.depth.set(depth);
        result
    }

    /// One element more; absent beyond [`STEPS_MAX`].
    pub(super) fn step(&self) -> Option<()> {
        self.steps.set(self.steps.get() + 1);
        if self.is_spent() { None } else { Some(()) }
    }

    /// Whether there were more elements than may be.
    pub(super) fn is_spent(&self) -> bool {
        self.steps.get() > STEPS_MAX
    }

    pub(super) fn bind(&self, slot: usize, value: Datum<'v>) {
        if let Some(cell) = self.slots.get(slot) {
            cell.set(value);
        }
    }
}
