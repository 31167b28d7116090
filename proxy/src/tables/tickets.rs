//! Secrets of cookies that name servers: read from files, and held as the tickets that they make.

use std::path::Path;
use std::sync::Arc;

use selvedge_conf::{Affinity, Origin};

use crate::edge::origin::Tickets;
use crate::plan::{Fault, Ledger};

/// The largest file of a secret, bytes.
const FILE_MAX: u64 = 4096;

/// The shortest secret, bytes: as long as what HMAC-SHA-256 gives (RFC 2104 section 3).
const SECRET_LEAST: usize = 32;

/// The tickets of an origin; none where no cookie names its servers.
///
/// # Errors
/// [`Fault`]s: all that is wrong, in words that hold nothing of a secret.
pub(super) fn load(origin: &Origin, ledger: &Ledger) -> Result<Option<Arc<Tickets>>, Vec<Fault>> {
    let Some(Affinity::Cookie { name, keys }) = &origin.affinity else { return Ok(None) };
    let (mut secrets, mut faults) = (Vec::new(), Vec::new());
    for path in keys {
        match read(path, ledger) {
            Ok(secret) => secrets.push(secret),
            Err(cause) => {
                let message = format!("origin {}: affinity: key file {}: {cause}", origin.name, path.display());
                faults.push(Fault::whole(path.clone(), message));
            }
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Some(Arc::new(Tickets::new(name, &secrets, &origin.name, &origin.servers))))
}

/// All of a file but the end of its last line.
fn read(path: &Path, ledger: &Ledger) -> Result<Vec<u8>, String> {
    let bytes = ledger.read(path, FILE_MAX).map_err(|error| error.to_string())?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let secret = line.strip_suffix(b"\r").unwrap_or(line);
    if secret.len() >= SECRET_LEAST {
        return Ok(secret.to_vec());
    }
    Err(format!("a secret has {SECRET_LEAST} bytes or more, and this one has {}", secret.len()))
}
