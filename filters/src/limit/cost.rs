//! What a request costs. Where its response tells, an estimate is taken first, and settled when the response is there.

use selvedge_conf::{COST_MAX, Limit as Facts};

use crate::rule::{Context, Program, Value};

/// What the requests cost that one limit is for.
#[derive(Debug)]
pub(crate) struct Cost {
    program: Option<Program>,
    /// What is taken before the response is there, where that tells.
    reserve: Option<u32>,
}

impl Cost {
    /// Of a limit.
    pub(super) fn new(facts: &Facts) -> Cost {
        Cost { program: facts.cost.as_ref().map(Program::compile), reserve: facts.reserve }
    }

    /// Whether the response tells.
    pub(super) fn is_known_late(&self) -> bool {
        self.reserve.is_some()
    }

    /// What is taken for a request.
    pub(super) fn taken(&self, context: &Context<'_>) -> u32 {
        self.reserve.unwrap_or_else(|| self.value(context))
    }

    /// What it costs: 1 where nothing says so, or what says so has no value or one below 0.
    pub(super) fn value(&self, context: &Context<'_>) -> u32 {
        match self.program.as_ref().and_then(|program| program.value(context)) {
            Some(Value::Int(cost)) if cost >= 0 => u32::try_from(cost).unwrap_or(COST_MAX).min(COST_MAX),
            _ => 1,
        }
    }
}
