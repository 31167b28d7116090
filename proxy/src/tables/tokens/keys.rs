//! An issuer's keys: a JWK set (RFC 7517), PEM public keys, or a shared secret.

use std::path::Path;

use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, Header};

/// Keys of one issuer.
const KEYS_MAX: usize = 64;

/// Keys that are tried for one token, when it does not say which one signed it.
const TRIES_MAX: usize = 8;

#[derive(Debug)]
pub(super) struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    /// The only algorithm it is for, if it says so (RFC 7517 section 4.4).
    only: Option<Algorithm>,
    key: DecodingKey,
}

impl Keys {
    /// Reads a file of keys; its name's ending says of which kind. At least one key fits one of the algorithms.
    ///
    /// # Errors
    /// In words.
    pub(super) fn parse(path: &Path, bytes: &[u8], algorithms: &[Algorithm]) -> Result<Keys, String> {
        let mut keys = match path.extension().and_then(|ending| ending.to_str()) {
            Some("json") => set(bytes)?,
            Some("key") => vec![secret(bytes)],
            _ => pem(bytes)?,
        };
        if keys.len() > KEYS_MAX {
            return Err(format!("{} keys; at most {KEYS_MAX} fit here", keys.len()));
        }
        let fits = |key: &Key| algorithms.iter().any(|algorithm| key.fits(*algorithm));
        keys.retain(fits);
        if keys.is_empty() {
            return Err("it holds no key for any of the algorithms".to_owned());
        }
        keys.iter().try_for_each(|key| key.is_strong(algorithms))?;
        for algorithm in algorithms {
            let same = keys.iter().filter(|key| key.id.is_none() && key.fits(*algorithm)).count();
            if same > TRIES_MAX {
                return Err(format!("{same} keys without `kid`; at most {TRIES_MAX} are tried"));
            }
        }
        Ok(Keys(keys))
    }

    /// The keys that may have signed a token, a few at most: those of its `kid`, and those without any.
    pub(super) fn candidates(&self, header: &Header) -> impl Iterator<Item = &DecodingKey> {
        let named = |key: &&Key| match (&header.kid, &key.id) {
            (Some(wanted), Some(id)) => wanted == id,
            _ => true,
        };
        let fitting = self.0.iter().filter(|key| key.fits(header.alg)).filter(named);
        fitting.take(TRIES_MAX).map(|key| &key.key)
    }
}

impl Key {
    fn fits(&self, algorithm: Algorithm) -> bool {
        self.key.family() == algorithm.family() && self.only.is_none_or(|only| only == algorithm)
    }

    /// RFC 7518 section 3.2: a secret is at least as long as the hash; section 3.3: an RSA key has 2048 bits or more, which
    /// `ring` sees to.
    fn is_strong(&self, algorithms: &[Algorithm]) -> Result<(), String> {
        let DecodingKeyKind::SecretOrDer(secret) = self.key.kind() else { return Ok(()) };
        for algorithm in algorithms.iter().filter(|algorithm| self.fits(**algorithm)) {
            let least = match algorithm {
                Algorithm::HS256 => 32,
                Algorithm::HS384 => 48,
                Algorithm::HS512 => 64,
                _ => continue,
            };
            if secret.len() < least {
                let found = secret.len();
                return Err(format!(
                    "a secret of {found} bytes; {algorithm:?} needs {least} at least (RFC 7518 section 3.2)"
                ));
            }
        }
        Ok(())
    }
}

fn secret(bytes: &[u8]) -> Key {
    Key { id: None, only: None, key: DecodingKey::from_secret(bytes) }
}

fn set(bytes: &[u8]) -> Result<Vec<Key>, String> {
    let set: JwkSet = serde_json::from_slice(bytes).map_err(|error| format!("it is no JWK set: {error}"))?;
    // Keys of kinds that are not known here are for somebody else (RFC 7517 section 5).
    Ok(set.keys.iter().filter_map(jwk).collect())
}

fn jwk(jwk: &Jwk) -> Option<Key> {
    let common = &jwk.common;
    if common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
        return None;
    }
    let only = match common.key_algorithm {
        Some(algorithm) => Some(algorithm.to_string().parse().ok()?),
        None => None,
    };
    Some(Key { id: common.key_id.clone(), only, key: DecodingKey::from_jwk(jwk).ok()? })
}

/// Every public key of a PEM file. A private key has no business here.
fn pem(bytes: &[u8]) -> Result<Vec<Key>, String> {
    const BEGIN: &str = "-----BEGIN ";
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut keys = Vec::new();
    for (start, _) in text.match_indices(BEGIN) {
        let block = text.get(start..).unwrap_or("");
        let label = block.strip_prefix(BEGIN).and_then(|rest| rest.split_once("-----")).map_or("", |(label, _)| label);
        if !matches!(label, "PUBLIC KEY" | "RSA PUBLIC KEY") {
            return Err(format!("it holds a {label}; only public keys are taken"));
        }
        let end = block.find("-----END ").and_then(|at| block.get(at..)?.find('\n').map(|line| at + line));
        let block = block.get(..end.unwrap_or(block.len())).unwrap_or(block).as_bytes();
        let parsed = DecodingKey::from_ec_pem(block)
            .or_else(|_| DecodingKey::from_ed_pem(block))
            .or_else(|_| DecodingKey::from_rsa_pem(block));
        let key = parsed.map_err(|_| "it holds what is no public key for RSA, ECDSA or Ed25519".to_owned())?;
        keys.push(Key { id: None, only: None, key });
    }
    if keys.is_empty() { Err("it holds no public key".to_owned()) } else { Ok(keys) }
}
