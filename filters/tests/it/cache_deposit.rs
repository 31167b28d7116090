//! Responses to POST that answer later GETs.

use std::net::{IpAddr, Ipv4Addr};

use http::StatusCode;
use selvedge_filters::Head;
use selvedge_filters::cache::{Asked, KeyParts, NoDeposit, Scheme, deposit};

use crate::cache::fields;

/// Method, status, the request's fields and the response's, and whether it is stored.
type Row<'a> = (&'a str, u16, &'a [&'a str], &'a [&'a str], Result<(), NoDeposit>);

/// RFC 9110 section 9.3.3: where its `Content-Location` is its target.
#[test]
fn a_post_answers_gets_where_it_says_so_and_nobody_asked_as_himself() {
    let target =
        KeyParts { scheme: Scheme::Http, authority: "a.example", path: "/dir/it", query: Some("q"), origin: None };
    let here = "content-location: /dir/it?q";
    let table: &[Row<'_>] = &[
        ("POST", 200, &[], &[here], Ok(())),
        ("POST", 200, &["content-length: 3"], &["content-location: http://A.example:80/dir/./it?q"], Ok(())),
        ("POST", 200, &[], &["content-location: it?q"], Ok(())),
        ("PUT", 200, &[], &[here], Err(NoDeposit::Method)),
        ("PATCH", 200, &[], &[here], Err(NoDeposit::Method)),
        ("POST", 201, &[], &[here], Err(NoDeposit::Method)),
        ("POST", 206, &[], &[here], Err(NoDeposit::Method)),
        ("POST", 404, &[], &[here], Err(NoDeposit::Method)),
        ("POST", 200, &[], &[], Err(NoDeposit::Elsewhere)),
        ("POST", 200, &[], &["location: /dir/it?q"], Err(NoDeposit::Elsewhere)),
        ("POST", 200, &[], &["content-location: /dir/it"], Err(NoDeposit::Elsewhere)),
        ("POST", 200, &[], &["content-location: https://a.example/dir/it?q"], Err(NoDeposit::Elsewhere)),
        ("POST", 200, &[], &["content-location: http://b.example/dir/it?q"], Err(NoDeposit::Elsewhere)),
        ("POST", 200, &["cookie: a=b"], &[here], Err(NoDeposit::Request)),
        ("POST", 200, &["authorization: Basic x"], &[here, "cache-control: public"], Err(NoDeposit::Request)),
        ("POST", 200, &["cache-control: no-store"], &[here], Err(NoDeposit::Request)),
        ("POST", 200, &["upgrade: x"], &[here], Err(NoDeposit::Request)),
        ("POST", 200, &[], &[here, "vary: accept"], Err(NoDeposit::Varies)),
    ];
    for (method, status, request, response, expected) in table {
        let headers = fields(request);
        let head = Head::plain(method, "a.example", "/dir/it", &headers, IpAddr::V4(Ipv4Addr::LOCALHOST));
        let status = StatusCode::from_u16(*status).expect("a status");
        let got = deposit(&head, &target, status, &fields(response));
        assert_eq!(got, expected.map(|()| Asked::default()), "{method} {status} {request:?} {response:?}");
    }
}
