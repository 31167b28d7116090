//! What a cache may do with a request and with a response: RFC 9111, one function per decision.
//!
//! In: a request's head, a response's status and fields, the instants of the exchange. Out: closed enums that carry their
//! reason. Nothing is stored here and no clock is read; the storage belongs to the proxy.
//!
//! Freshness is explicit unless guessing is asked for: a response without a lifetime of its own is not stored. Where directives
//! contradict each other or values cannot be read, the answer is the one that stores less.

pub(crate) mod authority;
mod coding;
mod date;
mod deposit;
mod directives;
mod freshness;
mod grounds;
mod heuristic;
mod hop;
mod invalidation;
mod key;
mod keying;
mod languages;
mod lifetime;
mod personal;
mod policy;
mod renewal;
mod request;
mod slice;
mod stale;
mod status;
mod targeted;
mod vary;

pub use coding::{NotCoded, is_coded, preferred};
pub use deposit::{NoDeposit, deposit};
pub use freshness::{Answer, Asked, NotStored, Reuse, Stored, freshness};
pub use grounds::Grounds;
pub use hop::hop_by_hop;
pub(crate) use invalidation::is_change;
pub use invalidation::{Place, invalidated};
pub use key::{KeyParts, Scheme};
pub use keying::counted;
pub use lifetime::Lifetime;
pub use personal::of_one_client;
pub(crate) use policy::Policies;
pub use policy::{KeyShape, Policy, PolicyId, Variation, variant};
pub use renewal::{renewed, validates, weaker_tag};
pub use request::{Bypass, Lookup, request_admits};
pub use slice::{Slice, are_of_one};
pub use status::{Forward, Outcome, cache_status};
pub use vary::{VARY_FIELDS_MAX, Vary, Varying, variance, vary};
