//! Expressions by themselves: what they parse to, and every way they are refused.

use selvedge_conf::expr::{Comparison, Expr, Field, Kind, Method, NESTING_MAX, Span, TEXT_MAX, Type, parse};

#[track_caller]
fn accepted(text: &str) -> Expr {
    parse(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

/// What is underlined, the message, and the help of the only error.
#[track_caller]
fn refused(text: &str) -> (&str, String, Option<String>) {
    let mut errors = parse(text).expect_err(text);
    assert_eq!(errors.len(), 1, "{text}: {errors:?}");
    let error = errors.remove(0);
    (&text[error.span.start..error.span.end], error.message, error.help)
}

fn field(field: Field, ty: Type, start: usize, end: usize) -> Box<Expr> {
    Box::new(Expr { kind: Kind::Field(field), ty, span: Span { start, end } })
}

#[test]
fn the_tree_of_a_comparison() {
    let text = Expr { kind: Kind::String("GET".to_owned()), ty: Type::String, span: Span { start: 18, end: 23 } };
    let method = field(Field::Method, Type::String, 0, 14);
    let expected = Kind::Compare(Comparison::Equal, method, Box::new(text));
    assert_eq!(accepted(r#"request.method == "GET""#).kind, expected);
}

#[test]
fn and_binds_tighter_than_or() {
    let Kind::Or(terms) = accepted("true || false && true || false").kind else { panic!("not an or") };
    let kinds: Vec<_> = terms.iter().map(|term| std::mem::discriminant(&term.kind)).collect();
    let (bool, and) = (Kind::Bool(true), Kind::And(Vec::new()));
    assert_eq!(kinds, [&bool, &and, &bool].map(std::mem::discriminant));
}

#[test]
fn comparison_binds_tighter_than_not_looser_than_method() {
    let Kind::Compare(_, left, _) = accepted("!true == false").kind else { panic!("not a comparison") };
    assert!(matches!(left.kind, Kind::Not(_)));
    let Kind::Not(operand) = accepted(r#"!request.path.startsWith("/")"#).kind else { panic!("not a not") };
    assert!(matches!(operand.kind, Kind::Call(Method::StartsWith, ..)));
}

#[test]
fn strings_and_their_escapes() {
    for (text, value) in [
        (r#""a""#, "a"),
        ("'a\"b'", "a\"b"),
        (r#""a'b\"c""#, "a'b\"c"),
        (r#""\n\t\\\x41\u00fc\U0001F600\101""#, "\n\t\\Aü😀A"),
        (r#"r"a\n""#, "a\\n"),
        (r#"R'\'"#, "\\"),
        ("\"ü\"", "ü"),
        ("''", ""),
    ] {
        let condition = format!("request.path == {text}");
        let Kind::Compare(_, _, right) = accepted(&condition).kind else { panic!("not a comparison") };
        assert_eq!(right.kind, Kind::String(value.to_owned()), "{text}");
    }
}

#[test]
fn blanks_comments_and_trailing_commas() {
    accepted("// what is read\n request.method\n\t in [\"GET\", // and\r\n \"HEAD\",] ");
    accepted("true//");
}

#[test]
fn numbers() {
    accepted("-9223372036854775808 < 9223372036854775807 && 0x1F == 31");
    for (text, underlined) in [
        ("1 == 9223372036854775808", "9223372036854775808"),
        ("1 == -9223372036854775809", "-9223372036854775809"),
        ("1 == 99999999999999999999", "99999999999999999999"),
        ("1 == 1u", "1u"),
        ("1 == 0x", "0x"),
        ("1 == 1.5", "1.5"),
        ("1 == 1e3", "1e3"),
    ] {
        assert_eq!(refused(text).0, underlined);
    }
}

#[test]
fn addresses_are_checked_at_load() {
    accepted(r#"client.ip == ip("2001:db8::1") || client.ip in cidr("2001:db8::/32")"#);
    for (text, help) in [
        (r#"client.ip == ip("10.0.0.256")"#, None),
        (r#"client.ip == ip("10.0.0.0/8")"#, Some("a network is written with `cidr`")),
        (r#"client.ip == ip("::ffff:10.0.0.1")"#, Some("write it as IPv4: 10.0.0.1")),
        (r#"client.ip in cidr("10.0.0.0/33")"#, Some("write it as \"192.0.2.0/24\" or \"2001:db8::/32\"")),
        (r#"client.ip in cidr("10.0.0.1/8")"#, Some("write \"10.0.0.0/8\"")),
        (r#"client.ip in cidr(request.path)"#, Some("A network, such as `cidr(\"192.0.2.0/24\")`.")),
    ] {
        assert_eq!(refused(text).2.as_deref(), help, "{text}");
    }
}

#[test]
fn names_and_what_was_meant() {
    for (text, underlined, help) in [
        ("reqest.path == \"\"", "reqest", "did you mean `request`?"),
        ("path == \"\"", "path", "did you mean `request.path`?"),
        ("ip == ip(\"::1\")", "ip", "did you mean `client.ip`?"),
        ("geo == \"\"", "geo", "fields start with `request.` or `client.`"),
        ("request.patch == \"\"", "patch", "did you mean `request.path`?"),
        ("client.country == \"\"", "country", "its fields: `client.ip`, `client.net`"),
        (
            "request == \"\"",
            "request",
            "its fields: `request.method`, `request.host`, `request.path`, `request.headers`",
        ),
        ("request.headers == \"\"", "headers", "name one, such as `request.headers[\"user-agent\"]`"),
        ("request.headers.host == \"\"", "host", "write `request.headers[\"host\"]`"),
        ("request.headers(\"a\") == \"\"", "headers", "write `request.headers[\"name\"]`"),
        ("request.path() == \"\"", "path", "`request.path` is a field: write it without parentheses"),
        ("request.path.size == 1", "size", "it is a method: write `size(...)`"),
        ("request.path.startswith(\"\")", "startswith", "did you mean `startsWith`?"),
        ("request.path.matches(\"a\")", "matches", "regular expressions are not available"),
        ("startsWith(request.path, \"a\")", "startsWith", "it is a method: write `value.startsWith(...)`"),
        ("client.ip in cdr(\"::/0\")", "cdr", "did you mean `cidr`?"),
        ("client.net.containsIp(client.ip)", "containsIp", "did you mean `containsIP`?"),
    ] {
        let (found, message, found_help) = refused(text);
        assert_eq!((found, found_help.as_deref()), (underlined, Some(help)), "{text}: {message}");
    }
}

#[test]
fn types_and_what_was_expected() {
    for (text, underlined, message) in [
        ("request.path", "request.path", "a condition is a bool, and this is of type string"),
        ("[1] == [1]", "[1] == [1]", "`==` does not compare values of type list(int)"),
        ("client.ip < client.ip", "client.ip < client.ip", "`<` does not compare values of type ip"),
        ("true && 1", "1", "`&&` needs a bool, and this is of type int"),
        ("1 || true", "1", "`||` needs a bool, and this is of type int"),
        ("request.path.contains(1)", "1", "`contains` takes type string, and this is of type int"),
        ("request.path.contains()", "contains", "`contains` takes 1 argument, and here it has 0"),
        ("request.path.size(1) == 1", "size", "`size` takes 0 arguments, and here it has 1"),
        ("1 in []", "[]", "an empty list, which nothing is in"),
        ("1 in [1, \"a\"]", "\"a\"", "a list has elements of one type: the first is of type int, this of type string"),
        ("\"a\" in \"abc\"", "\"a\" in \"abc\"", "`in` does not look for type string in type string"),
        ("request.headers[1] == \"\"", "1", "the name of a header is a literal string"),
        ("request.headers[\"a b\"] == \"\"", "\"a b\"", "`a b` cannot be the name of a header"),
        ("request.path[0] == \"\"", "0", "a string has no elements to pick by `[...]`"),
        ("client.ip.size() == 1", "size", "an ip has no method `size`"),
    ] {
        let (found, found_message, _) = refused(text);
        assert_eq!((found, found_message.as_str()), (underlined, message), "{text}");
    }
}

#[test]
fn syntax_and_what_to_write() {
    for (text, underlined, message, help) in [
        ("", "", "expected a value, found the end", None),
        ("true &&", "", "expected a value, found the end", None),
        ("true true", "true", "expected an operator, found `true`", None),
        ("true and true", "and", "expected an operator, found `and`", Some("\"and\" is written `&&`")),
        ("true or true", "or", "expected an operator, found `or`", Some("\"or\" is written `||`")),
        ("not true", "not", "`not` is not an operator", Some("negation is written `!`")),
        ("true & true", "&", "`&` does not belong here", Some("\"and\" is written `&&`")),
        ("1 = 1", "=", "`=` does not belong here", Some("equality is written `==`")),
        ("1 + 1 == 2", "+", "`+` does not belong here", Some("arithmetic is not available")),
        ("2 - 1 == 1", "-", "expected an operator, found `-`", Some("arithmetic is not available")),
        ("(true", "(", "this `(` is never closed", None),
        ("1 in [1", "[", "this `[` is never closed", None),
        ("true)", ")", "expected an operator, found `)`", None),
        ("request.", "", "expected a name behind the dot, found the end", None),
        ("null == 1", "null", "`null` is a reserved word", None),
        ("1 == \"a", "\"a", "a string without its closing \"", None),
        (
            "1 == \"a\nb\"",
            "\"a",
            "a string ends on the line it starts on",
            Some("a line break in a string is written \\n"),
        ),
        (
            "\"\\d\" == \"\"",
            "\\d",
            "`\\d` is not an escape",
            Some("a backslash is written \\\\, or the string as r\"...\""),
        ),
        ("\"\\ud800\" == \"\"", "\\ud800", "an escape that names no character", None),
        ("b\"a\" == b\"a\"", "b", "byte strings are not available", None),
    ] {
        let (found, found_message, found_help) = refused(text);
        assert_eq!((found, found_message.as_str(), found_help.as_deref()), (underlined, message, help), "{text}");
    }
}

#[test]
fn all_type_errors_are_told_at_once() {
    let errors =
        parse("reqest.path == 1 || request.pat == 1 || client.ip == 1 || request.path.size()").expect_err("errors");
    assert_eq!(errors.len(), 4, "{errors:?}");
}

#[test]
fn nesting_is_bounded() {
    let nested = |open: &str, core: &str, close: &str, levels: usize| {
        format!("{}{core}{}", open.repeat(levels), close.repeat(levels))
    };
    let deep = |text: String| refused(&text).1 == format!("nested deeper than {NESTING_MAX} levels");
    accepted(&nested("(", "true", ")", NESTING_MAX - 1));
    assert!(deep(nested("(", "true", ")", NESTING_MAX)));
    accepted(&nested("!", "true", "", NESTING_MAX - 1));
    assert!(deep(nested("!", "true", "", NESTING_MAX)));
    accepted(&nested("", "true", " == true", NESTING_MAX - 1));
    assert!(deep(nested("", "true", " == true", NESTING_MAX)));
    assert!(deep(nested("", "a", ".a", NESTING_MAX)));
    assert!(deep(nested("[", "1", "]", NESTING_MAX)));
    assert!(deep(nested("", "a", "[a]", NESTING_MAX)));
    assert!(deep(nested("a(", "1", ")", NESTING_MAX)));
    // The bound holds at any length the text may have.
    for unit in ["(", "!", "[", "a(", "-", "a.", "true == ", "1 in "] {
        assert!(parse(&unit.repeat(TEXT_MAX / unit.len())).is_err(), "{unit}");
    }
}

#[test]
fn a_chain_is_not_nesting() {
    for operator in [" && ", " || "] {
        let chain = vec!["true"; 1000].join(operator);
        let (Kind::And(terms) | Kind::Or(terms)) = accepted(&chain).kind else { panic!("not a chain") };
        assert_eq!(terms.len(), 1000);
    }
}

#[test]
fn text_is_bounded() {
    accepted(&format!("true{}", " ".repeat(TEXT_MAX - 4)));
    assert_eq!(
        refused(&format!("true{}", " ".repeat(TEXT_MAX - 3))).1,
        "an expression of 16385 bytes; at most 16384 are possible"
    );
}
