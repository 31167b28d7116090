//! Requests, ordinary ones and those that fuzzing found.

#[path = "../../../fuzz/doors/filters/mod.rs"]
mod doors;
#[path = "../../../fuzz/doors/replay.rs"]
mod replay;

use replay::replay;

#[test]
fn requests() {
    replay("request", doors::request::run);
}

#[test]
fn cookies_of_sessions() {
    replay("session", doors::session::run);
}

#[test]
fn solutions_and_passes() {
    replay("challenge", doors::challenge::run);
}
