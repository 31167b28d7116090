//! Tests of what is not seen from outside: the laws of the lattices through the wire format, the format's bytes, and bounds
//! that only a hostile peer would hit.

mod algebra;
mod bounds;
mod facts;
mod flood;
mod forget;
pub(crate) mod given;
mod golden;
mod heavy;
mod hostile;
mod late;
mod laws;
mod ledgers;
mod retire;
#[cfg(loom)]
mod schedules;
mod sessions;
mod version2;
