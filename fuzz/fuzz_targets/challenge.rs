//! Puzzles, their solutions, and passes.
#![no_main]

#[allow(dead_code, reason = "another target's door is here too")]
#[path = "../doors/filters/mod.rs"]
mod doors;

libfuzzer_sys::fuzz_target!(|input: &[u8]| doors::challenge::run(input));
