//! Cookies of sessions: what is signed comes back, and nothing else is believed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use selvedge_filters::session::{Invalid, Keys, TOKEN_MAX, Token};
use selvedge_state::{Actor, Author, Incarnation, PopId, Time, Version, Versioned};

const NOW: Time = Time(1_800_000_000_000);
const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 40] = [2; 40];

fn keys(name: &str, secrets: &[&[u8]]) -> Keys {
    Keys::new(name, secrets).expect("keys")
}

fn author(pop: u16) -> Author {
    Author { actor: Actor { pop: PopId(pop), node: 3 }, incarnation: Incarnation(NOW.0 << 16 | 5) }
}

fn token(authors: u16) -> Token {
    let seen = |pop| Versioned { author: author(pop), version: Version::numbered(u64::MAX - u64::from(pop)) };
    let context = (0..authors).map(seen).collect();
    let (started, login) = (NOW.minus(60_007), NOW.minus(6001));
    Token { id: [0xa5; 16], started, login, end: NOW.plus(3_600_000), made: NOW.minus(1000), context }
}

#[test]
fn what_is_signed_comes_back() {
    let keys = keys("web", &[&OLD]);
    for authors in 0..=4 {
        let token = token(authors);
        let text = token.write(&keys, "");
        assert!(
            text.len() <= TOKEN_MAX && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
        assert_eq!(Token::read(text.as_bytes(), &keys, "", NOW), Ok((token, 0)), "{authors}");
    }
}

/// The first key signs, the others are believed, and one that is gone is not.
#[test]
fn keys_are_exchanged_while_nobody_is_logged_out() {
    let (before, between, after) = (keys("web", &[&OLD]), keys("web", &[&NEW, &OLD]), keys("web", &[&NEW]));
    let old = token(1).write(&before, "");
    assert_eq!(Token::read(old.as_bytes(), &between, "", NOW), Ok((token(1), 1)));
    let new = token(1).write(&between, "");
    for keys in [&between, &after] {
        assert_eq!(Token::read(new.as_bytes(), keys, "", NOW), Ok((token(1), 0)));
    }
    assert_eq!(Token::read(old.as_bytes(), &after, "", NOW), Err(Invalid::Key));
}

#[test]
fn each_thing_that_is_wrong_has_its_reason() {
    let keys = keys("web", &[&OLD]);
    let good = token(2).write(&keys, "");
    let bytes = URL_SAFE_NO_PAD.decode(&good).expect("base64url");
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        URL_SAFE_NO_PAD.encode(bytes)
    };
    let ended = Token { end: NOW, ..token(2) }.write(&keys, "");
    let other = token(2).write(&self::keys("shop", &[&OLD]), "");
    let elsewhere = token(2).write(&keys, "a.example");
    for (text, reason) in [
        ("A".repeat(TOKEN_MAX + 1), Invalid::Overlong),
        (String::new(), Invalid::Truncated),
        ("not base64!".to_owned(), Invalid::Malformed),
        (format!("{good}="), Invalid::Malformed),
        (good[..good.len() / 4 * 4 - 4].to_owned(), Invalid::Truncated),
        (format!("{good}AAAA"), Invalid::Truncated),
        (with(0, 2), Invalid::Version),
        (with(1, bytes[1] ^ 1), Invalid::Key),
        (other, Invalid::Key),
        // Its id, since when it is somebody's, its end, and the signature itself.
        (with(5, bytes[5] ^ 1), Invalid::Forged),
        (with(32, bytes[32] ^ 1), Invalid::Forged),
        (with(36, bytes[36] ^ 1), Invalid::Forged),
        (with(bytes.len() - 1, bytes[bytes.len() - 1] ^ 1), Invalid::Forged),
        (elsewhere, Invalid::Forged),
        (ended, Invalid::Expired),
    ] {
        assert_eq!(Token::read(text.as_bytes(), &keys, "", NOW), Err(reason), "{text}");
    }
}

#[test]
fn a_secret_that_is_short_makes_no_keys() {
    assert!(Keys::new::<&[u8]>("web", &[]).is_none());
    assert!(Keys::new("web", &[&OLD[..], &OLD[..31]]).is_none());
    assert!(!format!("{:?}", keys("web", &[&OLD])).contains('1'.to_string().repeat(2).as_str()));
}

proptest! {
    /// Reading is total, and what was not signed is never believed.
    #[test]
    fn nothing_that_was_made_up_is_believed(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let keys = keys("web", &[&OLD, &NEW]);
        for text in [bytes.clone(), URL_SAFE_NO_PAD.encode(&bytes).into_bytes()] {
            prop_assert!(Token::read(&text, &keys, "", NOW).is_err());
        }
    }

    /// No change to a good one is good.
    #[test]
    fn one_change_is_enough(authors in 0_u16..5, at in any::<prop::sample::Index>(), change in 1_u8..=255) {
        let keys = keys("web", &[&OLD]);
        let mut bytes = URL_SAFE_NO_PAD.decode(token(authors).write(&keys, "x")).expect("base64url");
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        prop_assert!(Token::read(URL_SAFE_NO_PAD.encode(&bytes).as_bytes(), &keys, "x", NOW).is_err());
    }

    #[test]
    fn any_session_comes_back(
        id in any::<[u8; 16]>(),
        instants in [0_u64..1 << 48, 0..1 << 48],
        times in any::<[u32; 2]>(),
        written in proptest::collection::vec((any::<u16>(), any::<u32>(), any::<u64>(), any::<u64>()), 0..5),
    ) {
        let [started, login] = instants.map(Time);
        let [end, made] = times.map(|seconds| Time(u64::from(seconds) * 1000));
        let seen = |(pop, node, life, version)| Versioned {
            author: Author { actor: Actor { pop: PopId(pop), node }, incarnation: Incarnation(life) },
            version: Version::numbered(version),
        };
        let context = written.into_iter().map(seen).collect();
        let token = Token { id, started, login, end: end.plus(1000), made, context };
        let keys = keys("web", &[&OLD]);
        let read = Token::read(token.write(&keys, "").as_bytes(), &keys, "", Time(0)).map(|(token, _)| token);
        let end = token.end.0.min(u64::from(u32::MAX) * 1000);
        prop_assert_eq!(read, Ok(Token { end: Time(end), ..token }));
    }
}
