//! Secrets of sessions: read from files, and held as the keys that are made of them.

use std::sync::Arc;

use selvedge_conf::Session;
use selvedge_filters::session::{Keys, SECRET_LEAST};

use crate::plan::{Fault, Ledger};

/// The largest file of a secret, bytes.
const FILE_MAX: u64 = 4096;

/// The keys of one kind of sessions.
///
/// # Errors
/// [`Fault`]s: all that is wrong, in words that hold nothing of a secret.
pub(super) fn load(session: &Session, ledger: &Ledger) -> Result<Arc<Keys>, Vec<Fault>> {
    let (mut secrets, mut faults) = (Vec::new(), Vec::new());
    for path in &session.keys {
        let read = ledger.read(path, FILE_MAX).map_err(|error| error.to_string());
        match read.and_then(|bytes| secret(&bytes).map(<[u8]>::to_vec)) {
            Ok(secret) => secrets.push(secret),
            Err(cause) => {
                let message = format!("session {}: key file {}: {cause}", session.name, path.display());
                let place = Some(session.place.clone());
                faults.push(Fault { place, ..Fault::whole(path.clone(), message) });
            }
        }
    }
    match Keys::new(&session.name, &secrets) {
        Some(keys) if faults.is_empty() => Ok(Arc::new(keys)),
        _ => Err(faults),
    }
}

/// All of a file but the end of its last line.
fn secret(bytes: &[u8]) -> Result<&[u8], String> {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let secret = line.strip_suffix(b"\r").unwrap_or(line);
    if secret.len() >= SECRET_LEAST {
        return Ok(secret);
    }
    Err(format!("a secret has {SECRET_LEAST} bytes or more, and this one has {}", secret.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_file_without_the_end_of_its_line() {
        let long = "0123456789abcdef0123456789abcdef";
        for text in [long.to_owned(), format!("{long}\n"), format!("{long}\r\n")] {
            assert_eq!(secret(text.as_bytes()), Ok(long.as_bytes()));
        }
        assert_eq!(secret(format!("{long}\n\n").as_bytes()).map(<[u8]>::len), Ok(33));
        let wrong = secret(b"0123456789abcdef0123456789abcde\n").unwrap_err();
        assert_eq!(wrong, "a secret has 32 bytes or more, and this one has 31");
    }
}
