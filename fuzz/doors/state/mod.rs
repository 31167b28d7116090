//! What is said to a node, on a link or in a file.

pub(crate) mod framed;
pub(crate) mod frames;
pub(crate) mod node;
pub(crate) mod snapshot;
