//! The admin socket: what operators may ask and tell a running edge. A unix socket, never a port.
//!
//! In goes HTTP with JSON; out come the types of [`report`]. The commands of the CLI use nothing else, so whatever they do can
//! be scripted.

mod asking;
mod bans;
mod cached;
mod client;
mod counters;
mod escape;
mod explain;
mod limits;
mod lines;
mod lists;
mod overrides;
mod peers;
mod pops;
pub(crate) mod purges;
mod receipts;
mod relay;
pub(crate) mod repeats;
pub mod report;
mod server;
mod sessions;
mod tail;
mod unknown;

pub use client::{ClientError, follow, get, reload, send, send_patiently};
pub use escape::escape;
pub(crate) use overrides::all as overrides;
pub(crate) use peers::{answer as answer_peer, fetched as answer_fetch};
pub(crate) use repeats::Repeats;
pub use server::{SocketError, serve, socket};
