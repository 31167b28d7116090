//! Secrets of tokens that purge: read from files, and held as what they hash to, so that nothing shows or logs one.

use ring::hmac::{self, HMAC_SHA256, Key, Tag};
use ring::rand::SystemRandom;
use selvedge_conf::PurgeToken;

use crate::plan::{Fault, Ledger};

/// The largest file of secrets, bytes.
const FILE_MAX: u64 = 4096;

/// Secrets of one token: while one is exchanged for another both are good.
const SECRETS_MAX: usize = 4;

/// The shortest and the longest secret, bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=256;

/// The secrets of all tokens.
#[derive(Debug)]
pub(super) struct Secrets {
    /// Of this process: what is hashed with it means nothing elsewhere.
    key: Key,
    /// What each secret hashes to, and the place of its token in the config.
    hashed: Vec<(Tag, usize)>,
}

impl Secrets {
    /// Reads the secrets of all tokens.
    ///
    /// # Errors
    /// [`Fault`]s: all that is wrong, in words that hold nothing of a secret.
    pub(super) fn load(tokens: &[PurgeToken], ledger: &Ledger) -> Result<Option<Secrets>, Vec<Fault>> {
        if tokens.is_empty() {
            return Ok(None);
        }
        let whole = |cause: &str| {
            Fault::whole(tokens.first().map(|token| token.secret.clone()).unwrap_or_default(), cause.to_owned())
        };
        let key = Key::generate(HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| vec![whole("the system gives no random bytes")])?;
        let (mut hashed, mut faults) = (Vec::new(), Vec::new());
        for (place, token) in tokens.iter().enumerate() {
            match read(token, ledger) {
                Ok(secrets) => hashed.extend(secrets.iter().map(|secret| (hmac::sign(&key, secret), place))),
                Err(cause) => {
                    let message =
                        format!("purge token {}: secret file {}: {cause}", token.name, token.secret.display());
                    faults.push(Fault {
                        place: Some(token.place.clone()),
                        ..Fault::whole(token.secret.clone(), message)
                    });
                }
            }
        }
        let is_double = |(nth, (tag, place)): (usize, &(Tag, usize))| {
            let earlier = hashed.iter().take(nth);
            earlier.into_iter().any(|(known, of)| of != place && known.as_ref() == tag.as_ref())
        };
        if hashed.iter().enumerate().any(is_double) {
            faults.push(whole("two tokens that purge have the same secret"));
        }
        if faults.is_empty() { Ok(Some(Secrets { key, hashed })) } else { Err(faults) }
    }

    /// The place of the token whose secret this is. All are compared, each in the same time whatever it is, so that the time which it takes tells
    /// nothing of them.
    pub(super) fn find(&self, presented: &[u8]) -> Option<usize> {
        let is = |tag: &Tag| hmac::verify(&self.key, presented, tag.as_ref()).is_ok();
        self.hashed.iter().fold(None, |found, (tag, place)| if is(tag) { Some(*place) } else { found })
    }
}

/// One secret a line.
fn read(token: &PurgeToken, ledger: &Ledger) -> Result<Vec<Vec<u8>>, String> {
    let bytes = ledger.read(&token.secret, FILE_MAX).map_err(|error| error.to_string())?;
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let secrets: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
    match secrets.len() {
        0 => return Err("it is empty".to_owned()),
        1..=SECRETS_MAX => {}
        more => return Err(format!("{more} lines; at most {SECRETS_MAX} secrets fit here, one a line")),
    }
    // What `Authorization: Bearer` may carry (RFC 6750 section 2.1).
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    for (secret, nth) in secrets.iter().zip(1..) {
        if !LENGTHS.contains(&secret.len()) || !secret.iter().all(fits) {
            let (least, most) = (LENGTHS.start(), LENGTHS.end());
            return Err(format!("line {nth} is no secret: it has {least} to {most} letters, digits and -._~+/="));
        }
    }
    Ok(secrets)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use selvedge_conf::{Place, PurgeKind};

    use super::*;

    fn token(name: &str, secret: PathBuf) -> PurgeToken {
        let place = Place { file: PathBuf::from("test.toml"), line: 1, column: 1 };
        let (hosts, paths, tags) = Default::default();
        let kinds = vec![PurgeKind::Url];
        PurgeToken { name: name.to_owned(), secret, kinds, hosts, paths, tags, soft: false, rate: None, place }
    }

    /// Of two tokens whose files say this.
    fn load(first: &str, second: &str) -> Result<Secrets, String> {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["first", "second"].map(|name| folder.path().join(name));
        std::fs::write(&paths[0], first).unwrap();
        std::fs::write(&paths[1], second).unwrap();
        let [one, two] = paths;
        let loaded = Secrets::load(&[token("one", one), token("two", two)], &Ledger::default());
        loaded.map(|secrets| secrets.unwrap()).map_err(|faults| faults[0].message.clone())
    }

    #[test]
    fn a_secret_names_its_token_and_nothing_else_does() {
        let secrets = load("0123456789abcdef\n", "\nold-secret-of-two-\r\nnew-secret-of-two-\n").unwrap();
        for (presented, token) in [
            ("0123456789abcdef", Some(0)),
            ("old-secret-of-two-", Some(1)),
            ("new-secret-of-two-", Some(1)),
            ("0123456789abcdeF", None),
            ("0123456789abcde", None),
            ("", None),
        ] {
            assert_eq!(secrets.find(presented.as_bytes()), token, "{presented}");
        }
        assert!(!format!("{secrets:?}").contains("0123456789"));
    }

    #[test]
    fn what_is_no_secret_is_told_without_it() {
        let good = "0123456789abcdef";
        for (first, expected) in [
            ("", "it is empty"),
            ("short", "line 1 is no secret: it has 16 to 256 letters, digits and -._~+/="),
            ("0123456789abcdef\nwith spaces in between", "line 2 is no secret"),
            ("aaaaaaaaaaaaaaaa\n".repeat(5).as_str(), "5 lines; at most 4 secrets fit here"),
        ] {
            let wrong = load(first, good).unwrap_err();
            assert!(wrong.starts_with("purge token one: secret file ") && wrong.contains(expected), "{wrong}");
            assert!(!wrong.contains("short") && !wrong.contains("aaaa") && !wrong.contains("between"), "{wrong}");
        }
        assert_eq!(load(good, good).unwrap_err(), "two tokens that purge have the same secret");
        assert!(Secrets::load(&[token("one", PathBuf::from("/nowhere"))], &Ledger::default()).is_err());
    }
}
