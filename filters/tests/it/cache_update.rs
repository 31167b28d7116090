//! What changes stored responses: a validation that updates one, a request that puts some out of date.

use http::StatusCode;
use selvedge_filters::cache::{KeyParts, Scheme, invalidated, renewed, validates, weaker_tag};

use crate::cache::fields;

/// RFC 9111 section 3.2: each field of the 304 replaces the stored one, with the section's exceptions.
#[test]
fn a_304_brings_every_field_but_those_of_the_connection_the_bytes_and_one_client() {
    let validation = fields(&[
        "connection: x-hop",
        "x-hop: 1",
        "transfer-encoding: chunked",
        "keep-alive: timeout=5",
        "content-length: 0",
        "content-encoding: br",
        "content-range: bytes 0-1/2",
        "vary: x-a",
        "set-cookie: a=b",
        "set-cookie2: a=b",
        "x-ratelimit-remaining: 3",
        "cache-control: max-age=2",
        "date: Sun, 06 Nov 1994 08:49:37 GMT",
        "age: 3",
        "etag: \"a\"",
        "content-type: text/plain",
        "content-security-policy: default-src 'self'",
        "x-two: 1",
        "x-two: 2",
    ]);
    let names: Vec<_> = renewed(&validation).into_iter().map(|name| name.to_string()).collect();
    let expected = ["age", "cache-control", "content-security-policy", "content-type", "date", "etag", "x-two"];
    assert_eq!(names, expected);
    assert!(renewed(&fields(&[])).is_empty());
    let (weak, strong) = (fields(&["etag: W/\"a\""]), fields(&["etag: \"a\""]));
    assert_eq!(weaker_tag(&weak, &strong), weak.get("etag"), "what is weak here may be other bytes than the origin's");
    for (stored, validation) in [(&weak, &weak), (&strong, &weak), (&strong, &strong), (&weak, &fields(&[]))] {
        assert_eq!(weaker_tag(stored, validation), None);
    }
}

/// RFC 9111 section 4.3.4: a 304 with another validator must not update what is stored.
#[test]
fn a_304_with_another_tag_speaks_of_another_response() {
    for (stored, validation, speaks) in [
        (Some("\"a\""), Some("\"a\""), true),
        (Some("W/\"a\""), Some("W/\"a\""), true),
        (Some("W/\"a\""), Some("\"a\""), true),
        (Some("\"a\""), Some("W/\"a\""), true),
        (Some("\"a\""), None, true),
        (None, Some("\"a\""), true),
        (None, None, true),
        (Some("\"a\""), Some("\"b\""), false),
        (Some("W/\"a\""), Some("W/\"b\""), false),
        (Some("\"a\""), Some("\"A\""), false),
        (Some("\"a\""), Some("a"), false),
    ] {
        let tagged = |tag: Option<&str>| match tag {
            Some(tag) => fields(&[&format!("etag: {tag}"), "x-a: 1"]),
            None => fields(&["x-a: 1"]),
        };
        assert_eq!(validates(&tagged(stored), &tagged(validation)), speaks, "{stored:?} {validation:?}");
    }
}

const TARGET: KeyParts<'_> =
    KeyParts { scheme: Scheme::Http, authority: "a.example:8080", path: "/dir/it", query: Some("q"), origin: None };

/// What a response to `method` puts out of date, as text.
fn gone(method: &str, status: u16, lines: &[&str]) -> Vec<String> {
    let status = StatusCode::from_u16(status).expect("a status");
    let places = invalidated(method, status, &TARGET, &fields(lines));
    places
        .into_iter()
        .map(|place| place.path + &place.query.map_or(String::new(), |query| format!("?{query}")))
        .collect()
}

/// RFC 9111 section 4.4: after a non-error response to an unsafe method, methods of unknown safety included.
#[test]
fn unsafe_methods_put_their_target_out_of_date_when_they_succeed() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "MOVE", "get"] {
        for status in [200, 201, 204, 303, 399] {
            assert_eq!(gone(method, status, &[]), ["/dir/it?q"], "{method} {status}");
        }
        for status in [100, 103, 400, 404, 500, 503] {
            assert!(gone(method, status, &[]).is_empty(), "{method} {status}");
        }
    }
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH"] {
        assert!(gone(method, 200, &["location: /x"]).is_empty(), "{method}");
    }
}

/// The same section: URIs of `Location` and `Content-Location`, never those of another origin; resolved by RFC 3986 section 5.
#[test]
fn what_the_response_names_goes_too_when_it_is_of_the_same_origin() {
    for (named, place) in [
        ("/x", "/x"),
        ("/x?y#z", "/x?y"),
        ("x", "/dir/x"),
        ("../x", "/x"),
        ("./%78//y/", "/dir/x/y/"),
        ("?y", "/dir/it?y"),
        ("#z", "/dir/it?q"),
        ("http://a.example:8080/x", "/x"),
        ("HTTP://A.Example.:8080", "/"),
        ("http://a.example:8080?y", "/?y"),
        ("//a.example:8080/x", "/x"),
    ] {
        let mut expected = vec!["/dir/it?q"];
        expected.extend(Some(place).filter(|place| *place != "/dir/it?q"));
        for field in ["location", "content-location"] {
            assert_eq!(gone("POST", 201, &[&format!("{field}: {named}")]), expected, "{field}: {named}");
        }
    }
    for named in [
        "https://a.example:8080/x",
        "http://a.example/x",
        "http://a.example:80/x",
        "http://b.example:8080/x",
        "http://u@a.example:8080/x",
        "//b.example/x",
        "http:/x",
        "mailto:a@b",
        "/a%zz",
        "/a%00",
    ] {
        assert_eq!(gone("POST", 201, &[&format!("location: {named}")]), ["/dir/it?q"], "{named}");
    }
    assert_eq!(gone("PUT", 200, &["location: /x", "content-location: /y"]), ["/dir/it?q", "/x", "/y"]);
    let plain = KeyParts { authority: "a.example", query: None, ..TARGET };
    let places = invalidated("POST", StatusCode::OK, &plain, &fields(&["location: http://a.example:80/x"]));
    assert_eq!(places.len(), 2, "the scheme's own port is no other origin");
}
