//! The cluster secret: 16 random bytes that key every hash of what a client chooses, so that no client can aim at a
//! shard or force a collision. It lives in a file of its own (32 hex digits); the roster and the hello carry only its
//! id, a keyed hash of a fixed text, from which the secret cannot be computed.

use std::fmt;
use std::hash::Hasher;
use std::io;
use std::path::{Path, PathBuf};

use siphasher::sip::SipHasher24;

/// What the id is a hash of. Changing it would change every cluster's id.
const ID_TEXT: &[u8] = b"selvedge cluster secret";

/// The cluster secret. Its `Debug` text hides the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 16]);

/// Which secret a node holds, safe to show and to send. Written as 16 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretId(pub u64);

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file could not be read.
    #[error("{path}: cannot read the cluster secret: {source}", path = .path.display())]
    Read {
        /// The secret's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds something else than 32 hex digits.
    #[error("{path}: the cluster secret must be 32 hex digits", path = .path.display())]
    Text {
        /// The secret's file.
        path: PathBuf,
    },
    /// The file holds another secret than the roster names.
    #[error("{path}: this is secret {found}, the roster names {expected}", path = .path.display())]
    Other {
        /// The secret's file.
        path: PathBuf,
        /// The id of what was found.
        found: SecretId,
        /// The id in the roster.
        expected: SecretId,
    },
}

impl Secret {
    /// A fresh secret from the system's random source.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Reads the secret at `path` and checks that it is the one called `expected`.
    ///
    /// # Errors
    /// An unreadable file, another text than 32 hex digits, another secret.
    pub fn load(path: &Path, expected: SecretId) -> Result<Self, SecretError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| SecretError::Read { path: path.to_owned(), source })?;
        let secret = Self::from_hex(text.trim()).ok_or_else(|| SecretError::Text { path: path.to_owned() })?;
        if secret.id() == expected {
            Ok(secret)
        } else {
            Err(SecretError::Other { path: path.to_owned(), found: secret.id(), expected })
        }
    }

    /// Parses 32 hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|value| Self(value.to_be_bytes()))
    }

    /// The 32 hex digits that go into the secret's file.
    pub fn to_hex(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    /// The key for the store's hashes.
    pub fn bytes(&self) -> [u8; 16] {
        self.0
    }

    /// The name by which the roster and the hello call this secret.
    pub fn id(&self) -> SecretId {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(ID_TEXT);
        SecretId(hasher.finish())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.id())
    }
}

impl SecretId {
    /// Parses 16 hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_there_and_back() {
        let secret = Secret::from_hex("000102030405060708090a0b0c0d0e0f").unwrap();
        assert_eq!(secret.bytes()[1], 1);
        assert_eq!(secret.to_hex(), "000102030405060708090a0b0c0d0e0f");
        assert_eq!(SecretId::from_hex(&secret.id().to_string()), Some(secret.id()));
    }

    #[test]
    fn the_id_is_fixed_for_ever() {
        let id = Secret::from_hex("000102030405060708090a0b0c0d0e0f").unwrap().id();
        assert_eq!(id.to_string(), "01e9cdf1f980f1b7");
    }

    #[test]
    fn signs_short_and_long_texts_are_not_secrets() {
        for text in ["", "+00102030405060708090a0b0c0d0e0f", "00", "000102030405060708090a0b0c0d0e0f00", "0x"] {
            assert_eq!(Secret::from_hex(text), None, "{text:?}");
        }
        assert_eq!(SecretId::from_hex("+123456789abcdef"), None);
    }

    #[test]
    fn another_secret_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cluster.secret");
        let (mine, theirs) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        std::fs::write(&path, mine.to_hex()).unwrap();
        assert_eq!(Secret::load(&path, mine.id()).unwrap(), mine);
        assert!(matches!(Secret::load(&path, theirs.id()), Err(SecretError::Other { .. })));
        assert!(!format!("{mine:?}").contains(&mine.to_hex()));
    }
}
