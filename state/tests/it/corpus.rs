//! What peers and snapshots say, and what fuzzing found.

#[path = "../../../fuzz/doors/state/mod.rs"]
mod doors;
#[path = "../../../fuzz/doors/replay.rs"]
mod replay;

use replay::replay;

#[test]
fn frames_of_peers() {
    replay("frames", doors::frames::run);
}

#[test]
fn frames_of_snapshots() {
    replay("snapshot", doors::snapshot::run);
}
