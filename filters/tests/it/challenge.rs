//! Puzzles and passes: what was posed and solved is believed, at every POP with the same keys, and nothing else is.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::COOKIE;
use proptest::prelude::*;
use ring::digest::{SHA256, digest};
use selvedge_filters::challenge::{Challenge, Client, NONCE_LEN, Outcome, PURPOSE, Refused};
use selvedge_filters::limit::Holds;
use selvedge_filters::{From, Indexing, Keys, Reply, RuleId, SiteId, Tables, Verdict};
use selvedge_state::Time;

use crate::support::{Ask, World, config};

const NOW: Time = Time(1_800_000_000_000);
const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 40] = [2; 40];
/// Two minutes, and an hour.
const SOLVE: u64 = 120_000;
const LASTS: u64 = 3_600_000;
const BITS: u8 = 8;

fn challenge(secrets: &[&[u8]]) -> Challenge {
    Challenge::new(Arc::new(Keys::new(PURPOSE, secrets).expect("keys")), "pass", SOLVE, LASTS)
}

fn client(address: &str) -> Client<'static> {
    Client { address: address.parse().expect("an address"), host: "a.example" }
}

/// Tries numbers, as a client does.
fn solve(puzzle: &str, bits: u8) -> String {
    let solves = |number: &u32| {
        let hash = digest(&SHA256, &[puzzle.as_bytes(), &number.to_be_bytes()[..]].concat());
        let first = u32::from_be_bytes(hash.as_ref()[..4].try_into().expect("four bytes"));
        first.leading_zeros() >= bits.into()
    };
    format!("{puzzle}.{}", (0..).find(solves).expect("a solution"))
}

