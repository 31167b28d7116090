//! What loads elsewhere and never holds, and what is written otherwise in other languages: each is refused with what to write.

use super::{accepted, all_refused, refused};

#[test]
fn literals_that_a_field_never_holds() {
    let never = |why: &str, literal: &str| format!("`request.path` {why}, and so never \"{literal}\"");
    let raw = "the path as it came is `request.raw_path`";
    let normal = |literal: &str| format!("write \"{literal}\"; {raw}");
    let form = "is in normal form";
    let cases = [
        ("request.path == '/café'", "/café", never(form, "/café"), normal("/caf%C3%A9")),
        ("'/a//b' != request.path", "/a//b", never(form, "/a//b"), normal("/a/b")),
        ("request.path in ['/', '/%2f']", "/%2f", never(form, "/%2f"), normal("/%2F")),
        ("request.path.startsWith('/%61')", "/%61", never(form, "/%61"), normal("/a")),
        ("request.path.contains('<script')", "<script", never(form, "<script"), normal("%3Cscript")),
        ("request.path.endsWith('%2')", "%2", never(form, "%2"), normal("%252")),
        ("request.path == ''", "", never("starts with `/`", ""), "write \"/\"".to_owned()),
        ("request.path.startsWith('admin')", "admin", never("starts with `/`", "admin"), "write \"/admin\"".to_owned()),
        ("request.path.contains('../')", "../", never("has no dot segments", "../"), raw.to_owned()),
        ("request.path.contains('/./')", "/./", never("has no dot segments", "/./"), raw.to_owned()),
        ("request.path.endsWith('/..')", "/..", never("has no dot segments", "/.."), raw.to_owned()),
        (
            "request.path.contains('?id=')",
            "?id=",
            never("ends before the `?`", "?id="),
            "what follows it is `request.raw_query`".to_owned(),
        ),
        (
            "request.path.contains('%00')",
            "%00",
            never("has no zero byte", "%00"),
            "a request with one is refused before any rule is asked".to_owned(),
        ),
        (
            "request.host == 'Example.com'",
            "Example.com",
            "`request.host` is in lower case, and never \"Example.com\"".to_owned(),
            "write \"example.com\"".to_owned(),
        ),
        (
            "request.host in ['example.com:8080']",
            "example.com:8080",
            "`request.host` has no port, and is never \"example.com:8080\"".to_owned(),
            "write \"example.com\"".to_owned(),
        ),
        (
            "request.method == 'get'",
            "get",
            "methods are in upper case, and never \"get\"".to_owned(),
            "write \"GET\"".to_owned(),
        ),
    ];
    for (text, literal, message, help) in cases {
        let quoted = format!("'{literal}'");
        assert_eq!(refused(text), (quoted.as_str(), message, help), "{text}");
    }
}

#[test]
fn literals_that_a_field_may_hold() {
    for text in [
        "request.path == '*'",
        "request.path in ['/', '/.well-known', '/a..b', '/caf%C3%A9', '/a%2Fb', '/(a)']",
        "request.path.startsWith('')",
        "request.path.startsWith('/a%')",
        "request.path.startsWith('/.')",
        "request.path.endsWith('2F')",
        "request.path.endsWith('.php')",
        "request.path.contains('..')",
        "request.path.contains('%2')",
        "request.raw_path.contains('../')",
        "request.headers['x'] == '/a//b'",
        "request.host == '[2001:db8::1]'",
        "request.host.endsWith('.example.com')",
        "request.host.contains('xn--')",
        "request.method in ['GET', 'PURGE', 'purge']",
    ] {
        accepted(text);
    }
}

#[test]
fn what_is_easily_written_otherwise() {
    let bool = "`||` needs a bool, and this is of type string";
    all_refused(&[
        ("request.path == '/a' || '/b'", "'/b'", bool, "write `request.path in [\"/a\", \"/b\"]`"),
        (
            "request.method == 'GET' || 'PUT' || 'POST'",
            "'PUT'",
            bool,
            "write `request.method in [\"GET\", \"PUT\", \"POST\"]`",
        ),
        (
            "request.path != null",
            "null",
            "`null` is not available: the language is typed",
            "every request has `request.path`: compare it with something, or leave this out",
        ),
        (
            "client.country != null",
            "null",
            "`null` is not available: the language is typed",
            "whether it is empty is asked with `client.country == \"\"`",
        ),
        (
            "count('login', '1m', client.net) > 1",
            "'1m'",
            "the time comes last, behind the key",
            "such as `count(\"NAME\", client.net, \"1m\")`",
        ),
        (
            "jwt.claims.sub == ''",
            "claims",
            "before `claims` stands the name of a token issuer",
            "write `jwt.idp.claims.sub`",
        ),
        ("jwt.valid", "valid", "before `valid` stands the name of a token issuer", "write `jwt.idp.valid`"),
        ("limit('login') == true", "limit", "a limit is no value by itself", "write `limit(\"login\").exceeded`"),
        ("client.ip in office", "office", "unknown name `office`", "did you mean `lists.office`?"),
        (
            "request.path in ('/a', '/b')",
            ",",
            "expected `)`, found `,`",
            "a list is written in brackets: `x in [\"a\", \"b\"]`",
        ),
        (
            "request.tags == 'x'",
            "request.tags == 'x'",
            "`==` compares values of one type: on the left is list(string), on the right string",
            "whether it is in the list is asked with `in`: `\"x\" in request.tags`",
        ),
        (
            "request.tags.contains('x')",
            "contains",
            "a list(string) has no method `contains`",
            "whether something is in it is asked with `in`: `\"x\" in request.tags`",
        ),
        (
            "client.ip in [ip('192.0.2.1'), cidr('10.0.0.0/8')]",
            "cidr('10.0.0.0/8')",
            "a list has elements of one type: the first is of type ip, this of type cidr",
            "an address is a network, too: `cidr(\"192.0.2.1/32\")`",
        ),
        (
            "request.length > '10MiB'",
            "request.length > '10MiB'",
            "`>` compares values of one type: on the left is int, on the right string",
            "numbers have no units: write it as `10485760`",
        ),
        (
            "request.url == ''",
            "url",
            "`request` has no field `url`",
            "its parts are `request.scheme`, `request.host`, `request.path` and `request.raw_query`",
        ),
        (
            "request.body == ''",
            "body",
            "`request` has no field `body`",
            "of the body there are the fields of a form, `request.form(\"name\")`, and `request.length`",
        ),
    ]);
}
