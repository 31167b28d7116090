//! The admin socket: what operators may ask and tell a running edge. A unix socket, never a port.
//!
//! In goes HTTP with JSON; out come the types of [`report`]. The commands of the CLI use nothing else, so whatever they do can
//! be scripted.

mod client;
pub mod report;
mod server;

pub use client::{ClientError, get, send};
pub use server::{SocketError, serve, socket};
