//! The tickets of origins whose servers a cookie names.

use std::sync::Arc;

use selvedge_conf::{Affinity, Origin};

use super::signing;
use crate::edge::origin::Tickets;
use crate::plan::{Fault, Ledger};

/// The tickets of an origin; none where no cookie names its servers.
///
/// # Errors
/// [`Fault`]s: all that is wrong, in words that hold nothing of a secret.
pub(super) fn load(origin: &Origin, ledger: &Ledger) -> Result<Option<Arc<Tickets>>, Vec<Fault>> {
    let Some(Affinity::Cookie { name, keys }) = &origin.affinity else { return Ok(None) };
    let secrets = signing::secrets((&format!("origin {}: affinity", origin.name), None), keys, ledger)?;
    Ok(Some(Arc::new(Tickets::new(name, &secrets, &origin.name, &origin.servers))))
}
