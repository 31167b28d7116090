//! What the outside may see: metrics, the access log, the program's own log.
//!
//! In go finished requests and events of the state; out come numbers and lines. `prometheus` and `tracing` appear here only,
//! and nothing here ever makes a request wait.

pub mod access;
mod cached;
#[cfg(test)]
mod labels;
pub mod log;
mod meters;
pub mod metrics;
mod runs;
pub mod series;
mod sessions;

pub use access::AccessLog;
pub use meters::{LimitOutcome, Meters};
pub use metrics::Metrics;
pub use sessions::{Revoker, SessionChange, SessionWait};