#[test]
fn what_is_solved_at_one_pop_passes_at_another() {
    let (here, there) = (challenge(&[&OLD]), challenge(&[&OLD]));
    let client = client("192.0.2.7");
    let puzzle = here.pose(client, BITS, [7; NONCE_LEN], NOW);
    assert_eq!(puzzle.len(), 104, "whole words of four bytes");
    let pass = there.accept(solve(&puzzle, BITS).as_bytes(), client, NOW.plus(5_000)).expect("a pass");
    assert_eq!(pass.end, NOW.plus(LASTS));
    assert!(pass.text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{}", pass.text);
    for challenge in [&here, &there] {
        assert_eq!(challenge.passed(pass.text.as_bytes(), client, pass.end.minus(1)), Ok(BITS));
        assert_eq!(challenge.passed(pass.text.as_bytes(), client, pass.end), Err(Refused::Expired));
    }
}

/// Whoever sends a solution again gets the pass that it has: nothing grows by it, and it ends when the first one does.
#[test]
fn a_solution_that_is_sent_again_gives_the_same_pass() {
    let challenge = challenge(&[&OLD]);
    let client = client("192.0.2.7");
    let solution = solve(&challenge.pose(client, BITS, [7; NONCE_LEN], NOW), BITS);
    let first = challenge.accept(solution.as_bytes(), client, NOW).expect("a pass");
    let last = challenge.accept(solution.as_bytes(), client, NOW.plus(SOLVE - 1)).expect("a pass");
    assert_eq!(first, last);
    assert_eq!(challenge.accept(solution.as_bytes(), client, NOW.plus(SOLVE)), Err(Refused::Expired));
}

/// A network is what a client counts as elsewhere: one IPv4 address, and a /64 of IPv6.
#[test]
fn a_pass_is_for_one_network_and_one_host() {
    let challenge = challenge(&[&OLD]);
    for (mine, same, other) in
        [("192.0.2.7", "::ffff:192.0.2.7", "192.0.2.8"), ("2001:db8:0:1::7", "2001:db8:0:1:ffff::8", "2001:db8:0:2::7")]
    {
        let (mine, same, other) = (client(mine), client(same), client(other));
        let solution = solve(&challenge.pose(mine, BITS, [7; NONCE_LEN], NOW), BITS);
        let pass = challenge.accept(solution.as_bytes(), same, NOW).expect("a pass").text;
        assert_eq!(challenge.passed(pass.as_bytes(), mine, NOW), Ok(BITS));
        let elsewhere = Client { host: "b.example", ..mine };
        for (client, reason) in [(other, Refused::Network), (elsewhere, Refused::Host)] {
            assert_eq!(challenge.accept(solution.as_bytes(), client, NOW), Err(reason));
            assert_eq!(challenge.passed(pass.as_bytes(), client, NOW), Err(reason));
        }
    }
}

#[test]
fn keys_are_exchanged_while_passes_and_puzzles_stay_good() {
    let (before, between, after) = (challenge(&[&OLD]), challenge(&[&NEW, &OLD]), challenge(&[&NEW]));
    let client = client("192.0.2.7");
    let solution = solve(&before.pose(client, BITS, [7; NONCE_LEN], NOW), BITS);
    let old = before.accept(solution.as_bytes(), client, NOW).expect("a pass").text;
    let new = between.accept(solution.as_bytes(), client, NOW).expect("a pass").text;
    assert_eq!(between.passed(old.as_bytes(), client, NOW), Ok(BITS));
    assert_eq!(after.passed(new.as_bytes(), client, NOW), Ok(BITS));
    assert_eq!(after.passed(old.as_bytes(), client, NOW), Err(Refused::Key));
    assert_eq!(after.accept(solution.as_bytes(), client, NOW), Err(Refused::Key));
}

#[test]
fn each_thing_that_is_wrong_has_its_reason() {
    let challenge = challenge(&[&OLD]);
    let client = client("192.0.2.7");
    let puzzle = challenge.pose(client, 24, [7; NONCE_LEN], NOW);
    let bytes = URL_SAFE_NO_PAD.decode(&puzzle).expect("base64url");
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        format!("{}.1", URL_SAFE_NO_PAD.encode(bytes))
    };
    let session = Challenge::new(Arc::new(Keys::new("challenge", &[OLD]).expect("keys")), "pass", SOLVE, LASTS);
    let easy = solve(&challenge.pose(client, BITS, [7; NONCE_LEN], NOW), BITS);
    let pass = challenge.accept(easy.as_bytes(), client, NOW).expect("a pass").text;
    for (solution, reason) in [
        (format!("{puzzle}.12345678901"), Refused::Overlong),
        (String::new(), Refused::Malformed),
        (puzzle.clone(), Refused::Malformed),
        (format!("{puzzle}."), Refused::Malformed),
        (format!("{puzzle}.-1"), Refused::Malformed),
        (format!("{puzzle}.+1"), Refused::Malformed),
        (format!("{puzzle}.4294967296"), Refused::Malformed),
        (format!("{puzzle}.1.1"), Refused::Malformed),
        (format!("{}.1", &puzzle[..puzzle.len() - 4]), Refused::Malformed),
        (format!("{pass}.1"), Refused::Version),
        (with(0, 3), Refused::Version),
        (with(1, bytes[1] ^ 1), Refused::Key),
        (format!("{}.1", session.pose(client, 24, [7; NONCE_LEN], NOW)), Refused::Key),
        // When it was made, its bits, its random bytes, and the signature itself.
        (with(8, bytes[8] ^ 1), Refused::Forged),
        (with(9, 0), Refused::Forged),
        (with(30, bytes[30] ^ 1), Refused::Forged),
        (with(77, bytes[77] ^ 1), Refused::Forged),
        (format!("{puzzle}.1"), Refused::Unsolved),
        // What solves eight bits does not solve more.
        (easy.replace(&easy[..104], &puzzle), Refused::Unsolved),
    ] {
        assert_eq!(challenge.accept(solution.as_bytes(), client, NOW), Err(reason), "{solution}");
    }
    assert_eq!(challenge.passed(puzzle.as_bytes(), client, NOW), Err(Refused::Overlong));
    assert_eq!(challenge.passed(&puzzle.as_bytes()[..76], client, NOW), Err(Refused::Version));
    assert_eq!(challenge.passed(&pass.as_bytes()[..76], client, NOW), Err(Refused::Malformed));
}

