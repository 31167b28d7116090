//! Sessions as operators look through them: in the order of their names, a page at a time.

use std::ops::ControlFlow;

use super::Store;
use crate::key::{Key128, Sharded as _};
use crate::session::Session;
use crate::time::Time;

impl Store {
    /// Shows the sessions that are known here, by their names, from the first one behind `after` on, until `visit` breaks or `looks` of them were
    /// looked at. So one call takes a bounded time: to read and sort the names of each shard that it comes to, a 256th of all, and its looks; no
    /// lock is held for longer than it takes to read the names of half a shard. Gives the name to go on behind; none where there are no more.
    pub fn visit_sessions(
        &self,
        after: Option<Key128>,
        looks: usize,
        now: Time,
        mut visit: impl FnMut(Key128, &Session) -> ControlFlow<()>,
    ) -> Option<Key128> {
        let (mut last, mut left) = (after, looks);
        for shard in after.map_or(0, |key| key.shard())..=u8::MAX {
            for key in self.sessions.keys(shard, after) {
                if left == 0 {
                    return last;
                }
                (left, last) = (left - 1, Some(key));
                if let Some(ControlFlow::Break(())) = self.sessions.read(key, now, |session| visit(key, session)) {
                    return last;
                }
            }
        }
        None
    }
}
