//! What each operation takes, and the type it gives.

use selvedge_conf::expr::{Arithmetic, Field, Fold, Function, Kind, Macro, Phase, Read, Setting, Type, parse};

use super::{accepted, all_refused};

/// The type of each expression.
#[test]
fn types_of_values() {
    let cases = [
        ("true", "bool"),
        ("1", "int"),
        ("1u", "uint"),
        ("1.0", "double"),
        ("'a'", "string"),
        ("b'a'", "bytes"),
        ("duration('1s')", "duration"),
        ("timestamp('2026-01-01T00:00:00Z')", "timestamp"),
        ("ip('::1')", "ip"),
        ("cidr('::/0')", "cidr"),
        ("[1]", "list(int)"),
        ("[[1], [2, 3]]", "list(list(int))"),
        ("{'a': [1]}", "map(string, list(int))"),
        ("{true: 1, false: 2}[true]", "int"),
        ("{1: 'a'}[1]", "string"),
        ("{1u: 'a'}[1u]", "string"),
        ("[1, 2][0]", "int"),
        ("request.segments", "list(string)"),
        ("request.segments[0]", "string"),
        ("request.headers['a']", "string"),
        ("request.headers[request.path]", "string"),
        ("request.cookies['a']", "string"),
        ("request.query['a']", "string"),
        ("response.headers['a']", "string"),
        ("request.headers.values('a')", "list(string)"),
        ("request.query.values(request.path)", "list(string)"),
        ("request.form('a')", "string"),
        ("request.form_values('a')", "list(string)"),
        ("request.cookies.values('a')", "list(string)"),
        ("request.form_read", "bool"),
        ("request.headers.size()", "int"),
        ("size(request.cookies)", "int"),
        ("request.headers.map(h, request.headers[h])", "list(string)"),
        ("request.headers.filter(h, h != 'host')", "list(string)"),
        ("request.length", "int"),
        ("request.time", "timestamp"),
        ("request.tags", "list(string)"),
        ("client.ip", "ip"),
        ("client.net", "cidr"),
        ("client.country", "string"),
        ("client.asn", "int"),
        ("response.status", "int"),
        ("peers.lag", "duration"),
        ("peers.heard < peers.roster", "bool"),
        ("peers.warming", "bool"),
        ("'a' in request.headers", "bool"),
        ("1 in {1: 2}", "bool"),
        ("client.ip in client.net", "bool"),
        ("client.ip in [cidr('::/0')]", "bool"),
        ("client.ip in [ip('::1')]", "bool"),
        ("[1] in [[1], [2]]", "bool"),
        ("has(request.headers['a'])", "bool"),
        ("has(request.length)", "bool"),
        ("has(request.form('a'))", "bool"),
        ("has(int('a'))", "bool"),
        ("has({'a': 1}.a)", "bool"),
        ("request.headers[?'a'].hasValue()", "bool"),
        ("request.headers[?'a'].orValue('b')", "string"),
        ("request.headers[?'a'].or(request.cookies[?'a']).value()", "string"),
        ("request.headers[?'a'].or(optional.none()).orValue('')", "string"),
        ("request.headers[?'a'].optMap(v, v.size()).orValue(0)", "int"),
        ("request.segments[?0].orValue('')", "string"),
        ("optional.of(1).value()", "int"),
        ("(true ? optional.none() : optional.of(1)).value()", "int"),
        ("(true ? optional.of(1) : optional.none()).value()", "int"),
        ("request.host == '' ? 1 : 2", "int"),
        ("request.time.getHours('Europe/Paris')", "int"),
        ("request.time.getDayOfWeek()", "int"),
        ("peers.lag.getSeconds()", "int"),
        ("request.path.split('/')", "list(string)"),
        ("request.path.split('/').map(p, p.size())", "list(int)"),
        ("request.path.split('/').map(p, p != '', p.size())", "list(int)"),
        ("cidr('10.0.0.0/8').ip()", "ip"),
        ("cidr('10.0.0.0/8').masked().prefixLength()", "int"),
        ("ip.isCanonical('::1')", "bool"),
        ("[ip('::1')].exists(ip, ip.isLoopback())", "bool"),
        ("jwt.idp.claims.roles", "list(string)"),
        ("jwt.idp.claims['https://example.com/team']", "string"),
        ("jwt.idp.claims[?'sub'].orValue('')", "string"),
        ("jwt.idp.claims.?sub.orValue('')", "string"),
        ("jwt['idp'].claims.level", "int"),
        ("rate('all', '1m')", "double"),
        ("uniques('login-users', client.net, '10m')", "int"),
    ];
    for (text, ty) in cases {
        assert_eq!(accepted(text).ty.to_string(), ty, "{text}");
    }
}

