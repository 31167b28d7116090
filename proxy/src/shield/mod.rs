//! Fetching through another POP. For each origin that asks for it one POP of the roster is everybody's *parent*: what the others, its
//! *children*, have to fetch for their caches they ask it for, so that the origin is asked once and not once for each POP.
//!
//! In go a roster and a config; out come [`Parents`] and [`Homes`] of idempotency keys, which are reached alike, as parts of the plan, and [`Order`], what a child says with a request. How requests go
//! that way is in [`edge`](crate::edge); what keeps answers from being older than the child knows, in `selvedge_state`'s `carried`.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod homes;
mod order;
mod parents;

pub(crate) use homes::{Home, Homes};
pub(crate) use order::{BadOrder, Freshness, HAVE, ORDER, Order, PURGES, have, read_have};
pub(crate) use parents::{Parent, Parents};
