//! Tests within a config: what they may say, and what it means.

use std::time::Duration;

use selvedge_conf::{Config, Expect, Given, Test, TestRequest, TestResponse};

use crate::support::load;

const BASE: &str = r#"
[listen]
http = ["0.0.0.0:8080"]

[origin.app]
servers = ["a:1"]

[site."www.example.com"]
origin = "app"

[list.office]
kind = "addresses"

[[counter]]
name = "hits"
key = ["client.net", "request.host"]
window = "1m"

[[unique]]
name = "paths"
of = 'request.path'
key = []
window = "1m"

[[rule]]
name = "probes"
do = { deny = 404 }

[[limit]]
name = "login"
key = ["client.ip"]
rate = "10/1m"
"#;

#[track_caller]
fn test(keys: &str) -> Test {
    let config: Config =
        load(&format!("{BASE}[[test]]\nname = \"It is so.\"\n{keys}\n")).unwrap_or_else(|report| panic!("{report}"));
    config.tests.into_iter().next().expect("a test")
}

const REQUEST: &str = "request = { url = \"https://www.example.com/\" }\n";

#[test]
fn defaults() {
    let test = test(&format!("{REQUEST}expect = {{ status = 404 }}"));
    assert_eq!((test.name.as_str(), test.at.to_string().as_str()), ("It is so.", "2026-01-01T00:00:00Z"));
    assert!(test.given.is_empty());
    let [step] = &test.steps[..] else { panic!() };
    assert_eq!((step.after, step.times, &step.place), (Duration::ZERO, 1, &test.place));
    let request = TestRequest {
        method: "GET".to_owned(),
        url: "https://www.example.com/".to_owned(),
        headers: Vec::new(),
        body: String::new(),
        session: None,
        challenge: None,
        client_ip: [192, 0, 2, 1].into(),
        peer_ip: None,
    };
    assert_eq!(step.request, request);
    assert_eq!(step.response, TestResponse { status: 200, headers: Vec::new() });
    assert_eq!(step.expect, Expect { status: Some(404), ..Expect::default() });
}

#[test]
fn every_key() {
    let test = test(concat!(
        "at = \"2026-05-01T12:00:00+02:00\"\n[[test.step]]\nafter = \"1m30s\"\ntimes = 10000\n",
        "request = { method = \"POST\", url = \"http://[::1]:81/x?y\", headers = { X-B = \"1\", x-a = \"2\" }, body = \"a=b\", client_ip = \"2001:db8::1\", peer_ip = \"192.0.2.7\" }\n",
        "response = { status = 503, headers = { Server = \"x\" } }\n",
        "expect = { status = 429, rule = \"\", limit = \"login\", tags = [\"a\", \"b\"], monitored = [\"probes\"], location = \"/\", path = \"/x\", origin = \"app\", headers = { Retry-After = \"1\" }, banned = false }\n",
        "[[test.step]]\nrequest = { url = \"https://h\" }\nexpect = { rule = \"probes\", limit = \"\" }\n",
    ));
    assert_eq!(test.at.to_string(), "2026-05-01T10:00:00Z");
    let [first, second] = &test.steps[..] else { panic!() };
    assert_eq!((first.after, first.times), (Duration::from_secs(90), 10_000));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(first.request.headers, [pair("x-b", "1"), pair("x-a", "2")]);
    assert_eq!((first.request.method.as_str(), first.request.body.as_str()), ("POST", "a=b"));
    assert_eq!(first.request.client_ip.to_string(), "2001:db8::1");
    assert_eq!(first.request.peer_ip, Some([192, 0, 2, 7].into()));
    assert_eq!(first.response, TestResponse { status: 503, headers: vec![pair("server", "x")] });
    let expect = Expect {
        status: Some(429),
        rule: Some(None),
        limit: Some(Some(0)),
        tags: vec!["a".to_owned(), "b".to_owned()],
        monitored: vec![0],
        location: Some("/".to_owned()),
        path: Some("/x".to_owned()),
        origin: Some(0),
        headers: vec![pair("retry-after", "1")],
        banned: Some(false),
    };
    assert_eq!(first.expect, expect);
    assert_eq!((second.expect.rule, second.expect.limit), (Some(Some(0)), Some(None)));
    assert!(second.place.line > first.place.line);
}

#[test]
fn state() {
    let test = test(&format!(
        "given = [\n\
         {{ count = \"hits\", key = [\"192.0.2.9/32\", \"h\"], n = 3 }},\n\
         {{ count = \"login\", key = [\"192.0.2.9\"], n = 4 }},\n\
         {{ unique = \"paths\", n = 50 }},\n\
         {{ ban = \"2001:db8::/64\", for = \"10m\" }},\n\
         {{ list = \"office\", add = \"192.0.2.9\", for = \"1m\" }},\n\
         {{ peers = 2, of = 3, lag = \"5s\" }},\n\
         {{ peers = 3, of = 3 }},\n\
         ]\n{REQUEST}expect = {{ banned = true }}"
    ));
    let text = str::to_owned;
    let minute = Duration::from_secs(60);
    assert_eq!(
        test.given,
        [
            Given::Counter(0, vec![text("192.0.2.9/32"), text("h")], 3),
            Given::Limit(0, vec![text("192.0.2.9")], 4),
            Given::Unique(0, Vec::new(), 50),
            Given::Ban(text("2001:db8::/64"), 10 * minute),
            Given::Listed(0, text("192.0.2.9"), minute),
            Given::Peers(2, 3, Duration::from_secs(5)),
            Given::Peers(3, 3, Duration::ZERO),
        ]
    );
}

#[test]
fn urls() {
    let fits = |url: &str| {
        load(&format!("{BASE}[[test]]\nname = \"t\"\nrequest = {{ url = '{url}' }}\nexpect = {{ status = 200 }}\n"))
            .is_ok()
    };
    for url in
        ["http://a", "https://a:8443/", "https://[2001:db8::1]:8443/x", "http://a?b", "http://a/%2e%2E//b/../c?d=é"]
    {
        assert!(fits(url), "{url}");
    }
    for url in [
        "",
        "a",
        "/a",
        "http:/a",
        "ftp://a",
        "http://",
        "http://a b",
        "http://a:",
        "http://a:0",
        "http://a:+80",
        "http://[::1",
        "http://u@a",
        "http://a/#b",
        "http://a/ b",
        "HTTP://a",
    ] {
        assert!(!fits(url), "{url}");
    }
}