/// CEL language definition, "Arithmetic Operators".
#[test]
fn arithmetic_by_its_types() {
    for (text, ty) in [
        ("1 + 1", "int"),
        ("1u * 2u", "uint"),
        ("1.0 / 2.0", "double"),
        ("5 % 2", "int"),
        ("5u % 2u", "uint"),
        ("'a' + 'b'", "string"),
        ("b'a' + b'b'", "bytes"),
        ("[1] + [2]", "list(int)"),
        ("request.time + duration('1s')", "timestamp"),
        ("duration('1s') + request.time", "timestamp"),
        ("duration('1s') + duration('1s')", "duration"),
        ("request.time - duration('1s')", "timestamp"),
        ("request.time - request.time", "duration"),
        ("duration('1s') - duration('1s')", "duration"),
        ("-1.5", "double"),
    ] {
        assert_eq!(accepted(text).ty.to_string(), ty, "{text}");
    }
    all_refused(&[
        ("1 + 1.0", "1 + 1.0", "`+` is not possible between type int and type double", "write it as `1.0`"),
        ("1u + 1", "1u + 1", "`+` is not possible between type uint and type int", "write it as `1`"),
        ("'a' + 1", "'a' + 1", "`+` is not possible between type string and type int", "write it as `\"1\"`"),
        (
            "'a' + response.status",
            "'a' + response.status",
            "`+` is not possible between type string and type int",
            "make a string of it: `string(x)`",
        ),
        (
            "1.5 % 1.0",
            "1.5 % 1.0",
            "`%` is not possible between type double and type double",
            "a remainder is of ints: `int(x)`",
        ),
        (
            "request.time + request.time",
            "request.time + request.time",
            "`+` is not possible between type timestamp and type timestamp",
            "the time between two is `a - b`",
        ),
        (
            "request.time - 60",
            "request.time - 60",
            "`-` is not possible between type timestamp and type int",
            "a span of time is written `duration(\"10s\")`",
        ),
        (
            "true + false",
            "true + false",
            "`+` is not possible between type bool and type bool",
            "\"or\" is written `||`",
        ),
        ("'a' * 3", "'a' * 3", "`*` is not possible between type string and type int", ""),
        ("[1] + ['a']", "[1] + ['a']", "`+` is not possible between type list(int) and type list(string)", ""),
        ("-1u", "1u", "a uint has no negative", "make an int of it: `int(x)`"),
        ("-'a'", "'a'", "a string has no negative", ""),
        ("-true", "true", "a bool has no negative", "negation is written `!`"),
    ]);
}

#[test]
fn comparisons_by_their_types() {
    for text in [
        "1 == 1.0",
        "1u < 2",
        "1.5 >= 1u",
        "'a' < 'b'",
        "b'a' <= b'b'",
        "true > false",
        "request.time > timestamp('2026-01-01T00:00:00Z')",
        "peers.lag < duration('2s')",
        "[1] == [1]",
        "{'a': 1} != {'b': 2}",
        "client.ip == ip('::1')",
        "client.net != cidr('::/64')",
        "request.segments == ['a']",
    ] {
        assert_eq!(accepted(text).ty, Type::Bool, "{text}");
    }
    all_refused(&[
        ("client.ip < client.ip", "client.ip < client.ip", "`<` does not compare values of type ip", ""),
        ("[1] < [2]", "[1] < [2]", "`<` does not compare values of type list(int)", ""),
        (
            "[1] == [1.0]",
            "[1] == [1.0]",
            "`==` compares values of one type: on the left is list(int), on the right list(double)",
            "",
        ),
        (
            "optional.of(1) == optional.of(1)",
            "optional.of(1) == optional.of(1)",
            "`==` does not compare optionals",
            "compare what is there: `x.orValue(...)`",
        ),
        (
            "response.status == '404'",
            "response.status == '404'",
            "`==` compares values of one type: on the left is int, on the right string",
            "write it as `404`",
        ),
        (
            "request.query['page'] == 2",
            "request.query['page'] == 2",
            "`==` compares values of one type: on the left is string, on the right int",
            "write it as `\"2\"`",
        ),
        (
            "request.headers['content-length'] > 1000",
            "request.headers['content-length'] > 1000",
            "`>` compares values of one type: on the left is string, on the right int",
            "make an int of it: `int(x)`",
        ),
        (
            "client.ip == '192.0.2.1'",
            "client.ip == '192.0.2.1'",
            "`==` compares values of one type: on the left is ip, on the right string",
            "write it as `ip(\"192.0.2.1\")`",
        ),
        (
            "client.ip == cidr('10.0.0.0/8')",
            "client.ip == cidr('10.0.0.0/8')",
            "`==` compares values of one type: on the left is ip, on the right cidr",
            "whether an address is in a network is asked with `in`",
        ),
        (
            "request.method == ['GET']",
            "request.method == ['GET']",
            "`==` compares values of one type: on the left is string, on the right list(string)",
            "whether it is in the list is asked with `in`",
        ),
        (
            "peers.lag < '2s'",
            "peers.lag < '2s'",
            "`<` compares values of one type: on the left is duration, on the right string",
            "write it as `duration(\"2s\")`",
        ),
        (
            "jwt.idp.valid == 1",
            "jwt.idp.valid == 1",
            "`==` compares values of one type: on the left is bool, on the right int",
            "a bool is compared with `true` and `false`, or stands by itself",
        ),
        (
            "request.headers[?'a'] == 'b'",
            "request.headers[?'a'] == 'b'",
            "`==` compares values of one type: on the left is optional(string), on the right string",
            "",
        ),
    ]);
}

