//! Secrets that sign what clients keep: read from files, and held as the keys that are made of them.

use std::path::PathBuf;

use selvedge_conf::Place;
use selvedge_filters::{Keys, SECRET_LEAST};

use crate::plan::{Fault, Ledger};

/// The largest file of a secret, bytes.
const FILE_MAX: u64 = 4096;

/// The keys that files of secrets make for a purpose. `what` says in messages whose they are.
///
/// # Errors
/// [`Fault`]s: all that is wrong, in words that hold nothing of a secret.
pub(super) fn keys(
    (what, place): (&str, &Place),
    purpose: &str,
    files: &[PathBuf],
    ledger: &Ledger,
) -> Result<Keys, Vec<Fault>> {
    let secrets = secrets((what, Some(place)), files, ledger)?;
    Keys::new(purpose, &secrets).ok_or_else(Vec::new)
}

/// The secrets of some files. `what` says in messages whose they are.
///
/// # Errors
/// [`Fault`]s: all that is wrong, in words that hold nothing of a secret.
pub(super) fn secrets(
    (what, place): (&str, Option<&Place>),
    files: &[PathBuf],
    ledger: &Ledger,
) -> Result<Vec<Vec<u8>>, Vec<Fault>> {
    let (mut secrets, mut faults) = (Vec::new(), Vec::new());
    for path in files {
        let read = ledger.read(path, FILE_MAX).map_err(|error| error.to_string());
        match read.and_then(|bytes| secret(&bytes).map(<[u8]>::to_vec)) {
            Ok(secret) => secrets.push(secret),
            Err(cause) => {
                let message = format!("{what}: key file {}: {cause}", path.display());
                faults.push(Fault { place: place.cloned(), ..Fault::whole(path.clone(), message) });
            }
        }
    }
    if faults.is_empty() { Ok(secrets) } else { Err(faults) }
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

    #[test]
    fn what_is_no_secret_is_told_without_it() {
        let folder = tempfile::tempdir().unwrap();
        let (short, missing) = (folder.path().join("short"), folder.path().join("missing"));
        std::fs::write(&short, "not long enough\n").unwrap();
        let place = Place { file: PathBuf::from("test.toml"), line: 1, column: 1 };
        let faults = keys(("challenge", &place), "x", &[short, missing], &Ledger::default()).unwrap_err();
        assert_eq!(faults.len(), 2);
        let text = &faults[0].message;
        assert!(text.starts_with("challenge: key file ") && text.ends_with("and this one has 15"), "{text}");
        assert!(faults.iter().all(|fault| !fault.message.contains("not long")));
    }
}
