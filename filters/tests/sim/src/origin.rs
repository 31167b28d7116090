//! The origin: each thing has a version that rises, and a validator that does not always change with it.

/// What the origin says of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    /// Which one it is; the first is 1.
    pub(crate) number: u64,
    /// Its `ETag`. Several versions may share one: to the origin they are the same.
    pub(crate) etag: u64,
}

/// What there is, by the numbers of things.
#[derive(Debug)]
pub(crate) struct Origin(Vec<Version>);

impl Origin {
    pub(crate) fn new(things: usize) -> Origin {
        Origin(vec![Version { number: 1, etag: 1 }; things])
    }

    pub(crate) fn now(&self, thing: usize) -> Version {
        self.0[thing]
    }

    /// A new version.
    pub(crate) fn bump(&mut self, thing: usize, changes_etag: bool) {
        let Version { number, etag } = &mut self.0[thing];
        *number += 1;
        if changes_etag {
            *etag = *number;
        }
    }
}