proptest! {
    /// Reading is total, and what was not signed is never believed.
    #[test]
    fn nothing_that_was_made_up_is_believed(bytes in proptest::collection::vec(any::<u8>(), 0..120), number: u32) {
        let challenge = challenge(&[&OLD, &NEW]);
        let client = client("192.0.2.7");
        for text in [bytes.clone(), URL_SAFE_NO_PAD.encode(&bytes).into_bytes()] {
            prop_assert!(challenge.passed(&text, client, NOW).is_err());
            let solution = [&text, format!(".{number}").as_bytes()].concat();
            prop_assert!(challenge.accept(&solution, client, NOW).is_err());
        }
    }

    /// No change to a good one is good.
    #[test]
    fn one_change_is_enough(nonce: [u8; NONCE_LEN], at: prop::sample::Index, change in 1_u8..=255) {
        let challenge = challenge(&[&OLD]);
        let client = client("2001:db8::1");
        let pass = challenge.accept(solve(&challenge.pose(client, 1, nonce, NOW), 1).as_bytes(), client, NOW);
        let mut bytes = URL_SAFE_NO_PAD.decode(pass.expect("a pass").text).expect("base64url");
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        prop_assert!(challenge.passed(URL_SAFE_NO_PAD.encode(&bytes).as_bytes(), client, NOW).is_err());
    }

    /// Whatever is posed to whomever is solved by them alone.
    #[test]
    fn what_is_posed_is_for_whom_it_was_posed(
        nonce: [u8; NONCE_LEN], mine: IpAddr, other: IpAddr, bits in 1_u8..6, seconds in 0..1_000_u64
    ) {
        let challenge = challenge(&[&OLD]);
        let [mine, other] = [mine, other].map(|address| Client { address, host: "a.example" });
        let solution = solve(&challenge.pose(mine, bits, nonce, NOW), bits);
        let accepted = challenge.accept(solution.as_bytes(), mine, NOW.plus(seconds * 1000));
        prop_assert_eq!(accepted.is_ok(), seconds * 1000 < SOLVE);
        if let Ok(pass) = accepted {
            prop_assert_eq!(challenge.passed(pass.text.as_bytes(), mine, NOW), Ok(bits));
            let same = selvedge_filters::client_net(mine.address) == selvedge_filters::client_net(other.address);
            prop_assert_eq!(challenge.passed(pass.text.as_bytes(), other, NOW).is_ok(), same);
        }
    }
}

/// A POP with `[challenge]` and these rules.
fn world(rules: &str) -> World {
    let tables = Tables { challenge: Some(Arc::new(challenge(&[&OLD]))), ..Tables::default() };
    World::of(1, config(&format!("[challenge]\nkeys = [\"a.key\"]\n{rules}")), tables, Indexing::On)
}

/// A request with a pass of so many bits.
fn passing(world: &World, bits: u8) -> Ask {
    let mine = Client { address: "192.0.2.1".parse().expect("an address"), host: "www.example.com" };
    let challenge = world.filters.challenge().expect("challenges");
    let solution = solve(&challenge.pose(mine, bits, [7; NONCE_LEN], world.now), bits);
    let pass = challenge.accept(solution.as_bytes(), mine, world.now).expect("a pass").text;
    let cookie = format!("a=b; pass={pass}; pass=other").parse().expect("a cookie");
    Ask { headers: HeaderMap::from_iter([(COOKIE, cookie)]), ..Ask::default() }
}

