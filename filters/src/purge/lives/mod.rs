//! What is known of purges over the lives of a node: for what was stored on disk in those before this one.
//!
//! Numbers of applications begin anew in each life, and lives rise, so that (life, number) orders all applications of a node. In goes a log
//! of them, read to its end ([`Logged`]); out comes what it says of things that were stored before ([`Earlier`]).

mod earlier;
mod logged;

pub use earlier::{Earlier, EarlierStanding, Judged, Place};
pub use logged::{LOGGED_MAX, Logged, Record};