#[test]
fn conversions_by_their_types() {
    for (text, ty) in [
        ("int(1)", "int"),
        ("int(1u)", "int"),
        ("int(1.5)", "int"),
        ("int('1')", "int"),
        ("int(request.time)", "int"),
        ("uint(1)", "uint"),
        ("double('1')", "double"),
        ("string(client.ip)", "string"),
        ("string(client.net)", "string"),
        ("string(b'a')", "string"),
        ("string('a')", "string"),
        ("bytes('a')", "bytes"),
        ("bool('true')", "bool"),
        ("bool(true)", "bool"),
        ("duration(request.path)", "duration"),
        ("timestamp(1)", "timestamp"),
        ("timestamp(request.path)", "timestamp"),
        ("ip(request.path)", "ip"),
        ("cidr(request.path)", "cidr"),
        ("isIP(request.path)", "bool"),
    ] {
        assert_eq!(accepted(text).ty.to_string(), ty, "{text}");
    }
    // A conversion to the type a value has already is the value.
    assert_eq!(accepted("string(request.path)").kind, Kind::Field(Field::Path));
    all_refused(&[
        ("int(true)", "true", "`int` takes type uint, double, string, timestamp or int, and this is of type bool", ""),
        ("bool(1)", "1", "`bool` takes type string or bool, and this is of type int", "write it as `\"1\"`"),
        ("ip(1)", "1", "`ip` takes type string or ip, and this is of type int", "write it as `\"1\"`"),
        (
            "string([1])",
            "[1]",
            "`string` takes type bool, int, uint, double, bytes, duration, timestamp, ip, cidr or string, and this is of type list(int)",
            "",
        ),
        ("duration()", "duration", "`duration` takes 1 argument, and here it has 0", ""),
    ]);
}

#[test]
fn trees_of_macros() {
    let Kind::Fold(outer) = accepted("[1].all(x, [2].exists(y, x == y))").kind else { panic!("no macro") };
    let Fold { macro_: Macro::All, slot: 0, filter: None, body, .. } = *outer else { panic!("no all") };
    let Kind::Fold(inner) = body.kind else { panic!("no macro") };
    assert_eq!((inner.macro_, inner.slot), (Macro::Exists, 1));
    let Kind::Compare(_, left, right) = inner.body.kind else { panic!("no comparison") };
    assert_eq!((left.kind, right.kind), (Kind::Variable(0), Kind::Variable(1)));
    // The inner one hides the outer one; the slot of one that ended is free.
    let Kind::And(terms) = accepted("[1].all(x, ['a'].all(x, x == 'a')) && [true].all(y, y)").kind else { panic!() };
    let slots: Vec<u8> =
        terms.iter().map(|term| if let Kind::Fold(fold) = &term.kind { fold.slot } else { 9 }).collect();
    assert_eq!(slots, [0, 0]);
    let Kind::Fold(map) = accepted("[1].map(x, x > 0, string(x))").kind else { panic!("no macro") };
    assert!(map.filter.is_some());
}

