//! Texts of configs and expressions, real ones and those that fuzzing found.

#[path = "../../../fuzz/doors/conf/mod.rs"]
mod doors;
#[path = "../../../fuzz/doors/replay.rs"]
mod replay;

use replay::replay;

#[test]
fn configs() {
    replay("config", doors::config::run);
}

#[test]
fn expressions() {
    replay("expression", doors::expression::run);
}
