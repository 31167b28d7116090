//! The pass of a client: looked for and believed or not at most once for a request.

use super::context::Context;
use super::source::Source;
use crate::challenge::Client;

impl Context<'_> {
    /// How many bits the puzzle had for which the client has a valid pass; `None` when it has none. Of several cookies of the name the first
    /// counts.
    pub(crate) fn passed(&self) -> Option<u8> {
        *self.memo.passed.get_or_init(|| {
            let challenge = self.tables.challenge.as_ref()?;
            let pass = Source::cookie(self, challenge.cookie())?;
            let client = Client { address: self.head.client, host: self.head.host };
            challenge.passed(pass, client, self.now).ok()
        })
    }
}
