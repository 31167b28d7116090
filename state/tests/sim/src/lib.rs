//! A cluster of replicas in virtual time. Everything random comes from one seed, so a run is replayed by it.
//!
//! [`World`] holds the nodes, the network between them and the time. A network follows one of three models: over *datagrams*
//! each frame is lost, doubled or delayed on its own, which is where laws are held; over *TCP* frames keep their order, a
//! loss costs a round trip and nothing is lost while the connection stands, which is where figures come from; over a shared
//! [`Fabric`] what is published goes to all, and is lost to those that a cut or their own slowness keeps from it. Any pair may be
//! cut in either way or both, which tells nobody; a node may crash, stop, be slow, or have a clock that is ahead
//! ([`Fault`]).
//!
//! [`load`], [`converge`], [`roam`] and [`stopped`] are runs that say what they saw, for tests to judge and for the bench to print.

mod city;
pub mod converge;
mod crew;
mod fabric;
mod fault;
pub mod load;
mod make;
mod network;
mod node;
mod queue;
pub mod roam;
pub mod stopped;
mod truth;
mod wire;
mod world;

pub use self::city::{CITIES, City};
pub use self::fabric::Fabric;
pub use self::fault::Fault;
pub use self::make::{SECRET, START, Secrets, actor, config, replica, seeds, spec, store_of, uniques_spec};
pub use self::network::{Network, Tcp};
pub use self::node::Node;
pub use self::truth::Truth;
pub use self::world::{DELTA, DIGEST, RANGE, World};
