//! Cache policies: which one decides, how long responses live under it, and what tells them apart.

use std::time::Duration;

use http::StatusCode;
use selvedge_conf::{CacheTimes, Caching, Keying, OnError};
use selvedge_filters::cache::{
    Answer, Asked, Bypass, Grounds, KeyParts, Lifetime, NotStored, Scheme, Variation, counted, freshness,
    request_admits, variant,
};

use crate::cache::{fields, now};
use crate::support::{Ask, World, config};

fn times(keys: &str) -> CacheTimes {
    let caches = config(&format!("[[cache]]\nname = \"c\"\n{keys}\n")).caches;
    match &caches[0].does {
        Caching::Store(storing) => storing.times,
        Caching::Pass => panic!("it passes"),
    }
}

fn keying(keys: &str) -> Keying {
    match &config(&format!("[[cache]]\nname = \"c\"\nkey = {keys}\n")).caches[0].does {
        Caching::Store(storing) => storing.key.clone(),
        Caching::Pass => panic!("it passes"),
    }
}

/// Seconds of freshness, and why so many.
fn fresh(asked: Asked, status: u16, lines: &[&str]) -> Result<(u64, Grounds), NotStored> {
    let status = StatusCode::from_u16(status).unwrap();
    let headers = &fields(lines);
    let stored = freshness(&Answer { status, headers, asked, request_time: now(), response_time: now() })?;
    Ok((stored.fresh_for.as_secs(), stored.grounds))
}

const DATE: &str = "date: Sun, 06 Nov 1994 08:49:37 GMT";
const IN_100: &str = "expires: Sun, 06 Nov 1994 08:51:17 GMT";

#[test]
fn a_lifetime_says_where_it_comes_from() {
    let rule = Lifetime { ttl: Duration::from_secs(7), stale_while_revalidate: None, stale_if_error: None };
    let ruled = Asked { ruled: Some(rule), ..Asked::default() };
    let heuristic = Asked { heuristic: true, ..Asked::default() };
    for (asked, lines, expected) in [
        (Asked::default(), &["cache-control: max-age=9, s-maxage=8"][..], (8, Grounds::SMaxage)),
        (Asked::default(), &["cache-control: max-age=9"], (9, Grounds::MaxAge)),
        (Asked::default(), &["cache-control: max-age=9", "cdn-cache-control: max-age=8"], (8, Grounds::Targeted)),
        (Asked::default(), &[DATE, IN_100], (100, Grounds::Expires)),
        (Asked::default(), &["cache-control: no-cache", "etag: \"e\""], (0, Grounds::NoCache)),
        (heuristic, &[DATE, "last-modified: Sun, 06 Nov 1994 08:46:17 GMT"], (20, Grounds::Guessed)),
        (ruled, &["cache-control: max-age=9"], (7, Grounds::Rule)),
    ] {
        assert_eq!(fresh(asked, 200, lines), Ok(expected), "{lines:?}");
    }
}

