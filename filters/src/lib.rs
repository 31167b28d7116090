//! Every decision Selvedge takes about a request. Synchronous and deterministic: a decision is a function of the request's
//! head, the store and the instant. The store is read **and charged**; that is the only effect.
//!
//! [`Filters::decide`] is the only entry for requests; `cache` holds the decisions about stored responses.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod cache;
pub mod rule;

mod ban;
mod decide;
mod decision;
mod head;
pub mod limit;
mod site;

pub use ban::{PENALTY_PREFIX, Subject};
pub use decide::Filters;
pub use decision::{BanOrigin, Decision, Quota, Verdict};
pub use head::{Head, client_net};
pub use site::SiteId;
