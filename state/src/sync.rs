//! What threads share and is ours: of `std`, or under `--cfg loom` of loom, which runs a model in every order that the memory
//! model allows (`make loom`, `tests/schedules.rs`). The maps are `dashmap`'s, which knows no loom; there a mutex stands for
//! the lock of an entry.

#[cfg(loom)]
pub(crate) use loom::sync::Mutex;
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize};
#[cfg(not(loom))]
pub(crate) use std::sync::Mutex;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize};
