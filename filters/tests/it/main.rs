//! Decisions as tables: a config, some requests, what comes of them.

mod bans;
mod cache;
mod decisions;
mod limits;
mod partition;
mod support;
