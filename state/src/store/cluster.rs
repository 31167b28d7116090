//! What decisions need to know of the cluster: which lives are heard, and who was in the roster when.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use crate::identity::Author;

/// Lives that are taken for heard at once; what more there are counts as silent.
const HEARD_MAX: usize = 4096;

/// Whether a life of a peer is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearing {
    /// Frames come from it.
    Heard,
    /// It fell silent.
    Silent,
}

/// Written by the replica when a peer comes or goes, read by requests.
#[derive(Default)]
pub(super) struct Cluster {
    heard: RwLock<BTreeSet<Author>>,
}

impl Cluster {
    pub(super) fn hears(&self, author: Author, hearing: Hearing) {
        let mut heard = self.heard.write().unwrap_or_else(PoisonError::into_inner);
        match hearing {
            Hearing::Heard if heard.len() < HEARD_MAX => heard.insert(author),
            Hearing::Heard => false,
            Hearing::Silent => heard.remove(&author),
        };
    }

    /// Looks at who is heard.
    pub(super) fn with_heard<R>(&self, look: impl FnOnce(&BTreeSet<Author>) -> R) -> R {
        look(&self.heard.read().unwrap_or_else(PoisonError::into_inner))
    }
}
