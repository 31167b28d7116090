//! The text of a config.
#![no_main]

#[allow(dead_code, reason = "another target's door is here too")]
#[path = "../doors/conf/mod.rs"]
mod doors;

libfuzzer_sys::fuzz_target!(|input: &[u8]| doors::config::run(input));