#[test]
fn a_policy_says_how_long_what_may_be_stored_is_fresh() {
    let all = "ttl_default = \"5s\"\nttl_max = \"1m\"\nnegative_ttl = \"3s\"";
    let none = Err(NotStored::NoLifetime);
    for (keys, status, lines, expected) in [
        ("ttl = \"1h\"", 200, &[][..], Ok((3600, Grounds::Ttl))),
        ("ttl = \"1h\"", 301, &["cache-control: max-age=1", "age: 7"], Ok((3600, Grounds::Ttl))),
        ("ttl = \"0s\"", 200, &["cache-control: max-age=9"], Err(NotStored::Stale)),
        // What is not there is not taken for what is.
        ("ttl = \"1h\"", 404, &[], none),
        ("ttl = \"1h\"", 404, &["cache-control: max-age=9"], Ok((9, Grounds::MaxAge))),
        ("ttl = \"1h\"", 500, &[], none),
        ("ttl = \"1h\"\nnegative_ttl = \"3s\"", 404, &[], Ok((3, Grounds::NegativeTtl))),
        (all, 200, &[], Ok((5, Grounds::TtlDefault))),
        (all, 200, &["cache-control: max-age=9"], Ok((9, Grounds::MaxAge))),
        (all, 200, &["cache-control: max-age=90", "age: 10"], Ok((50, Grounds::TtlMax))),
        (all, 200, &["cache-control: max-age=60"], Ok((60, Grounds::MaxAge))),
        (all, 404, &["cache-control: max-age=9"], Ok((9, Grounds::MaxAge))),
        (all, 302, &[], none),
        (all, 200, &["expires: 0"], Err(NotStored::Stale)),
        ("on_error = \"stale\"", 200, &[], none),
    ] {
        let asked = Asked { times: times(keys), ..Asked::default() };
        assert_eq!(fresh(asked, status, lines), expected, "{keys} {status} {lines:?}");
    }
    for status in [404, 405, 410, 414, 501] {
        let asked = Asked { times: times(all), ..Asked::default() };
        assert_eq!(fresh(asked, status, &[]), Ok((3, Grounds::NegativeTtl)), "{status}");
        let cookie = Asked { cookie: true, ..asked };
        assert_eq!(fresh(cookie, status, &[]), none, "{status} to a cookie");
    }
    let cookie = Asked { times: times(all), cookie: true, ..Asked::default() };
    assert_eq!(fresh(cookie, 200, &[]), none, "what answers a cookie may be its owner's");
    let rule = Lifetime { ttl: Duration::from_secs(7), stale_while_revalidate: None, stale_if_error: None };
    let both = Asked { times: times("ttl = \"1h\""), ruled: Some(rule), ..Asked::default() };
    assert_eq!(fresh(both, 200, &[]), Ok((7, Grounds::Rule)));
}

/// No policy has anything stored that is one client's, or that a client's own header brought about.
#[test]
fn no_policy_stores_what_must_not_be() {
    let every = times("ttl = \"1h\"\nnegative_ttl = \"1h\"\nstale_if_error = \"1h\"");
    let default = times("ttl_default = \"1h\"\nnegative_ttl = \"1h\"\non_error = \"stale\"");
    for times in [every, default] {
        for (lines, expected) in [
            (&["cache-control: private"][..], NotStored::Private),
            (&["cache-control: no-store"], NotStored::NoStore),
            (&["cache-control: no-cache"], NotStored::NoCache),
            (&["set-cookie: a=b"], NotStored::SetCookie),
            (&["vary: *"], NotStored::VaryAny),
        ] {
            let asked = Asked { times, ..Asked::default() };
            assert_eq!(fresh(asked, 200, lines), Err(expected), "{lines:?}");
        }
        let asked = Asked { times, authorized: true, ..Asked::default() };
        assert_eq!(fresh(asked, 200, &[]), Err(NotStored::Authorization));
        for status in [400, 406, 408, 412, 413, 416, 417, 428, 429, 431, 511] {
            for lines in [&[][..], &["cache-control: public, max-age=60"]] {
                let asked = Asked { times, ..Asked::default() };
                assert_eq!(fresh(asked, status, lines), Err(NotStored::Request), "{status} {lines:?}");
            }
        }
    }
    for name in ["x-http-method-override", "X-HTTP-Method", "x-method-override"] {
        let ask = Ask { headers: fields(&[&format!("{name}: POST")]), ..Ask::path("/") };
        assert_eq!(request_admits(&ask.head()), Err(Bypass::Override), "{name}");
    }
}

