//! The cache: Pingora's state machine over our storage, in memory and on the disk, collapsing and policy.
//!
//! In: responses on their way from the origin, byte caps, a largest object, a longest wait. Out: stored responses, ready to
//! be sent; [`Stats`]; and for each request what it may do next. Which response is stored for how long is decided in
//! `selvedge_filters::cache`; here it is carried out.
//!
//! What holds, whatever origins and clients do:
//!
//! - the bytes held (headers, bodies, fills in progress, evicted objects still being read) never pass the cap;
//! - a response that breaks off is never served as a whole one, neither to those who read along nor later;
//! - of requests that miss together one goes to the origin, and at most two within one wait;
//! - a response that cannot be stored still reaches the clients that asked for it;
//! - what was asked for before a purge of it came to be known here is not served to anybody who comes after that.
//!
//! # Which hook calls what
//!
//! | hook of `ProxyHttp` | call |
//! |---|---|
//! | `new_ctx` / `request_filter` | keep [`Exchange::new`]`(asked, now)`[`.under`](Exchange::under)`(policy)` and a [`Next::Origin`] in the context |
//! | `request_cache_filter` | [`request_admits`](selvedge_filters::cache::request_admits)`(&head)`: `Ok` -> [`Cache::enable`]`(session, asked)`; `Err(bypass)` -> keep it for `Cache-Status` |
//! | `cache_key_callback` | [`cache_key`]`(&KeyParts { scheme, authority, path, query, origin })`, or [`cache_key_under`] a policy's key; [`Exchange::keyed`] |
//! | `cache_vary_filter` | [`vary`]`(variation, meta, request)` |
//! | `cache_miss` | [`Cache::miss`]`(session)`, in place of the default |
//! | `proxy_upstream_filter` | `ctx.next = `[`Cache::before_origin`]`(session, variation, now).await`; `Refused` -> answer 503 with `Retry-After`, `Ok(false)`; else `Ok(true)` |
//! | `upstream_peer` | `if ctx.next == Next::StandIn { return Err(`[`stand_in`]`()) }`, before anything else |
//! | `upstream_request_filter` | [`Exchange::sent`]`(store.fill(), now)`, before the request goes out |
//! | `upstream_response_filter` | [`Exchange::received`]`(response, session.cache.maybe_cache_meta(), now)`; it runs for a 304 too |
//! | `response_cache_filter` | `Ok(`[`Cache::stamped`]`(`[`Cache::response_cacheable`]`(&ctx.exchange, response), &ctx.exchange, places))` |
//! | `response_filter`, `response_body_filter` | [`Cache::deposit`]`(..)` where [`deposit`](selvedge_filters::cache::deposit) says so, then [`Deposit::add`] |
//! | `range_header_filter` | [`range_type`]`(session.req_header(), response)`, in place of the default |
//! | `should_serve_stale` | [`may_serve_stale`]`(session, ctx.next, error, now)` |
//! | `response_filter` | [`Cache::invalidate`]`(key)` for each place of [`invalidated`](selvedge_filters::cache::invalidated); [`age`]`(session, now)` into `Age`; [`outcome`]`(session, now)` through [`cache_status`](selvedge_filters::cache::cache_status) into `Cache-Status`; [`hop_by_hop`](selvedge_filters::cache::hop_by_hop) off, but for a 101 and but for the `Transfer-Encoding` that Pingora frames with |
//! | `logging` | [`outcome`] again, if it is to be logged |
//!
//! A background revalidation (`session.subrequest_ctx`) runs the same hooks with a context of its own.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bring_back;
mod budget;
mod deposit;
mod disk;
mod evict;
mod fill;

mod growing;
mod hit;
mod lock;
mod miss;
mod object;
mod parts;
mod piece;
mod pieces;
mod policy;
mod purged;
mod range;
mod reader;
mod shelf;
mod shown;
mod stamp;
mod stats;
mod storage;
mod uncacheable;
mod wait;

#[cfg(test)]
mod disk_laws;
#[cfg(test)]
mod journey;
#[cfg(test)]
mod laws;

pub use deposit::Deposit;
pub use disk::{Disk, DiskError, DiskSettings};
pub use parts::{Cache, Settings};
pub use policy::{
    Exchange, age, cache_key, cache_key_of_slice, cache_key_under, filled, may_serve_stale, outcome, vary,
};
pub use range::{RANGES_MAX, range_type};
pub use shown::{Look, SHOWN_MAX, Shown, Tier, Wanted};
pub use stats::{DiskStats, Stats};
pub use storage::Tiers;
pub use wait::{Next, stand_in};
