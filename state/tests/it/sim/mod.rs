//! A cluster in one thread and in virtual time. Everything random comes from one seed, so a run is replayed by it.
//!
//! Links follow the datagram model: each frame is lost, doubled or delayed on its own. A pair may be cut, which swallows
//! frames without telling anybody; a node may crash, which loses its memory and starts a new life.

mod truth;
mod world;

pub(crate) use self::truth::Truth;
pub(crate) use self::world::{Network, Node, World};
