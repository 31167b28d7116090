//! The text of an expression.
#![no_main]

#[allow(dead_code, reason = "another target's door is here too")]
#[path = "../doors/conf/mod.rs"]
mod doors;

libfuzzer_sys::fuzz_target!(|input: &[u8]| doors::expression::run(input));
