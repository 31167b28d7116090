//! Frames of a snapshot.
#![no_main]

#[allow(dead_code, reason = "another target's door is here too")]
#[path = "../doors/state/mod.rs"]
mod doors;

libfuzzer_sys::fuzz_target!(|input: &[u8]| doors::snapshot::run(input));