#[test]
fn a_policy_says_what_stands_in_for_errors() {
    let windows = |keys: &str, control: &str| {
        let asked = Asked { times: times(keys), ..Asked::default() };
        let headers = &fields(&[&format!("cache-control: {control}")]);
        let answer = Answer { status: StatusCode::OK, headers, asked, request_time: now(), response_time: now() };
        let stored = freshness(&answer).unwrap();
        let seconds = [stored.stale_while_revalidate, stored.stale_if_error, stored.stale_if_unreachable];
        seconds.map(|window| window.as_secs())
    };
    for (keys, control, expected) in [
        ("ttl_max = \"1d\"", "max-age=9", [0, 0, 3600]),
        ("stale_if_error = \"1m\"", "max-age=9", [0, 60, 60]),
        ("stale_while_revalidate = \"2s\"", "max-age=9, stale-while-revalidate=7", [2, 0, 3600]),
        ("on_error = \"stale\"", "max-age=9", [0, 3600, 3600]),
        ("on_error = \"stale\"", "s-maxage=9", [0, 3600, 3600]),
        ("on_error = \"stale\"", "max-age=9, stale-if-error=5", [0, 5, 5]),
        ("on_error = \"stale\"\nstale_if_error = \"7s\"", "max-age=9, stale-if-error=5", [0, 7, 7]),
        ("on_error = \"stale\"", "max-age=9, must-revalidate", [0, 0, 0]),
        ("on_error = \"error\"", "max-age=9, stale-if-error=5", [0, 0, 0]),
        ("ttl = \"1h\"\non_error = \"error\"", "max-age=9", [0, 0, 0]),
    ] {
        assert_eq!(windows(keys, control), expected, "{keys} {control}");
    }
    assert_eq!(times("on_error = \"said\""), CacheTimes { on_error: OnError::Said, ..CacheTimes::default() });
}

#[test]
fn parameters_that_do_not_count_are_left_out() {
    let without = "{ query = { without = [\"utm_*\", \"gclid\", \"a b\"] } }";
    let only = "{ query = { only = [\"id\", \"p_*\"] } }";
    for (key, query, expected) in [
        (without, "utm_source=x&id=1&gclid=&utm_=", Some("id=1")),
        (without, "utm_source=x", None),
        (without, "", Some("")),
        (without, "%75tm_source=x&a+b=1&a%20b=2&c", Some("c")),
        // Names differ by case; what cannot be read, or may be two parameters, counts.
        (without, "UTM_x&Gclid=1&utm_%zz=1&%ff=1&utm_x=1;id=5", Some("UTM_x&Gclid=1&utm_%zz=1&%ff=1&utm_x=1;id=5")),
        (without, "&&id=1", Some("&&id=1")),
        (only, "x=1&id=2&p_q=3&", Some("id=2&p_q=3")),
        (only, "%69d=2&ID=3&id[]=4&id%5B0%5D=5&P_x=6", Some("%69d=2&ID=3&id[]=4&id%5B0%5D=5&P_x=6")),
        (only, "x=1;id=2&idx=3&xid=4", Some("x=1;id=2")),
        (only, "x", None),
        ("{ query = { only = [] } }", "x=1&y", None),
        ("{ query = { sort = true } }", "b=1&a=2&b=0&a=1&B", Some("B&a=2&a=1&b=1&b=0")),
        ("{ query = { only = [\"b\", \"a\"], sort = true } }", "b=1&c&a=2", Some("a=2&b=1")),
        ("{ headers = [\"x-a\"] }", "b&a", Some("b&a")),
    ] {
        assert_eq!(counted(Some(query), &keying(key)).as_deref(), expected, "{key} {query}");
        assert_eq!(counted(None, &keying(key)), None, "{key}");
    }
}

const POLICIES: &str = "[[cache]]\nname = \"a\"\nwhen = '\"only\" in request.query'\nkey = { query = { without = [\"utm_*\"] } }\n\
    [[cache]]\nname = \"b\"\nwhen = 'request.path == \"/pass\"'\npass = true\n\
    [[cache]]\nname = \"c\"\nsites = [\"*.example.org\"]\nkey = { headers = [\"x-device\"], cookies = [\"lang\"] }\nvary = { ignore = [\"user-agent\"] }\n\
    [[cache]]\nname = \"d\"\nwhen = 'request.path == \"/d\"'\nkey = { query = { without = [\"utm_*\"] } }\n\
    [[cache]]\nname = \"e\"\nwhen = 'request.path == \"/e\"'\nttl = \"1h\"\n";

#[test]
fn the_first_policy_that_is_for_a_request_decides() {
    let world = World::alone(POLICIES);
    let name = |ask: &Ask| {
        let policy = world.decide(ask).policy.and_then(|id| world.filters.policy(id));
        policy.map(|policy| (policy.name().to_string(), policy.passes()))
    };
    let of = |name: &str, passes| Some((name.to_owned(), passes));
    assert_eq!(name(&Ask::path("/")), None);
    assert_eq!(name(&Ask { query: Some("only"), ..Ask::path("/pass") }), of("a", false));
    assert_eq!(name(&Ask::path("/pass")), of("b", true));
    assert_eq!(name(&Ask { host: "x.example.org", ..Ask::path("/pass") }), of("b", true));
    assert_eq!(name(&Ask { host: "x.example.org", ..Ask::path("/d") }), of("c", false));
    assert_eq!(name(&Ask::path("/d")), of("d", false));
}

