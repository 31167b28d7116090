//! Which POPs a question is for.

use selvedge_state::PopId;

use super::unknown::unknown;
use crate::node::Node;

/// Which POPs are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// This one.
    Here,
    /// All.
    All,
    /// Another one.
    There(PopId),
}

/// The POPs that an operator means: `all`, one by its name, or this one.
///
/// # Errors
/// In words, when there is no POP of that name.
pub(super) fn asked(node: &Node, pop: Option<&str>) -> Result<Asked, String> {
    match pop {
        None => Ok(Asked::Here),
        Some("all") => Ok(Asked::All),
        Some(name) => match node.pops.named(name) {
            Some(pop) if pop == node.me.pop => Ok(Asked::Here),
            Some(pop) => Ok(Asked::There(pop)),
            None => Err(unknown("POP", name, node.pops.names().iter().map(String::as_str))),
        },
    }
}

impl Asked {
    /// Whether this POP is among them.
    pub(super) fn here(self) -> bool {
        matches!(self, Asked::Here | Asked::All)
    }

    /// The others among them.
    pub(super) fn others(self, node: &Node) -> Vec<PopId> {
        match self {
            Asked::Here => Vec::new(),
            Asked::All => node.pops.others(node.me.pop),
            Asked::There(pop) => vec![pop],
        }
    }
}
