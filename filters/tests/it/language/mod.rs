//! The rule language: by example, against another engine, and with whatever it may be given.

mod differential;
mod fields;
mod generate;
mod meaning;
mod total;
pub(crate) mod world;
