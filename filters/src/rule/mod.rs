//! Conditions on a request. In goes a checked expression (`selvedge_conf::expr`), out comes a [`Predicate`] that is asked
//! about each request: typed once, owned, and answered without allocation and without failure.
//!
//! What differs from the CEL specification, in this version: an absent header is `""`; `in` with networks means
//! containment; lists are never empty; strings compare by their bytes, which for UTF-8 is the order of code points.

mod lower;
mod operand;
mod predicate;
#[cfg(test)]
mod tests;

pub use predicate::Predicate;
