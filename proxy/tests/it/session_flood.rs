//! Cookies by the thousand that name nobody: made up, changed, cut, too long, of a session that is over, or an attacker's.

use std::collections::BTreeMap;

use crate::session::{SESSIONS, cookie_of, edge, origin};
use crate::support::{Edge, KeptOpen, Noise, get_with, metrics};

const COOKIES: usize = 10_000;

/// What requests' cookies came to so far.
async fn standings(edge: &Edge) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let (standing, count) = line.strip_prefix("selvedge_session_requests_total{standing=\"")?.split_once("\"} ")?;
        Some((standing.to_owned(), count.parse().ok()?))
    };
    metrics(edge).await.lines().filter_map(line).collect()
}

/// How many sessions are held.
async fn held(edge: &Edge) -> u64 {
    let text = metrics(edge).await;
    text.lines().find_map(|line| line.strip_prefix("selvedge_sessions ")?.parse().ok()).expect("the gauge")
}

/// A cookie of one kind, and what it is to come to.
fn cookie(nth: usize, (good, dead): (&str, &str), noise: &mut Noise) -> (String, &'static str) {
    let mut text = good.as_bytes().to_vec();
    match nth % 6 {
        // In its id, or in its signature but for the last character, which has bits that say nothing.
        0 => {
            let at = if noise.below(2) == 0 { 8 + noise.below(16) } else { good.len() - 40 + noise.below(36) };
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            (String::from_utf8(text).expect("text"), "forged")
        }
        1 => {
            let end = noise.below(good.len() / 4 - 8) * 4;
            (good[..end.max(4)].to_owned(), "truncated")
        }
        2 => ("A".repeat(600 + noise.below(1000)), "overlong"),
        3 => (format!("made.up.{nth}"), "malformed"),
        4 => (dead.to_owned(), "revoked"),
        _ => {
            // Of another key, as one would be that an attacker signed himself.
            text[2] = if text[2] == b'A' { b'B' } else { b'A' };
            (String::from_utf8(text).expect("text"), "key")
        }
    }
}

#[tokio::test]
async fn a_flood_of_cookies_that_nobody_gave_names_nobody_and_leaves_nothing_behind() {
    let origin = origin().await;
    let edge = edge(&origin, SESSIONS).await;
    let start = async |cookie: &str, path: &str| {
        let answer = get_with(edge.address(), "test", path, &format!("Cookie: __Host-web={cookie}\r\n")).await;
        cookie_of(&answer, "web").unwrap_or_else(|| cookie.to_owned())
    };
    let good = start(&start("", "/start").await, "/name?user=ann").await;
    let dead = start(&start("", "/start").await, "/name?user=bob").await;
    assert_eq!(start(&dead, "/logout").await, "");
    // Ann logs in with a session that somebody else knows.
    let fixed = start("", "/start").await;
    let hers = start(&fixed, "/login?user=ann").await;
    assert_ne!(hers, fixed);
    let (mut noise, sessions) = (Noise::new(), held(&edge).await);
    let (before, memory) = (standings(&edge).await, edge.resident_kib());
    let mut expected: BTreeMap<String, u64> = before.clone();
    let mut connection = KeptOpen::connect(edge.address()).await;
    for nth in 0..COOKIES {
        if nth % 500 == 0 {
            connection = KeptOpen::connect(edge.address()).await;
        }
        let (cookie, standing) = match nth % 10 {
            0 => (fixed.clone(), "revoked"),
            _ => cookie(nth, (&good, &dead), &mut noise),
        };
        let answer = connection.get_with("test", "/members", &format!("Cookie: __Host-web={cookie}\r\n")).await;
        assert_eq!((answer.status, answer.header("set-cookie")), (403, ""), "{cookie} is {standing}");
        *expected.entry(standing.to_owned()).or_default() += 1;
    }
    assert_eq!(standings(&edge).await, expected);
    assert_eq!(held(&edge).await, sessions, "nothing is kept of any of them");
    let grown = edge.resident_kib().zip(memory).map(|(now, before)| now.saturating_sub(before));
    println!("{COOKIES} cookies, {grown:?} KiB more");
    assert!(grown.is_none_or(|grown| grown < 32 * 1024), "{grown:?} KiB");
    // Whoever was there before still is.
    for cookie in [&good, &hers] {
        let answer = get_with(edge.address(), "test", "/members", &format!("Cookie: __Host-web={cookie}\r\n")).await;
        assert_eq!(answer.status, 200);
    }
}
