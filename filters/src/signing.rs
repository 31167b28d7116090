//! Keys that sign what clients keep: the first one signs, and each of them is believed, so that a key can be exchanged for another while all
//! that is out stays good.

use std::fmt;

use ring::hmac::{self, HMAC_SHA256};

/// The shortest secret, bytes: as long as what HMAC-SHA-256 gives (RFC 2104 section 3).
pub const SECRET_LEAST: usize = 32;
/// The most secrets of one purpose.
pub const SECRETS_MAX: usize = 4;
/// How long a signature is, bytes.
pub(crate) const MAC_LEN: usize = 32;

/// What tells a key from others: 4 bytes that nobody who does not know it can make.
pub(crate) type KeyId = [u8; 4];

/// The keys of one purpose.
pub struct Keys {
    keys: Vec<Key>,
}

struct Key {
    id: KeyId,
    key: hmac::Key,
}

impl Keys {
    /// The place of the key that signs.
    pub(crate) const SIGNING: usize = 0;

    /// The keys that these secrets make for a purpose, which is the name of a session, or what no session is called: of one secret each
    /// purpose has another key. At most [`SECRETS_MAX`] are taken; `None` when there is none, or one is shorter than [`SECRET_LEAST`].
    pub fn new<S: AsRef<[u8]>>(purpose: &str, secrets: &[S]) -> Option<Keys> {
        let fits = |secret: &S| secret.as_ref().len() >= SECRET_LEAST;
        if secrets.is_empty() || !secrets.iter().all(fits) {
            return None;
        }
        let keys = secrets.iter().take(SECRETS_MAX).map(|secret| Key::new(purpose, secret.as_ref()));
        Some(Keys { keys: keys.collect() })
    }

    /// A signature by the key that signs, behind that key's id.
    pub(crate) fn sign(&self, site: &str, say: impl FnOnce(KeyId) -> Vec<u8>) -> Vec<u8> {
        let Some(key) = self.keys.first() else { return Vec::new() };
        let mut said = say(key.id);
        let mac = hmac::sign(&key.key, &input(site, &said));
        said.extend_from_slice(mac.as_ref());
        said
    }

    /// Which of the keys has this id: 0 is the one that signs.
    pub(crate) fn find(&self, id: KeyId) -> Option<usize> {
        self.keys.iter().position(|key| key.id == id)
    }

    /// Whether a key has signed this. Takes the same time whatever is wrong with the signature.
    pub(crate) fn has_signed(&self, key: usize, site: &str, said: &[u8], mac: &[u8]) -> bool {
        self.keys.get(key).is_some_and(|key| hmac::verify(&key.key, &input(site, said), mac).is_ok())
    }

    /// What a key makes of something of a kind: the same whenever it is asked, and nothing that says what it was made of. No site begins with
    /// the byte that is before it, so that it is no signature. Zeros when there is no such key.
    pub(crate) fn hash<const LEN: usize>(&self, key: usize, kind: &str, what: &[u8]) -> [u8; LEN] {
        let mut said = vec![1];
        said.extend_from_slice(&input(kind, what));
        let tag = self.keys.get(key).map(|key| hmac::sign(&key.key, &said));
        tag.and_then(|tag| tag.as_ref().first_chunk().copied()).unwrap_or([0; LEN])
    }
}

impl Key {
    fn new(purpose: &str, secret: &[u8]) -> Key {
        // What is derived for one purpose is of no use for another (NIST SP 800-108, the PRF used once).
        let derive = |key: &hmac::Key, what: &[u8]| {
            let mut input = b"selvedge key 1 ".to_vec();
            input.extend_from_slice(what);
            hmac::sign(key, &input)
        };
        let secret = hmac::Key::new(HMAC_SHA256, secret);
        let key = hmac::Key::new(HMAC_SHA256, derive(&secret, purpose.as_bytes()).as_ref());
        let id = derive(&key, b"id");
        let id = id.as_ref().first_chunk().copied().unwrap_or_default();
        Key { id, key }
    }
}

/// What is signed: where the cookie is good, which is everywhere when that is empty, and what it says. No name of a site has a zero byte in it.
fn input(site: &str, said: &[u8]) -> Vec<u8> {
    let mut input = Vec::with_capacity(site.len() + 1 + said.len());
    input.extend_from_slice(site.as_bytes());
    input.push(0);
    input.extend_from_slice(said);
    input
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} keys", self.keys.len())
    }
}
