//! End-to-end tests: the built program as a child process, a real socket on either side. Each reads like a transcript.

mod bounds;
mod cache;
mod cluster;
mod commands;
mod limits;
mod link;
mod origins;
mod proxying;
mod support;
mod tls;
