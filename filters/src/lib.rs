//! Every decision Selvedge takes about a request. Synchronous and deterministic: a decision is a function of the request's
//! head, the store and the instant. The store is read **and charged**; that is the only effect.
//!
//! [`Filters::decide`] is the only entry for requests, beside [`Filters::connect`] for connections and [`Filters::respond`] for
//! responses, and [`Filters::keyed`], which says which key a request that goes on is run once for; [`Filters::explain`] is the same
//! code with nothing done. `cache` holds the decisions about stored responses, `purge` what they are purged by, `idempotency` those
//! about requests that are run once.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod affinity;
pub mod cache;
pub mod challenge;
pub mod idempotency;
pub mod limit;
pub mod list;
pub mod path;
pub mod purge;
pub mod revocation;
pub mod rule;
pub mod session;
pub mod shield;

mod ban;
mod changes;
mod decide;
mod decision;
mod explain;
mod form;
mod given;
mod hand;
mod head;
mod key;
mod ledger;
mod reply;
mod ruleset;
mod signing;
mod site;
mod tables;

pub use ban::{PENALTY_PREFIX, RULE_PREFIX, Subject};
pub use changes::{Changes, HeaderChange};
pub use decide::Filters;
pub use decision::{
    Allowed, BanOrigin, ConnectionDecision, Counted, Decision, Penalised, Quota, ResponseDecision, Verdict,
};
pub use explain::{EffectRecord, Explanation, LimitOutcome, LimitRecord, Reason, RuleOutcome, RuleRecord};
pub use form::Form;
pub use head::{Head, client_net};
pub use reply::{From, Reply};
pub use ruleset::{Indexing, RuleId, Undone};
pub use signing::{Keys, SECRET_LEAST, SECRETS_MAX};
pub use site::SiteId;
pub use tables::{Believed, Claim, Geo, Tables, Token, Tokens};
