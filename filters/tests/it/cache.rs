//! The cache's decisions, one table each: what is said, what follows.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;
use selvedge_filters::Head;
use selvedge_filters::cache::{
    Answer, Asked, Bypass, Forward, KeyParts, Lifetime, Lookup, NotStored, Outcome, Scheme, Stored, VARY_FIELDS_MAX,
    Vary, cache_status, freshness, hop_by_hop, request_admits, variance, vary,
};

/// Fields from `name: value` lines.
pub(crate) fn fields(lines: &[&str]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').expect("a field line");
        map.append(
            HeaderName::from_bytes(name.as_bytes()).expect("a name"),
            HeaderValue::from_str(value.trim()).expect("a value"),
        );
    }
    map
}

pub(crate) fn now() -> SystemTime {
    httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").expect("a date")
}

/// The decision about a response that arrives now, `delay` after its request was sent.
pub(crate) fn decide(status: u16, lines: &[&str], authorized: bool, delay: u64) -> Result<Stored, NotStored> {
    decide_ruled(status, lines, (authorized, None), delay)
}

/// The same, where a rule may say how long it lives.
pub(crate) fn decide_ruled(
    status: u16,
    lines: &[&str],
    (authorized, ruled): (bool, Option<Lifetime>),
    delay: u64,
) -> Result<Stored, NotStored> {
    freshness(&Answer {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: &fields(lines),
        asked: Asked { authorized, ruled, ..Asked::default() },
        request_time: now() - Duration::from_secs(delay),
        response_time: now(),
    })
}

/// What of a decision most tables look at: fresh, stale-while-revalidate, stale-if-error, in seconds.
fn windows(lines: &[&str]) -> Result<(u64, u64, u64), NotStored> {
    let stored = decide(200, lines, false, 0)?;
    Ok((stored.fresh_for.as_secs(), stored.stale_while_revalidate.as_secs(), stored.stale_if_error.as_secs()))
}