/// A rule that challenges answers who has no pass, or one that cost less; of others it says nothing, and the next rule is asked.
#[test]
fn with_a_pass_a_rule_goes_on() {
    let world = world(
        "[[rule]]\nname = \"a\"\ndo = { challenge = { difficulty = 10 }, tag = \"a\" }\n\
         [[rule]]\nname = \"b\"\nwhen = 'challenge.passed'\ndo = { deny = 410 }\n",
    );
    let site = SiteId(0);
    let challenged = Verdict::Challenged { site, rule: RuleId(0), bits: 10 };
    for ask in [Ask::default(), passing(&world, 8)] {
        let decision = world.decide(&ask);
        assert_eq!((decision.verdict, decision.fired), (challenged.clone(), vec![RuleId(0)]));
    }
    for bits in [10, 12] {
        let ask = passing(&world, bits);
        let decision = world.decide(&ask);
        assert_eq!(decision.verdict, Verdict::Denied { site, rule: RuleId(1), status: 410 }, "{bits}");
        assert_eq!((decision.fired.len(), &*decision.tags[0]), (2, "a"), "its effects are done");
        assert_eq!(world.explain(&ask, None).decision.verdict, Verdict::Denied { site, rule: RuleId(1), status: 410 });
    }
    let elsewhere = Ask { client: "192.0.2.2", ..passing(&world, 10) };
    assert_eq!(world.decide(&elsewhere).verdict, challenged, "a pass is for one network");
}

#[test]
fn a_rule_that_watches_challenges_nobody() {
    let world = world("[[rule]]\nname = \"a\"\nmode = \"monitor\"\ndo = { challenge = true }\n");
    let decision = world.decide(&Ask::default());
    assert_eq!((decision.verdict, decision.monitored), (Verdict::Pass(SiteId(0)), vec![RuleId(0)]));
}

/// What is challenged costs nothing of limits; `allow` before it is not challenged, and a ban is told as one.
#[test]
fn challenges_end_the_rules_and_skip_the_limits() {
    let world = world(
        "[[rule]]\nname = \"in\"\nwhen = 'request.path == \"/in\"'\ndo = { allow = true }\n\
         [[rule]]\nname = \"a\"\ndo = { challenge = true }\n\
         [[limit]]\nname = \"l\"\nkey = []\nrate = \"1/1m\"\nburst = 1\n",
    );
    for _ in 0..3 {
        let decision = world.decide(&Ask::default());
        assert!(matches!(decision.verdict, Verdict::Challenged { bits: 18, .. }) && decision.quotas.is_empty());
    }
    assert_eq!(world.decide(&Ask::path("/in")).verdict, Verdict::Pass(SiteId(0)));
    let passing = passing(&world, 18);
    assert_eq!(world.passes(3, &passing), 1, "the limit is asked of who has a pass");
}

/// Counters count what became of challenges, and rules read them.
#[test]
fn failures_are_counted() {
    let world = world(
        "[[counter]]\nname = \"failed\"\nkey = [\"client.net\"]\nwhen = 'challenge.result == \"failed\"'\nwindow = \"10m\"\n\
         [[rule]]\nname = \"guesses\"\nwhen = 'count(\"failed\", client.net, \"10m\") > 2'\ndo = { deny = 403 }\n",
    );
    let headers = HeaderMap::new();
    for outcome in [None, Some(Outcome::Posed), Some(Outcome::Solved), Some(Outcome::Failed), Some(Outcome::Failed)] {
        let reply = Reply { status: 403, headers: &headers, from: From::Edge, cache: "", challenge: outcome };
        for _ in 0..if outcome == Some(Outcome::Failed) { 1 } else { 3 } {
            let ask = Ask::default();
            let of = (SiteId(0), &[][..], &mut Holds::default());
            world.filters.respond(&ask.head(), of, &reply, &world.store, world.now);
        }
    }
    assert_eq!(world.passes(1, &Ask::default()), 1);
    let reply = Reply { status: 403, headers: &headers, from: From::Edge, cache: "", challenge: Some(Outcome::Failed) };
    let of = (SiteId(0), &[][..], &mut Holds::default());
    world.filters.respond(&Ask::default().head(), of, &reply, &world.store, world.now);
    assert_eq!(world.passes(1, &Ask::default()), 0);
    assert_eq!(world.passes(1, &Ask { client: "192.0.2.2", ..Ask::default() }), 1);
}
