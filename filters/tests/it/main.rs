//! Decisions as tables: a config, some requests, what comes of them.

mod agree;
mod bans;
mod cache;
mod classes;
mod connections;
mod corpus;
mod counts;
mod decisions;
mod forms;
mod held;
mod language;
mod late;
mod limits;
mod lists;
mod network;
mod partition;
mod pops;
mod random;
mod responses;
mod rules;
mod several;
mod support;
mod told;
mod tree;
mod trouble;
