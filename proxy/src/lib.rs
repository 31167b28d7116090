//! The world around Selvedge's decisions: Pingora, sockets, the clock, threads, metrics, the command line. It decides nothing
//! itself: requests are decided in `selvedge-filters`, and what POPs know in `selvedge-state`.

pub mod admin;
mod background;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod edge;
pub mod front;
pub mod handover;
pub mod keep;
pub mod link;
pub mod node;
pub mod observe;
mod pem;
pub mod plan;
mod purge;
pub mod rehearse;
pub mod serve;
mod shield;
pub mod stop;
pub mod tables;
pub mod witness;
