//! What outlives the process: a folder with a snapshot of the replicated state, written every few seconds and at a graceful stop.
//!
//! In goes a store; out comes, at the next start, what it knew ([`Folder::open`], [`Found::restore`]), and the life that wrote it,
//! so that the next one has a greater number; and what was left of quotas, where it ended in order. The same goes to a process that takes over while this one runs ([`send`]). Whatever is wrong with a snapshot is told and never keeps a node from serving;
//! only a folder that cannot be used at all is an error, before the first request.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod estate;
mod file;
mod folder;
mod keeper;
mod purges;
mod revocations;
mod runs;
mod segment;
mod stream;

pub use file::ReadError;
pub use folder::{Folder, FolderError, Found};
pub use keeper::Keeper;
pub(crate) use keeper::{close, keep};
pub use purges::{Before, Broken, Company, Earlier, Forgotten, LogStatus, Opening, PurgeLog};
pub use revocations::{RevocationLog, RevocationsStatus};
pub use runs::{Bounds, Kept, Question, Runs, RunsStatus, Said, Turn};
pub(crate) use stream::{receive, send};
