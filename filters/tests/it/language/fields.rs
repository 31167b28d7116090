//! What the fields of a request, its response and the config's names say, by example.

use std::sync::atomic::Ordering;

use super::world::World;

#[test]
fn the_request_line_is_read() {
    let world = World::get("/a/b").asking("x=1");
    for text in [
        r#"request.method == "GET""#,
        r#"request.host == "www.example.com" && request.scheme == "http" && request.protocol == "HTTP/1.1""#,
        r#"request.path == "/a/b" && request.raw_path == "/a/b" && request.raw_query == "x=1""#,
        r#"request.segments == ["a", "b"] && request.segments[1] == "b" && !has(request.segments[2])"#,
        r#"request.time == timestamp("2027-01-15T08:00:00Z")"#,
        r#"request.time.getHours("Europe/Berlin") == 9"#,
    ] {
        assert!(world.holds(text), "{text}");
    }
    assert!(World::get("/").holds("request.segments.size() == 0"));
    assert_eq!(World::get("/a/b/").shown(r#"request.segments[1]"#), r#"String("b")"#);
}

#[test]
fn the_client_is_an_address_and_a_network() {
    let v4 = World::from("192.0.2.7");
    assert!(v4.holds(r#"client.ip == ip("192.0.2.7") && client.net == cidr("192.0.2.7/32")"#));
    let v6 = World::from("2001:db8:1:2:3::4");
    assert!(v6.holds(r#"client.net == cidr("2001:db8:1:2::/64") && client.ip.family() == 6"#));
    let mapped = World::from("::ffff:192.0.2.7");
    for text in [
        r#"client.ip == ip("192.0.2.7") && client.ip.family() == 4"#,
        r#"client.ip in cidr("192.0.2.0/24") && client.ip in lists.nets && client.ip in [ip("192.0.2.7")]"#,
        r#"cidr("192.0.2.0/24").containsIP(client.ip) && string(client.ip) == "192.0.2.7""#,
    ] {
        assert!(mapped.holds(text), "{text}");
    }
}

#[test]
fn an_absent_header_is_empty_and_presence_is_told_by_has_and_in() {
    let world = World::default().with("user-agent", b"bot/1").with("x-raw", b"\xff").with("x-empty", b"");
    for text in [
        r#"request.headers["User-Agent"] == "bot/1""#,
        r#"request.headers["x-absent"] == "" && !request.headers["x-absent"].contains("a")"#,
        r#"request.headers["x-raw"] == "\ufffd" && request.headers["x-raw"] in ["\ufffd"]"#,
        r#"request.headers["x-raw"].contains("\ufffd") && request.headers["x-raw"] != """#,
        r#"!(request.headers["x-absent"] != "") && request.headers["x-absent"].contains("")"#,
        r#"has(request.headers["x-empty"]) && "X-Raw" in request.headers && !has(request.headers["x-absent"])"#,
        r#"!("x-absent" in request.headers) && !((request.method + " x") in request.headers)"#,
        r#"request.headers[request.method + " x"] == """#,
        r#"request.headers[?"x-absent"].orValue("none") == "none""#,
        r#"request.headers[?"x-empty"].hasValue()"#,
        r#"request.headers[request.method + "x"] == """#,
    ] {
        assert!(world.holds(text), "{text}");
    }
}

#[test]
fn headers_have_lines_and_names() {
    let world = World::default().with("accept", b"a").with("accept", b"b").with("x-one", b"1");
    for text in [
        r#"request.headers["accept"] == "a" && request.headers.values("Accept") == ["a", "b"]"#,
        r#"request.headers.values("x-absent").size() == 0"#,
        r#"request.headers.size() == 2 && request.headers.exists(name, name == "x-one")"#,
        r#"request.headers.all(name, request.headers[name] in ["a", "1"])"#,
        r#"request.headers.map(name, name).exists_one(name, name.startsWith("acc"))"#,
    ] {
        assert!(world.holds(text), "{text}");
    }
}

#[test]
fn cookies_are_found_in_all_lines() {
    let world = World::default().with("cookie", b"a=1; b = 2 ;c;d=x=y").with("cookie", b"a=3; e=%41+; f=\xff");
    for text in [
        r#"request.cookies["a"] == "1" && request.cookies["b"] == "2" && request.cookies["d"] == "x=y""#,
        r#"!("c" in request.cookies) && request.cookies["c"] == "" && request.cookies["A"] == """#,
        r#"request.cookies["e"] == "%41+""#,
        r#""f" in request.cookies && request.cookies["f"] == "\ufffd""#,
        r#"request.cookies.values("a") == ["1", "3"] && request.cookies.values("x").size() == 0"#,
        r#"request.cookies.map(name, name) == ["a", "b", "d", "e", "f"]"#,
    ] {
        assert!(world.holds(text), "{text}");
    }
}

#[test]
fn the_query_and_the_form_are_decoded() {
    let query = "a=1&b+c=%41%2b&&a=2&d&%e2%82=x&e=100%";
    let world = World::default().asking(query).posting(b"user=anna%40example.com&user=b&empty=");
    for text in [
        r#"request.query["a"] == "1" && request.query.values("a") == ["1", "2"]"#,
        r#"request.query["b c"] == "A+" && "d" in request.query && request.query["d"] == """#,
        r#"request.query["e"] == "100%" && request.query["\ufffd"] == "x" && !has(request.query["f"])"#,
        r#"request.query.map(name, name) == ["a", "b c", "d", "\ufffd", "e"]"#,
        r#"request.query[?"f"].orValue("none") == "none" && request.query[?"d"].value() == """#,
        r#"request.form("user") == "anna@example.com" && request.form("absent") == """#,
        r#"has(request.form("empty")) && !has(request.form("absent"))"#,
        r#"request.form_values("user") == ["anna@example.com", "b"] && request.form_values("absent").size() == 0"#,
        r#"request.form_read"#,
    ] {
        assert!(world.holds(text), "{text}");
    }
    let none = World::default();
    assert!(
        none.holds(r#"request.query["a"] == "" && request.form("a") == "" && request.form_values("a").size() == 0"#)
    );
    assert!(none.holds("!request.form_read"));
}

#[test]
fn a_byte_that_is_no_utf_8_hides_nothing() {
    let world = World::default()
        .with("user-agent", b"sqlmap\xff")
        .with("x-long", &[b"sqlmap", &[0xff; 40_000][..]].concat())
        .with("x-utf-8", "Köln".as_bytes())
        .with("cookie", b"a=evil\xff; b\xff=1")
        .with("authorization", b"Bearer bad\xff");
    for text in [
        r#"request.headers["user-agent"].contains("sqlmap") && request.headers["user-agent"].startsWith("sqlmap")"#,
        r#"request.headers["user-agent"].matches("^sql") && request.headers["user-agent"].upperAscii().contains("SQLMAP")"#,
        r#"request.headers["user-agent"] == "sqlmap\ufffd" && request.headers.values("user-agent") == ["sqlmap\ufffd"]"#,
        r#"request.headers.exists(name, request.headers[name].endsWith("map\ufffd"))"#,
        r#"request.headers["x-long"].matches("sqlmap") && request.headers["x-long"].upperAscii().matches("SQLMAP")"#,
        r#"request.headers["x-utf-8"] == "Köln" && request.headers["x-utf-8"].size() == 4"#,
        r#"request.cookies["a"].startsWith("evil") && request.cookies["b\ufffd"] == "1""#,
        r#"jwt.app.error == "malformed""#,
    ] {
        assert!(world.holds(text), "{text}");
    }
}

#[test]
fn what_comes_behind_much_else_is_visited() {
    let many = |separator: &str| (0..3000).map(|n| format!("n{n}=1")).collect::<Vec<_>>().join(separator);
    let world = World { path: format!("{}/evil", "/a".repeat(300)), ..World::default() }
        .asking(&format!("{}&evil=zz&n0=2", many("&")))
        .posting(&[&b"a=1&".repeat(300)[..], b"a=evil"].concat())
        .with("cookie", format!("{}; evil=zz", many("; ")).as_bytes())
        .with("x-list", format!("{}evil", "a,".repeat(300)).as_bytes());
    for text in [
        r#"request.query.size() == 3001 && request.query["n2999"] == "1" && "n2999" in request.query"#,
        r#"request.query.exists(k, k == "evil") && request.cookies.exists(k, k == "evil")"#,
        r#"request.query.exists(k, request.query[k].contains("zz")) && !request.query.all(k, request.query[k] == "1")"#,
        r#"request.cookies.exists_one(k, request.cookies[k].contains("zz"))"#,
        r#"request.query.filter(k, request.query.values(k) == ["1", "2"]) == ["n0"]"#,
        r#"request.segments.exists(s, s == "evil") && request.headers["x-list"].split(",").exists(s, s == "evil")"#,
        r#"request.form_values("a").exists(v, v == "evil")"#,
    ] {
        assert!(world.holds(text), "{text}");
    }
}

#[test]
fn macros_one_in_another_have_an_end() {
    let query: Vec<String> = (0..3000).map(|n| format!("n{n}")).collect();
    let world = World::default().asking(&query.join("&"));
    assert_eq!(world.shown(r#"request.query.all(x, request.query.exists(y, y == "zz"))"#), "Bool(false)");
    assert_eq!(world.shown(r#"request.query.exists(x, request.query.exists(y, y == "zz"))"#), "absent");
    assert_eq!(world.shown(r#"request.query.exists(x, request.query.exists(y, y == "n9"))"#), "Bool(true)");
}

#[test]
fn an_optional_of_a_header_is_a_value_and_one_that_is_picked_need_not_be() {
    let world = World::default();
    for text in [
        r#"optional.of(request.headers["x"]).hasValue() && optional.of(request.headers["x"]).orValue("none") == """#,
        r#"optional.of(request.headers["x"] + "").hasValue() && optional.of(request.query["x"]).hasValue()"#,
        r#"!request.headers[?"x"].hasValue() && request.headers[?"x"].orValue("none") == "none""#,
        r#"!optional.of(request.segments[0]).hasValue()"#,
    ] {
        assert!(world.holds(text), "{text}");
    }
}

#[test]
fn a_declared_length_may_be_absent() {
    assert!(World::default().with("content-length", b"42").holds("request.length == 42 && has(request.length)"));
    for length in [&b"x"[..], b"-1", b"+1", b"99999999999999999999"] {
        assert!(World::default().with("content-length", length).holds("!has(request.length)"));
    }
    let none = World::default();
    assert!(
        !none.holds("request.length > 0") && !none.holds("request.length <= 0") && !none.holds("request.length != 1")
    );
    assert_eq!(none.shown("request.length + 1"), "absent");
}

#[test]
fn places_are_looked_up() {
    let known = World::from("10.0.0.1");
    assert!(known.holds(r#"client.country == "DE" && client.continent == "EU" && client.city == "Köln""#));
    assert!(known.holds(r#"client.asn == 64500 && client.as_org.startsWith("Example")"#));
    assert!(World::from("192.0.2.1").holds(r#"client.country == "" && client.asn == 0"#));
    let mut without = World::from("10.0.0.1");
    without.tables.geo = None;
    assert!(without.holds(r#"client.country == "" && client.city == "" && client.asn == 0 && client.as_org == """#));
}

#[test]
fn tokens_are_verified_once() {
    let good = World::default().with("authorization", b"bearer good");
    let context = good.context();
    for text in [
        r#"jwt.app.valid && jwt.app.error == "" && jwt.app.claims.sub == "anna""#,
        r#""write" in jwt.app.claims.scope && jwt.app.claims.level > 41"#,
        r#"!has(jwt.app.claims.admin) && !(jwt.app.claims.admin == true)"#,
    ] {
        assert!(good.compile(text).unwrap().holds(&context), "{text}");
    }
    assert_eq!(good.tokens.verified.load(Ordering::Relaxed), 1);
    let bad = World::default().with("authorization", b"Bearer bad");
    assert!(bad.holds(r#"!jwt.app.valid && jwt.app.error == "malformed" && !has(jwt.app.claims.sub)"#));
    for missing in [&b"Basic good"[..], b"Bearer", b"Bearer  "] {
        let world = World::default().with("authorization", missing);
        assert!(world.holds(r#"!jwt.app.valid && jwt.app.error == "missing""#));
        assert_eq!(world.tokens.verified.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn the_response_is_read_when_there_is_one() {
    let world = World::default().answered(404, &[("content-type", "text/html")]);
    let text = r#"response.status == 404 && response.headers["Content-Type"].startsWith("text/") && response.from == "cache" && cache.status == "hit""#;
    assert!(world.holds(text));
    let none = World::default();
    assert!(!none.holds("response.status >= 0") && none.holds(r#"response.headers["a"] == "" && response.from == """#));
}

#[test]
fn tags_and_peers() {
    let world = World { tags: vec!["bot", "slow"], ..World::default() };
    assert!(world.holds(r#""slow" in request.tags && request.tags.size() == 2 && !("x" in request.tags)"#));
    assert!(world.holds(r#"peers.roster == 3 && peers.heard == 1 && peers.lag == duration("0s") && !peers.warming"#));
}

#[test]
fn the_state_is_asked_with_the_keys_values() {
    let world = World::default();
    for (text, expected) in [
        (r#"count("visits", "1m")"#, "Int(60)"),
        (r#"count("visits", client.net, "10s")"#, "Int(1510)"),
        (r#"count("hits", client.net, request.path, "10s")"#, "Int(11610)"),
        (r#"count("all", "10s")"#, "Int(100010)"),
        (r#"rate("visits", "10s")"#, "Double(1.0)"),
        (r#"uniques("users", client.net, "1m")"#, "Int(1)"),
        (r#"uniques("users", "1m")"#, "Int(7)"),
        (r#"limit("all").exceeded"#, "Bool(true)"),
        (r#"banned()"#, "Bool(false)"),
        // A part of the key that is absent makes the look absent.
        (r#"count("hits", client.net, request.segments[5], "10s")"#, "absent"),
    ] {
        assert_eq!(world.shown(text), expected, "{text}");
    }
    let mut banned = World::default();
    banned.state.banned.push("192.0.2.7/32".parse().unwrap());
    assert!(banned.holds(r#"banned() && banned(client.net) && !banned(cidr("192.0.2.8/32"))"#));
}

#[test]
fn lists_say_what_they_were_made_of() {
    let world = World::get("/login").with("user-agent", b"a crawler");
    for text in [
        r#"client.ip in lists.nets && request.path in lists.paths"#,
        r#"request.headers["user-agent"].containsAny(lists.bots) && !request.path.containsAny(lists.bots)"#,
        r#"!request.path.matchesAny(lists.shapes) && "/wp-admin".matchesAny(lists.shapes)"#,
        r#"!(ip("192.0.3.1") in lists.nets) && !("/logi" in lists.paths)"#,
    ] {
        assert!(world.holds(text), "{text}");
    }
    assert_eq!(world.state.asked.load(Ordering::Relaxed), 0, "nothing was listed at run time");
}

#[test]
fn what_was_listed_at_run_time_overlays_a_list() {
    let listed = |element: &str, present: bool, list: usize| {
        let mut world = World::get("/login");
        world.state.listed.insert((list, element.to_owned()), present);
        world
    };
    assert!(!listed("192.0.2.7/32", false, 0).holds("client.ip in lists.nets"));
    assert!(!listed("/login", false, 1).holds("request.path in lists.paths"));
    assert!(listed("/new", true, 1).holds(r#""/new" in lists.paths && "/login" in lists.paths"#));
    let v6 = |element: &str, present: bool| listed(element, present, 0);
    assert!(v6("2001:db9:1:2::/64", true).holds(r#"ip("2001:db9:1:2::3") in lists.nets"#));
    assert!(v6("2001:db9:1:2::3/128", true).holds(r#"ip("2001:db9:1:2::3") in lists.nets"#));
    assert!(!v6("2001:db8:1:2::/64", false).holds(r#"ip("2001:db8:1:2::3") in lists.nets"#));
    // The address itself is more to the point than its /64.
    let mut both = v6("2001:db8:1:2::/64", false);
    both.state.listed.insert((0, "2001:db8:1:2::3/128".to_owned()), true);
    assert!(both.holds(r#"ip("2001:db8:1:2::3") in lists.nets && !(ip("2001:db8:1:2::4") in lists.nets)"#));
}
