//! What an operator writes.

pub(crate) mod config;
pub(crate) mod expression;
