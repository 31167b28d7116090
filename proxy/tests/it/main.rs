//! End-to-end tests: the built program as a child process, a real socket on either side. Each reads like a transcript.

mod agree;
mod bounds;
mod cache;
mod cluster;
mod commands;
mod explain;
mod forms;
mod limits;
mod link;
mod lists;
mod origins;
mod paths;
mod proxying;
mod rehearsal;
mod reload;
mod restart;
mod revalidation;
mod roster;
mod rules;
mod rules_state;
mod support;
mod tables;
mod tail;
mod tls;
mod trace;
mod watch;
