//! The cookie of a session: nothing is believed but what was given, and that is what was said.

use std::sync::OnceLock;

use selvedge_filters::session::{Keys, Token};
use selvedge_state::{Actor, Author, Incarnation, PopId, Time, Version, Versioned};

use super::edited::edited;

const NOW: Time = Time(1_800_000_000_000);

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys::new("web", &["0123456789abcdef0123456789abcdef"]).expect("a key"))
}

/// A token that two POPs wrote in.
fn token() -> Token {
    let written = |pop| Versioned {
        author: Author { actor: Actor { pop: PopId(pop), node: 0 }, incarnation: Incarnation(7) },
        version: Version::numbered(9),
    };
    let (started, end, made) = (NOW.minus(60_000), NOW.plus(60_000), NOW.minus(1_000));
    Token { id: [5; 16], started, login: started, end, made, context: vec![written(1), written(2)] }
}

pub(crate) fn run(input: &[u8]) {
    let given = token().write(keys(), "www.example.com");
    let text = edited(&given, input);
    let read = Token::read(&text, keys(), "www.example.com", NOW);
    assert_eq!(read.is_ok(), text == given.as_bytes(), "{read:?}");
    assert!(read.is_err() || read == Ok((token(), 0)));
    assert!(Token::read(&text, keys(), "other.example.com", NOW).is_err(), "at another site");
}
