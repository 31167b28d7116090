//! A snapshot to a process that takes over. It comes from the process whose rows it holds, so it is joined as it comes: where it
//! breaks off, what came is true all the same.

use std::io::{self, BufWriter, Read, Write};

use selvedge_state::{Reading, Restored, Snapshot, SnapshotHead, Store, Time};

use super::file::{Frames, ReadError, write_frames};
use crate::link::secret::SecretId;

/// Writes all that a store knows.
///
/// # Errors
/// What the system says.
pub(crate) fn send(to: &mut impl Write, store: &Store, head: &SnapshotHead) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, to);
    write_frames(&mut out, Snapshot::new(store, head.clone()))?;
    out.flush()
}

/// Reads one snapshot to its end and joins it. `mine` is what this process would say of its own, with the secret that it knows beside its
/// own; one that it may not take is read all the same, for what comes behind it.
///
/// # Errors
/// [`ReadError`].
pub(crate) fn receive(
    from: &mut impl Read,
    (mine, beside): (&SnapshotHead, Option<SecretId>),
    store: &Store,
    now: Time,
) -> Result<Restored, ReadError> {
    let mut frames = Frames::begin(from)?;
    let (mut reading, mut restored, mut refused) = (Reading::default(), Restored::default(), None);
    while !reading.is_over() {
        let Some(frame) = frames.next()? else { break };
        reading.frame(frame)?;
        if let Some(head) = reading.head()
            && refused.is_none()
        {
            refused = Some(head.check(mine, beside.map(|id| id.0)));
        }
        if let Some(Ok(())) = refused {
            restored.add(store.restore(frame, now));
        }
    }
    reading.finish()?;
    refused.unwrap_or(Ok(()))?;
    Ok(restored)
}
