//! Requests that nobody sent: what would come of them ([`explain`]), and stories of them that a config tells of itself
//! ([`Test`](selvedge_conf::Test), run by [`run`]).
//!
//! In goes a config with its tables, or a live node's filters and store; out come reports. Nothing here decides anything: a request
//! is read by `edge`, and decided by the functions of the request path over a store. A story has a store and a clock of its own.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod carried;
mod coverage;
mod expected;
mod explain;
mod reply;
mod said;
mod stage;
mod story;

pub use coverage::{Coverage, Covered};
pub(crate) use explain::asks_cache;
pub use explain::explain;
pub(crate) use said::{phase, place};
pub use stage::Stage;
pub use story::{Failure, Outcome, run};