#[test]
fn header_names_are_in_lower_case() {
    for text in [
        "request.headers['X-A']",
        "request.headers[?'X-A'].value()",
        "'X-A' in request.headers",
        "request.headers.values('X-A')",
    ] {
        let tree = format!("{:?}", accepted(text));
        assert!(tree.contains("\"x-a\"") && !tree.contains("X-A"), "{tree}");
    }
    // Cookies and query fields keep their case.
    assert!(format!("{:?}", accepted("request.cookies['A']")).contains("\"A\""));
    for text in
        ["request.headers['a b']", "'a b' in request.headers", "response.headers.values('a b')", "request.headers['']"]
    {
        let (_, message, _) = super::refused(text);
        assert!(message.ends_with("cannot be the name of a header"), "{text}: {message}");
    }
}

#[test]
fn addresses_are_checked_at_load() {
    accepted(r#"client.ip == ip("2001:db8::1") || client.ip in cidr("2001:db8::/32")"#);
    all_refused(&[
        (r#"ip("10.0.0.256")"#, r#""10.0.0.256""#, "`10.0.0.256` is not an IP address", ""),
        (
            r#"ip("10.0.0.0/8")"#,
            r#""10.0.0.0/8""#,
            "`10.0.0.0/8` is not an IP address",
            "a network is written with `cidr`",
        ),
        (
            r#"ip("::ffff:10.0.0.1")"#,
            r#""::ffff:10.0.0.1""#,
            "`::ffff:10.0.0.1` is an IPv4 address in IPv6 form, which never matches",
            "write it as IPv4: 10.0.0.1",
        ),
        (
            r#"cidr("10.0.0.0/33")"#,
            r#""10.0.0.0/33""#,
            "`10.0.0.0/33` is not a network",
            "write it as \"192.0.2.0/24\" or \"2001:db8::/32\"",
        ),
        (
            r#"cidr("10.0.0.1/8")"#,
            r#""10.0.0.1/8""#,
            "`10.0.0.1/8` has bits set behind its prefix",
            "write \"10.0.0.0/8\"",
        ),
    ]);
}

#[test]
fn times_are_checked_at_load() {
    use selvedge_conf::expr::{duration, timestamp};
    for (text, nanos) in [
        ("0", 0),
        ("1h30m", 5_400_000_000_000i128),
        ("-1.5s", -1_500_000_000),
        ("+1ms", 1_000_000),
        ("1us2ns", 1_002),
        ("1µs", 1_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("0.0000000019s", 1),
        ("87660000h", 315_576_000_000_000_000_000),
    ] {
        assert_eq!(duration(text).map(|duration| duration.as_nanos()), Some(nanos), "{text}");
    }
    for text in
        ["", "-", "1", "s", ".s", "1d", "1 s", "1h ", "87660000h1ns", "99999999999999999999h", "1e3s", "--1s", "1sm"]
    {
        assert_eq!(duration(text), None, "{text}");
    }
    for (text, second) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01.999z", 1),
        ("2026-01-01T02:00:00+02:00", 1_767_225_600),
        ("0001-01-01T00:00:00Z", -62_135_596_800),
        ("9999-12-30T22:00:00.999999999Z", 253_402_207_200),
    ] {
        assert_eq!(timestamp(text).map(|time| time.as_second()), Some(second), "{text}");
    }
    for text in [
        "",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00Z[UTC]",
        "2026-01-01T00:00:00+0200",
        "0000-12-31T23:59:59Z",
        "9999-12-30T22:00:01Z",
        "-001-01-01T00:00:00Z",
    ] {
        assert_eq!(timestamp(text), None, "{text}");
    }
    all_refused(&[
        (
            "duration('1d')",
            "'1d'",
            "`1d` is not a duration",
            "write numbers and units, such as \"1h30m\" or \"1.5s\"; the units are h, m, s, ms, us and ns",
        ),
        (
            "timestamp('2026-01-01')",
            "'2026-01-01'",
            "`2026-01-01` is not a point in time",
            "write it as \"2026-01-01T00:00:00Z\" or \"2026-01-01T00:00:00+02:00\"",
        ),
        (
            "request.time.getHours('Europe/Pariss')",
            "'Europe/Pariss'",
            "`Europe/Pariss` is not a time zone",
            "write a name such as \"Europe/Paris\" or an offset such as \"+02:00\"",
        ),
        (
            "request.time.getHours(request.path)",
            "request.path",
            "a time zone is a literal string, and this is a string",
            "",
        ),
    ]);
    for zone in ["UTC", "Europe/Paris", "America/Sao_Paulo", "+02:00", "-09:30", "02:00"] {
        accepted(&format!("request.time.getHours('{zone}')"));
    }
    for zone in ["+2", "+24:00", "+02:60", "2:00", "", "Z"] {
        assert!(
            super::refused(&format!("request.time.getHours('{zone}')")).1.ends_with("is not a time zone"),
            "{zone}"
        );
    }
}

#[test]
fn regular_expressions_are_checked_at_load() {
    let Kind::Matches(text, pattern) = accepted(r#"request.path.matches(r"^/a\d+$")"#).kind else { panic!("no match") };
    assert_eq!(text.kind, Kind::Field(Field::Path));
    assert!(pattern.0.is_match("/a1"));
    assert!(matches!(accepted("matches(request.path, 'a')").kind, Kind::Matches(..)));
    all_refused(&[
        ("'a'.matches('(a')", "'(a'", "`(a` is not a regular expression: unclosed group", ""),
        (
            "'a'.matches('a(?=b)')",
            "'a(?=b)'",
            "`a(?=b)` is not a regular expression: look-around, including look-ahead and look-behind, is not supported",
            "the syntax is that of RE2, whose time is linear in the text",
        ),
        (
            "'a'.matches(request.path)",
            "request.path",
            "a regular expression is a literal string",
            "several go into a `[list.NAME]` with `kind = \"patterns\"`: `matchesAny(lists.NAME)`",
        ),
    ]);
}

#[test]
fn an_overload_has_the_function_of_its_types() {
    for (text, function) in [
        ("peers.lag.getHours()", Function::DurationHours),
        ("client.net.containsIP(client.ip)", Function::ContainsIp),
        ("client.net.containsIP('10.0.0.1')", Function::ContainsIp),
        ("client.net.containsCIDR(client.net)", Function::ContainsCidr),
        ("client.net.ip()", Function::NetworkIp),
        ("timestamp(1)", Function::ToTimestamp),
    ] {
        assert!(matches!(accepted(text).kind, Kind::Call(found, _) if found == function), "{text}");
    }
    assert!(matches!(accepted("request.time.getHours()").kind, Kind::Part(..)));
    assert!(matches!(accepted("[1] + [2]").kind, Kind::Arithmetic(Arithmetic::Add, ..)));
    let Kind::Read(read) = accepted("banned(client.net)").kind else { panic!("no look") };
    assert!(matches!(*read, Read::Banned(Some(_))));
}

#[test]
fn phases_of_what_is_read() {
    for (text, phase) in [
        ("true", Phase::Connection),
        ("client.ip in lists.office", Phase::Connection),
        ("client.country == 'FR'", Phase::Connection),
        ("banned()", Phase::Connection),
        ("count('not-found', client.net, '1m') > 1", Phase::Connection),
        ("peers.lag > duration('1s')", Phase::Connection),
        ("count('not-found', '1m') > 1", Phase::Request),
        ("limit('login').exceeded", Phase::Request),
        ("jwt.idp.valid", Phase::Request),
        ("request.form('a') == ''", Phase::Request),
        ("client.asn == 1 && [1].all(x, request.path.size() == x)", Phase::Request),
        ("response.status == 404", Phase::Response),
        ("request.host == '' || cache.status == 'hit'", Phase::Response),
        ("count('errors', response.status, '1m') > 1", Phase::Response),
        ("[1].map(x, response.status == 1, x) == [1]", Phase::Response),
    ] {
        assert_eq!(accepted(text).phase(), phase, "{text}");
    }
    assert!(accepted("[1].all(x, request.form('a') == '')").reads_form());
    assert!(accepted("request.form_values('a').size() > 1").reads_form());
    assert!(accepted("!request.form_read").reads_form());
    assert!(!accepted("request.query['a'] == ''").reads_form());
}

#[test]
fn a_condition_is_a_bool() {
    let bare = Setting::bare();
    let error = |text| super::only(text, parse(text, &bare));
    let compare = "compare it with something, such as `request.method == \"POST\"`".to_owned();
    assert_eq!(
        error("request.path"),
        ("request.path", "a condition is a bool, and this is of type string".to_owned(), compare)
    );
    let message = "a condition is a bool, and this is of type optional(string)".to_owned();
    let help = "whether there is something is asked with `.hasValue()`".to_owned();
    assert_eq!(error("request.headers[?'a']"), ("request.headers[?'a']", message, help));
}
