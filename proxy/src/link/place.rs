//! A node's place in its cluster: what a reload may exchange while links are up. Handshakes to come go by the new one; links that are up
//! stay, but for those to POPs that left.

use super::roster::Roster;
use super::tls::Identity;

/// Who there is, and how this node shows who it is.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) roster: Roster,
    pub(crate) identity: Identity,
}
