//! What happens at this POP right now, and what it refused lately: for operators who ask. In goes every request that is over
//! and every answer of the edge's own; out come live lines for those who [`Tail`] the edge, and [`Verdict`]s by request id.
//!
//! Nothing here decides or waits. While nobody tails, a request costs one relaxed load; a reader that is too slow loses lines and
//! is told how many. A verdict is written into memory that is reused, so that a flood of refusals costs no more than its answers.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod filter;
mod hub;
mod verdicts;

use std::sync::Arc;

use selvedge_conf::expr::Phase;
use selvedge_filters::rule::Program;

use crate::plan::Plan;

pub use filter::Filter;
pub use hub::{Hub, Missed, QUEUE, TAILS_MAX, Tail, TailError};
pub use verdicts::{ENTRY_MAX, Told, VERDICTS_MAX, Verdict, Verdicts, Why};

/// What one node remembers and shows of its requests.
#[derive(Debug, Default)]
pub struct Witness {
    /// Those who tail it.
    pub hub: Arc<Hub<Plan>>,
    /// What it refused lately.
    pub verdicts: Verdicts,
}

/// What the filter of a tail may take for one request, roughly, nanoseconds: it is asked on the request's own time.
pub const FILTER_COST_MAX: u64 = 100_000;

impl Witness {
    /// Reads the filters of all tails anew with the names of a plan that was just put in force.
    pub fn renew(&self, plan: &Arc<Plan>) {
        self.hub.renew(|filter| renew(filter, plan));
    }
}

/// Reads a filter with the names of a plan.
///
/// # Errors
/// In words, with the place underlined.
pub fn filter(text: &str, plan: &Arc<Plan>) -> Result<Filter<Plan>, String> {
    Ok(Filter::new(text.to_owned(), plan, program(text, plan)?))
}

/// Reads a filter anew, unless it was read with this plan's names last.
///
/// # Errors
/// In words: this plan does not understand it.
pub fn renew(filter: &Filter<Plan>, plan: &Arc<Plan>) -> Result<(), String> {
    if filter.is_of(plan) {
        return Ok(());
    }
    let cause = |error| format!("the config that was just loaded does not understand the filter:\n{error}");
    filter.renew(plan, program(filter.text(), plan).map_err(cause)?);
    Ok(())
}

fn program(text: &str, plan: &Plan) -> Result<Program, String> {
    let condition = plan.config.condition(text, Phase::Response).map_err(|report| report.to_string())?;
    if condition.reads_form() && !plan.filters.reads_form() {
        return Err("no rule of the running config reads forms, so their fields are not known here".to_owned());
    }
    let nanos = condition.cost().nanos;
    if nanos > FILTER_COST_MAX {
        return Err(format!(
            "this may take {} us for each request; the filter of a tail may take {} us",
            nanos / 1000,
            FILTER_COST_MAX / 1000
        ));
    }
    Ok(Program::compile(&condition))
}
