//! What changes stored responses: a validation that updates one.

use selvedge_filters::cache::renewed;

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
}