#[test]
fn policies_share_what_is_stored_only_under_one_key() {
    let world = World::alone(POLICIES);
    let ids: Vec<_> = ["/a", "/d", "/e"]
        .iter()
        .map(|path| Ask { query: (*path == "/a").then_some("only"), ..Ask::path(path) })
        .map(|ask| world.filters.policy(world.decide(&ask).policy.unwrap()).unwrap().clone())
        .collect();
    let name = |of: usize, query: Option<&str>| {
        ids[of].key().encode(&KeyParts { scheme: Scheme::Https, authority: "h", path: "/", query, origin: None })
    };
    let plain = KeyParts { scheme: Scheme::Https, authority: "h", path: "/", query: None, origin: None };
    assert_eq!(name(0, Some("utm_x")), name(1, None), "the same parts count");
    assert_ne!(name(0, None), plain.encode(), "one that leaves out meets none that does not");
    assert_ne!(name(0, Some("")), name(0, None));
    assert_eq!(name(2, None), plain.encode(), "without a key of its own");
    assert_eq!(world.filters.cache_keys().len(), 3, "the plain one, that of `a` and `d`, that of `c`");
}

#[test]
fn fields_and_cookies_of_a_key_tell_variants_apart() {
    let world = World::alone(POLICIES);
    let id = world.decide(&Ask { host: "x.example.org", ..Ask::path("/") }).policy.unwrap();
    let policy = world.filters.policy(id).unwrap();
    let of = |stored: &[&str], request: &[&str]| {
        variant(Variation { policy: Some(policy), offered: None }, &fields(stored), &fields(request))
    };
    for (one, other, share) in [
        (&["x-device: a"][..], &["x-device: b"][..], false),
        (&["x-device: a, b"], &["x-device: a,b", "user-agent: u"], true),
        (&[], &["x-device:"], false),
        (&[], &["cookie: session=1"], true),
        (&["cookie: lang=de"], &["cookie: session=1; lang=de"], true),
        (&["cookie: lang=de"], &["cookie: lang=en"], false),
        (&["cookie: lang=de"], &["cookie: Lang=de"], false),
        (&["cookie: lang="], &[], false),
        (&["cookie: lang"], &["cookie: lang="], false),
        (&["cookie: lang=de; lang=en"], &["cookie: lang=en; lang=de"], false),
        (&["cookie: lang=de", "cookie: lang=en"], &["cookie: lang=de; lang=en"], true),
    ] {
        assert_eq!(of(&[], one) == of(&[], other), share, "{one:?} {other:?}");
        assert_eq!(of(&["vary: user-agent"], one) == of(&["vary: user-agent"], other), share, "{one:?} {other:?}");
    }
    // What is not ignored still tells apart, and so does a cookie that `Vary` names.
    for field in ["accept", "cookie"] {
        let stored = [format!("vary: user-agent, {field}")];
        let stored: Vec<&str> = stored.iter().map(String::as_str).collect();
        assert_ne!(of(&stored, &[&format!("{field}: x=1")]), of(&stored, &[&format!("{field}: x=2")]), "{field}");
    }
    assert_eq!(variant(Variation::default(), &fields(&[]), &fields(&["x-device: a"])), None);
}

/// What a rule answers needs no policy, and what is only looked at has the same one.
#[test]
fn an_explanation_knows_the_policy() {
    let world = World::alone(&format!(
        "{POLICIES}[[rule]]\nname = \"r\"\nwhen = 'request.path == \"/no\"'\ndo = {{ deny = 403 }}\n"
    ));
    let ask = Ask { host: "x.example.org", ..Ask::path("/no") };
    assert_eq!(world.decide(&ask).policy, None);
    let ask = Ask { host: "x.example.org", ..Ask::path("/") };
    assert_eq!(world.explain(&ask, None).decision.policy, world.decide(&ask).policy);
}
