//! Puzzles and passes: none is believed but what was given to this client, at this host.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use selvedge_filters::challenge::{Challenge, Client, NONCE_LEN, PURPOSE};
use selvedge_filters::session::Keys;
use selvedge_state::Time;

use super::edited::edited;

const NOW: Time = Time(1_800_000_000_000);

/// So few that some number of an input solves it.
const BITS: u8 = 4;

fn challenge() -> &'static Challenge {
    static CHALLENGE: OnceLock<Challenge> = OnceLock::new();
    CHALLENGE.get_or_init(|| {
        let keys = Keys::new(PURPOSE, &["0123456789abcdef0123456789abcdef"]).expect("a key");
        Challenge::new(Arc::new(keys), "pass", 120_000, 3_600_000)
    })
}

pub(crate) fn run(input: &[u8]) {
    let (challenge, client) = (challenge(), Client { address: IpAddr::from([192, 0, 2, 1]), host: "www.example.com" });
    let other = Client { address: IpAddr::from([192, 0, 2, 2]), ..client };
    let pass = challenge.pass(client, BITS, NOW).text;
    let text = edited(&pass, input);
    let passed = challenge.passed(&text, client, NOW);
    assert_eq!(passed.is_ok(), text == pass.as_bytes(), "{passed:?}");
    assert!(challenge.passed(&text, other, NOW).is_err(), "for another client");
    let puzzle = challenge.pose(client, BITS, [3; NONCE_LEN], NOW);
    let text = edited(&format!("{puzzle}.7"), input);
    let accepted = challenge.accept(&text, client, NOW);
    assert!(accepted.is_err() || text.starts_with(puzzle.as_bytes()), "{accepted:?}");
    assert!(challenge.accept(&text, other, NOW).is_err(), "for another client");
}