/// Field lines, and the windows they lead to.
type Row<'a> = (&'a [&'a str], Result<(u64, u64, u64), NotStored>);

fn check(table: &[Row<'_>]) {
    for (lines, expected) in table {
        assert_eq!(windows(lines), *expected, "{lines:?}");
    }
}

#[test]
fn lifetime_is_taken_in_the_order_of_rfc_9111_section_4_2_1() {
    const DATE: &str = "date: Sun, 06 Nov 1994 08:49:37 GMT";
    const IN_100: &str = "expires: Sun, 06 Nov 1994 08:51:17 GMT";
    check(&[
        (&["cache-control: max-age=60"], Ok((60, 0, 0))),
        (&["cache-control: s-maxage=5, max-age=60"], Ok((5, 0, 0))),
        (&["cache-control: max-age=60", IN_100, DATE], Ok((60, 0, 0))),
        (&[IN_100, DATE], Ok((100, 0, 0))),
        (&[IN_100], Ok((100, 0, 0))),
        (&["expires: Sun, 06 Nov 1994 08:51:17 GMT", "date: Sun, 06 Nov 1994 08:51:07 GMT"], Ok((10, 0, 0))),
        (&["expires: 0"], Err(NotStored::Stale)),
        (&[IN_100, "expires: Sun, 06 Nov 1994 08:51:18 GMT"], Err(NotStored::Stale)),
        (&[IN_100, IN_100], Ok((100, 0, 0))),
        (&[DATE], Err(NotStored::NoLifetime)),
        (&["cache-control: public"], Err(NotStored::NoLifetime)),
        (&["cache-control: max-age=0"], Err(NotStored::Stale)),
        (&["cache-control: MAX-AGE=\"60\" , Public"], Ok((60, 0, 0))),
        (&["cache-control: max-age=99999999999999999999"], Ok((1 << 31, 0, 0))),
    ]);
}

#[test]
fn contradictions_and_nonsense_are_taken_as_stale_or_worse() {
    check(&[
        (&["cache-control: max-age=60, max-age=60"], Ok((60, 0, 0))),
        (&["cache-control: max-age=60", "cache-control: max-age=600"], Err(NotStored::Stale)),
        (&["cache-control: max-age=60s"], Err(NotStored::Stale)),
        (&["cache-control: max-age=-1"], Err(NotStored::Stale)),
        (&["cache-control: max-age"], Err(NotStored::Stale)),
        (&["cache-control: s-maxage=oops, max-age=60"], Err(NotStored::Stale)),
        (&["cache-control: max-age=60, no-store"], Err(NotStored::NoStore)),
        (&["cache-control: max-age=60", "cache-control: NO-STORE"], Err(NotStored::NoStore)),
        (&["cache-control: max-age=60, x=\"unterminated, no-store"], Err(NotStored::Malformed)),
        (&["cache-control: max-age=60, x=\"no-store, private\""], Ok((60, 0, 0))),
        (&["cache-control: max-age=60, x=\"a\\\", no-store\""], Ok((60, 0, 0))),
        (&["cache-control: ,, max-age=60 ,"], Ok((60, 0, 0))),
        (&["cache-control: max-age=60, private"], Err(NotStored::Private)),
        (&["cache-control: max-age=60, private=\"set-cookie\""], Err(NotStored::Private)),
        (&["cache-control: max-age=60, no-cache"], Err(NotStored::NoCache)),
        (&["cache-control: max-age=60, no-cache=\"x-a\""], Err(NotStored::NoCache)),
    ]);
}

#[test]
fn the_targeted_field_replaces_cache_control_and_expires() {
    check(&[
        (&["cdn-cache-control: max-age=600", "cache-control: no-store"], Ok((600, 0, 0))),
        (&["cdn-cache-control: no-store", "cache-control: max-age=60"], Err(NotStored::NoStore)),
        (&["cdn-cache-control: no-store=?0, max-age=5", "cache-control: max-age=60"], Ok((5, 0, 0))),
        (&["cdn-cache-control: public", "expires: Sun, 06 Nov 1994 08:51:17 GMT"], Err(NotStored::NoLifetime)),
        (&["cdn-cache-control: max-age=5;note=\"x\", extra=(a b);p, v=:aGk=:, d=@12, f=1.5"], Ok((5, 0, 0))),
        (&["cdn-cache-control: max-age=5", "cdn-cache-control: max-age=7"], Ok((7, 0, 0))),
        (&["cdn-cache-control: max-age=-5"], Err(NotStored::Stale)),
        (&["cdn-cache-control: private=\"x\", max-age=5"], Err(NotStored::Private)),
        // One error anywhere, and the field is as if absent.
        (&["cdn-cache-control: max-age=5,", "cache-control: max-age=60"], Ok((60, 0, 0))),
        (&["cdn-cache-control: Max-Age=5", "cache-control: max-age=60"], Ok((60, 0, 0))),
        (&["cdn-cache-control: max-age=\"5", "cache-control: max-age=60"], Ok((60, 0, 0))),
        (&["cdn-cache-control: max-age=5 no-store", "cache-control: max-age=60"], Ok((60, 0, 0))),
        (&["cdn-cache-control:", "cache-control: max-age=60"], Ok((60, 0, 0))),
    ]);
}

#[test]
fn age_is_subtracted_and_the_exchange_counts() {
    /// Field lines, the exchange's seconds, and what is left of freshness and already aged.
    type Aged<'a> = (&'a [&'a str], u64, Result<(u64, u64), NotStored>);
    let table: &[Aged<'_>] = &[
        (&["cache-control: max-age=60", "age: 20"], 0, Ok((40, 20))),
        (&["cache-control: max-age=60", "age: 20"], 5, Ok((35, 25))),
        (&["cache-control: max-age=60"], 5, Ok((55, 5))),
        (&["cache-control: max-age=60", "age: 60"], 0, Err(NotStored::Stale)),
        (&["cache-control: max-age=60", "age: 20, 50"], 0, Ok((40, 20))),
        (&["cache-control: max-age=60", "age: soon"], 0, Ok((60, 0))),
        (&["cache-control: max-age=60", "age: -5"], 0, Ok((60, 0))),
        (&["cache-control: max-age=60", "age: 99999999999999999999"], 0, Err(NotStored::Stale)),
    ];
    for (lines, delay, expected) in table {
        let got = decide(200, lines, false, *delay).map(|stored| (stored.fresh_for.as_secs(), stored.age.as_secs()));
        assert_eq!(got, *expected, "{lines:?} after {delay} s");
    }
}

#[test]
fn stale_windows_are_the_explicit_ones() {
    check(&[
        (&["cache-control: max-age=60, stale-while-revalidate=30, stale-if-error=90"], Ok((60, 30, 90))),
        (&["cache-control: s-maxage=60, stale-while-revalidate=30, stale-if-error=90"], Ok((60, 30, 90))),
        (&["cache-control: max-age=60, must-revalidate, stale-while-revalidate=30, stale-if-error=90"], Ok((60, 0, 0))),
        (&["cache-control: max-age=60, proxy-revalidate, stale-if-error=90"], Ok((60, 0, 0))),
        (&["cache-control: max-age=60, stale-if-error=lots"], Ok((60, 0, 0))),
        (&["cache-control: max-age=0, stale-while-revalidate=30"], Ok((0, 30, 0))),
        // Overdue by 10 s on arrival: that much of the window is over.
        (&["cache-control: max-age=60, stale-while-revalidate=30", "age: 70"], Ok((0, 20, 0))),
        (&["cache-control: max-age=60, stale-while-revalidate=30", "age: 90"], Err(NotStored::Stale)),
        // Each use would wait for the origin.
        (&["cache-control: max-age=0, stale-if-error=90"], Err(NotStored::Stale)),
    ]);
}

#[test]
fn authorized_responses_need_a_permission() {
    let table: &[(&str, Result<(), NotStored>)] = &[
        ("max-age=60", Err(NotStored::Authorization)),
        ("max-age=60, public", Ok(())),
        ("max-age=60, must-revalidate", Ok(())),
        ("max-age=60, proxy-revalidate", Err(NotStored::Authorization)),
        ("s-maxage=60", Ok(())),
        ("s-maxage=60, private", Err(NotStored::Private)),
    ];
    for (value, expected) in table {
        let line = format!("cache-control: {value}");
        assert_eq!(decide(200, &[&line], true, 0).map(|_| ()), *expected, "{value}");
        // The targeted field replaces Cache-Control here too.
        let both = [line.as_str(), "cdn-cache-control: max-age=60"];
        assert_eq!(decide(200, &both, true, 0).map(|_| ()), Err(NotStored::Authorization), "{value}");
    }
}

#[test]
fn what_the_response_is_decides_too() {
    let with = |status, extra: &str| decide(status, &["cache-control: max-age=60", extra], false, 0).map(|_| ());
    for status in [200, 203, 204, 301, 302, 307, 404, 410, 500, 503] {
        assert_eq!(with(status, "x-a: 1"), Ok(()), "{status}");
    }
    for status in [100, 101, 103, 206, 304] {
        assert_eq!(with(status, "x-a: 1"), Err(NotStored::Status), "{status}");
    }
    assert_eq!(with(200, "cache-control: must-understand"), Ok(()));
    assert_eq!(with(599, "cache-control: must-understand"), Err(NotStored::Status));
    assert_eq!(with(200, "set-cookie: a=b"), Err(NotStored::SetCookie));
    assert_eq!(with(200, "vary: *"), Err(NotStored::VaryAny));
    assert_eq!(with(200, "vary: accept, *"), Err(NotStored::VaryAny));
    assert_eq!(with(200, "vary: accept, bad name"), Err(NotStored::VaryAny));
    assert_eq!(with(200, "vary: accept"), Ok(()));
}

#[test]
fn a_wide_vary_is_refused_at_its_bound() {
    let names = |count: usize| (0..count).map(|n| format!("x-{n}")).collect::<Vec<_>>().join(",");
    let at = fields(&[&format!("vary: {}", names(VARY_FIELDS_MAX))]);
    assert!(matches!(vary(&at), Vary::Fields(held) if held.len() == VARY_FIELDS_MAX));
    let over = fields(&[&format!("vary: {}", names(VARY_FIELDS_MAX + 1))]);
    assert_eq!(vary(&over), Vary::TooWide);
    assert_eq!(
        decide(200, &["cache-control: max-age=60", &format!("vary: {}", names(VARY_FIELDS_MAX + 1))], false, 0),
        Err(NotStored::VaryTooWide)
    );
}

#[test]
fn requests_that_mean_the_same_share_a_variant() {
    let stored = fields(&["vary: Accept-Encoding", "vary: x-lang, accept-encoding"]);
    let of = |lines: &[&str]| variance(&stored, &fields(lines), None).expect("varies");
    let base = of(&["accept-encoding: gzip, br", "x-lang: de"]);
    let same: &[&[&str]] = &[
        &["accept-encoding: br,gzip", "x-lang: de"],
        &["accept-encoding: BR;q=1.0, x-gzip;q=0.5, identity", "x-lang:  de "],
        &["accept-encoding: gzip", "accept-encoding: br, zstd;q=0, foo;q=0.000", "x-lang: de"],
    ];
    for lines in same {
        assert_eq!(of(lines), base, "{lines:?}");
    }
    let other: &[&[&str]] = &[
        &["accept-encoding: gzip", "x-lang: de"],
        &["accept-encoding: gzip, br, foo", "x-lang: de"],
        &["accept-encoding: gzip, br, identity;q=0", "x-lang: de"],
        &["accept-encoding: gzip, br, *", "x-lang: de"],
        &["accept-encoding: gzip, br", "x-lang: DE"],
        &["accept-encoding: gzip, br", "x-lang:"],
        &["accept-encoding: gzip, br"],
        &["x-lang: de"],
    ];
    for lines in other {
        assert_ne!(of(lines), base, "{lines:?}");
    }
    assert_ne!(of(&["x-lang:"]), of(&[]), "an empty field is not an absent one");
    assert_eq!(variance(&fields(&["x-a: 1"]), &fields(&["x-lang: de"]), None), None);
}

#[test]
fn requests_are_admitted_or_say_why_not() {
    let table: &[(&str, &[&str], Result<Lookup, Bypass>)] = &[
        ("GET", &[], Ok(Lookup::Shared)),
        ("HEAD", &["cookie: a=b"], Ok(Lookup::Shared)),
        ("GET", &["authorization: Basic x"], Ok(Lookup::Authorized)),
        ("GET", &["cache-control: no-cache, max-age=0", "pragma: no-cache"], Ok(Lookup::Shared)),
        ("GET", &["cache-control: max-age=0, No-Store"], Err(Bypass::NoStore)),
        ("GET", &["cache-control: x=\"open"], Err(Bypass::NoStore)),
        ("get", &[], Err(Bypass::Method)),
        ("POST", &[], Err(Bypass::Method)),
        ("PURGE", &[], Err(Bypass::Method)),
        ("GET", &["content-length: 0"], Ok(Lookup::Shared)),
        ("GET", &["content-length: 1"], Err(Bypass::Body)),
        ("GET", &["transfer-encoding: chunked"], Err(Bypass::Body)),
        ("GET", &["upgrade: websocket", "connection: upgrade"], Err(Bypass::Upgrade)),
    ];
    for (method, lines, expected) in table {
        let headers = fields(lines);
        let head = Head::plain(method, "example.org", "/", &headers, IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!(request_admits(&head), *expected, "{method} {lines:?}");
    }
}

#[test]
fn cache_status_is_a_structured_field() {
    let forwarded = |why, status, stored, ttl| Outcome::Forwarded { why, status, stored, ttl };
    let table = [
        ("fra", Outcome::Hit { ttl: 376 }, None, "fra; hit; ttl=376"),
        (
            "fra",
            Outcome::Hit { ttl: -30 },
            Some("stale-while-revalidate"),
            "fra; hit; ttl=-30; detail=stale-while-revalidate",
        ),
        ("fra", forwarded(Forward::UriMiss, None, true, Some(60)), None, "fra; fwd=uri-miss; stored; ttl=60"),
        (
            "fra",
            forwarded(Forward::UriMiss, None, false, None),
            Some("set-cookie"),
            "fra; fwd=uri-miss; detail=set-cookie",
        ),
        ("fra", forwarded(Forward::VaryMiss, None, true, Some(9)), None, "fra; fwd=vary-miss; stored; ttl=9"),
        (
            "fra",
            forwarded(Forward::Stale, Some(304), true, Some(60)),
            None,
            "fra; fwd=stale; fwd-status=304; stored; ttl=60",
        ),
        ("fra", forwarded(Forward::Bypass, None, false, None), Some("no-store"), "fra; fwd=bypass; detail=no-store"),
        ("fra", forwarded(Forward::Method, None, false, None), None, "fra; fwd=method"),
        ("fra", Outcome::Collapsed { why: Forward::UriMiss, ttl: 60 }, None, "fra; fwd=uri-miss; collapsed; ttl=60"),
        ("1 \"a\"\u{e9}\n", Outcome::Hit { ttl: 1 }, None, "\"1 \\\"a\\\"\"; hit; ttl=1"),
    ];
    for (pop, outcome, detail, expected) in table {
        assert_eq!(cache_status(pop, outcome, detail), expected);
    }
}

#[test]
fn fields_of_one_hop_are_named_once() {
    let headers = fields(&[
        "connection: close, X-Secret, bad name, x-absent",
        "connection: keep-alive",
        "keep-alive: timeout=5",
        "transfer-encoding: chunked",
        "x-secret: 1",
        "x-secret: 2",
        "proxy-authenticate: Basic",
        "content-type: text/plain",
    ]);
    let names: Vec<_> = hop_by_hop(&headers).into_iter().map(|name| name.as_str().to_owned()).collect();
    assert_eq!(names, ["connection", "keep-alive", "proxy-authenticate", "transfer-encoding", "x-secret"]);
    assert!(hop_by_hop(&fields(&["content-type: text/plain"])).is_empty());
}

#[test]
fn a_rules_lifetime_stands_for_what_the_response_says_of_its_own() {
    let hour = Lifetime { ttl: Duration::from_secs(3600), stale_while_revalidate: None, stale_if_error: None };
    let ruled = |status, lines: &[&str], lifetime| {
        let stored = decide_ruled(status, lines, (false, Some(lifetime)), 0)?;
        Ok((stored.fresh_for.as_secs(), stored.stale_while_revalidate.as_secs(), stored.stale_if_error.as_secs()))
    };
    for lines in
        [&[][..], &["cache-control: max-age=5"], &["cache-control: max-age=0"], &["expires: 0"], &["age: 9999"]]
    {
        assert_eq!(ruled(200, lines, hour), Ok((3600, 0, 0)), "{lines:?}");
    }
    assert_eq!(ruled(404, &[], hour), Ok((3600, 0, 0)), "cacheable by default");
    for status in [302, 403, 500, 503] {
        assert_eq!(ruled(status, &[], hour), Err(NotStored::NoLifetime), "{status} is not cacheable by default");
        assert_eq!(ruled(status, &["cache-control: max-age=5"], hour), Ok((5, 0, 0)), "{status} says so itself");
    }
    let windows = Lifetime { stale_while_revalidate: Some(Duration::from_secs(60)), ..hour };
    let said = "cache-control: stale-while-revalidate=7, stale-if-error=8";
    assert_eq!(ruled(200, &[said], hour), Ok((3600, 7, 8)), "as the response says");
    assert_eq!(ruled(200, &[said], windows), Ok((3600, 60, 8)));
    assert_eq!(ruled(200, &["cache-control: must-revalidate"], windows), Ok((3600, 0, 0)));
    let none = Lifetime { ttl: Duration::ZERO, ..hour };
    assert_eq!(ruled(200, &["cache-control: max-age=5"], none), Err(NotStored::Stale));
}

#[test]
fn a_rules_lifetime_stores_nothing_that_may_not_be_stored() {
    let hour = Lifetime { ttl: Duration::from_secs(3600), stale_while_revalidate: None, stale_if_error: None };
    for (lines, why) in [
        (&["cache-control: no-store"][..], NotStored::NoStore),
        (&["cache-control: private"], NotStored::Private),
        (&["cache-control: no-cache"], NotStored::NoCache),
        (&["set-cookie: a=b"], NotStored::SetCookie),
        (&["vary: *"], NotStored::VaryAny),
    ] {
        assert_eq!(decide_ruled(200, lines, (false, Some(hour)), 0), Err(why), "{lines:?}");
    }
    assert_eq!(decide_ruled(200, &[], (true, Some(hour)), 0), Err(NotStored::Authorization));
    assert_eq!(decide_ruled(206, &[], (false, Some(hour)), 0), Err(NotStored::Status));
}

/// Text that looks like directives, broken in all the ways it can be.
fn directive_text() -> impl Strategy<Value = String> {
    "([a-z*?@:(); \t=,\"\\\\0-9.-]|no-store|max-age=|s-maxage=){0,24}"
}

proptest! {
    #[test]
    fn different_targets_have_different_keys(
        a in ("[a-z.]{0,4}", "[/a-z]{0,4}", proptest::option::of("[a-z&]{0,3}"), proptest::option::of("[ab]{0,2}")),
        b in ("[a-z.]{0,4}", "[/a-z]{0,4}", proptest::option::of("[a-z&]{0,3}"), proptest::option::of("[ab]{0,2}")),
        (x, y) in (any::<bool>(), any::<bool>()),
    ) {
        let scheme = |secure| if secure { Scheme::Https } else { Scheme::Http };
        let left = KeyParts { scheme: scheme(x), authority: &a.0, path: &a.1, query: a.2.as_deref(), origin: a.3.as_deref() };
        let right = KeyParts { scheme: scheme(y), authority: &b.0, path: &b.1, query: b.2.as_deref(), origin: b.3.as_deref() };
        prop_assert_eq!(left == right, left.encode() == right.encode());
    }

    /// No text makes the decision panic, and a `no-store` that stands as a member of its own is never overlooked.
    #[test]
    fn no_store_is_never_overlooked(before in directive_text(), cdn in directive_text()) {
        let headers = fields(&[&format!("cache-control: {before}"), "cache-control: max-age=60, no-store"]);
        let answer = |headers| freshness(&Answer {
            status: StatusCode::OK, headers, asked: Asked::default(), request_time: now(), response_time: now(),
        });
        prop_assert!(matches!(answer(&headers), Err(NotStored::NoStore | NotStored::Malformed)));
        let _ = answer(&fields(&[&format!("cdn-cache-control: {cdn}")]));
    }
}

#[test]
fn a_key_is_cut_by_its_lengths() {
    let key =
        |authority, path, query| KeyParts { scheme: Scheme::Https, authority, path, query, origin: None }.encode();
    assert_ne!(key("a.example", "/b", None), key("a.exampl", "e/b", None));
    assert_ne!(key("a", "/b", Some("")), key("a", "/b", None));
    assert_ne!(key("a", "/b", Some("c")), key("a", "/bc", Some("")));
}
