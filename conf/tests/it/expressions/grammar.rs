//! The grammar of the CEL language definition, section "Syntax": what parses, and to what tree.

use selvedge_conf::expr::{Arithmetic, Comparison, Expr, Field, Function, Kind, Span, Type};

use super::{accepted, refused};

fn field(field: Field, ty: Type, start: usize, end: usize) -> Box<Expr> {
    Box::new(Expr { kind: Kind::Field(field), ty, span: Span { start, end } })
}

/// A tree as one would write it with all parentheses.
fn shown(expr: &Expr) -> String {
    let list = |parts: &[Expr], joint: &str| parts.iter().map(shown).collect::<Vec<_>>().join(joint);
    match &expr.kind {
        Kind::Bool(value) => value.to_string(),
        Kind::Int(value) => value.to_string(),
        Kind::Uint(value) => format!("{value}u"),
        Kind::Double(value) => format!("{value:?}"),
        Kind::String(value) => format!("{value:?}"),
        Kind::Bytes(value) => format!("b{value:?}"),
        Kind::List(parts) => format!("[{}]", list(parts, ", ")),
        Kind::Map(entries) => {
            let entries: Vec<_> =
                entries.iter().map(|(key, value)| format!("{}: {}", shown(key), shown(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Kind::Field(field) => format!("{field:?}"),
        Kind::Variable(slot) => format!("${slot}"),
        Kind::Not(part) => format!("!{}", shown(part)),
        Kind::Negate(part) => format!("-{}", shown(part)),
        Kind::And(parts) => format!("({})", list(parts, " && ")),
        Kind::Or(parts) => format!("({})", list(parts, " || ")),
        Kind::Choose(a, b, c) => format!("({} ? {} : {})", shown(a), shown(b), shown(c)),
        Kind::Compare(comparison, a, b) => format!("({} {} {})", shown(a), comparison.symbol(), shown(b)),
        Kind::Arithmetic(operator, a, b) => format!("({} {} {})", shown(a), operator.symbol(), shown(b)),
        Kind::In(a, b) => format!("({} in {})", shown(a), shown(b)),
        Kind::Index(a, b) => format!("{}[{}]", shown(a), shown(b)),
        Kind::Maybe(part) => format!("maybe({})", shown(part)),
        Kind::Some(part) => format!("some({})", shown(part)),
        Kind::Has(part) => format!("has({})", shown(part)),
        Kind::Call(function, parts) => format!("{function:?}({})", list(parts, ", ")),
        kind => format!("{kind:?}"),
    }
}

#[test]
fn the_tree_of_a_comparison() {
    let text = Expr { kind: Kind::String("GET".to_owned()), ty: Type::String, span: Span { start: 18, end: 23 } };
    let method = field(Field::Method, Type::String, 0, 14);
    let expected = Kind::Compare(Comparison::Equal, method, Box::new(text));
    assert_eq!(accepted(r#"request.method == "GET""#).kind, expected);
}

#[test]
fn precedence_and_association() {
    for (text, tree) in [
        ("true || false && true || false", "(true || (false && true) || false)"),
        ("!true == false", "(!true == false)"),
        ("!!true", "!!true"),
        ("- -1", "--1"),
        ("-(1)", "-1"),
        ("-1 - -1", "(-1 - -1)"),
        ("1 + 2 * 3 - 4", "((1 + (2 * 3)) - 4)"),
        ("1 * 2 / 3 % 4", "(((1 * 2) / 3) % 4)"),
        ("(1 + 2) * 3", "((1 + 2) * 3)"),
        ("1 + 2 < 3 == true", "(((1 + 2) < 3) == true)"),
        ("1 + 1 in [2]", "((1 + 1) in [2])"),
        ("1 in [1] == true", "((1 in [1]) == true)"),
        ("true ? 1 : 2", "(true ? 1 : 2)"),
        ("true ? 1 : false ? 2 : 3", "(true ? 1 : (false ? 2 : 3))"),
        ("true || false ? 1 + 1 : 2", "((true || false) ? (1 + 1) : 2)"),
        ("(true ? false : true) ? 1 : 2", "((true ? false : true) ? 1 : 2)"),
        ("!request.path.startsWith(\"/\")", "!StartsWith(Path, \"/\")"),
        ("-request.path.size()", "-Size(Path)"),
        ("-1.5 * 2.0", "(-1.5 * 2.0)"),
        ("[1, 2][0]", "[1, 2][0]"),
        ("{\"a\": 1}[\"a\"]", "{\"a\": 1}[\"a\"]"),
        ("{\"a\": 1}.a", "{\"a\": 1}[\"a\"]"),
        ("{1: [1], 2: [2],}[1][0]", "{1: [1], 2: [2]}[1][0]"),
        ("{\"a\": 1}[?\"a\"].orValue(2)", "OrValue(maybe({\"a\": 1}[\"a\"]), 2)"),
        ("{\"a\": 1}.?a.hasValue()", "has(maybe({\"a\": 1}[\"a\"]))"),
        (".request.method", "Method"),
        ("request . method", "Method"),
        (".size(.request.method)", "Size(Method)"),
    ] {
        assert_eq!(shown(&accepted(text)), tree, "{text}");
    }
}

#[test]
fn numbers() {
    for (text, kind) in [
        ("0", Kind::Int(0)),
        ("007", Kind::Int(7)),
        ("0x1F", Kind::Int(31)),
        ("-0x1F", Kind::Int(-31)),
        ("9223372036854775807", Kind::Int(i64::MAX)),
        ("-9223372036854775808", Kind::Int(i64::MIN)),
        ("0u", Kind::Uint(0)),
        ("0xffU", Kind::Uint(255)),
        ("18446744073709551615u", Kind::Uint(u64::MAX)),
        ("1.5", Kind::Double(1.5)),
        (".5", Kind::Double(0.5)),
        ("1e3", Kind::Double(1000.0)),
        ("1E-2", Kind::Double(0.01)),
        ("1.25e+2", Kind::Double(125.0)),
        ("-.5", Kind::Double(-0.5)),
        ("1e-999", Kind::Double(0.0)),
    ] {
        assert_eq!(accepted(text).kind, kind, "{text}");
    }
    for (text, underlined) in [
        ("9223372036854775808", "9223372036854775808"),
        ("-9223372036854775809", "-9223372036854775809"),
        ("18446744073709551616u", "18446744073709551616u"),
        ("1 == 99999999999999999999", "99999999999999999999"),
        ("1 == 0x", "0x"),
        ("1 == 0X1f", "0X1f"),
        ("1 == 0xu", "0xu"),
        ("1 == 1e999", "1e999"),
        ("1 == 1uu", "1uu"),
        ("1 == 1.5u", "1.5u"),
        ("1 == 1e", "1e"),
        ("1 == 1_000", "1_000"),
        ("1 == 10s", "10s"),
    ] {
        assert_eq!(refused(text).0, underlined);
    }
}

#[test]
fn strings_and_their_escapes() {
    for (text, value) in [
        (r#""a""#, "a"),
        ("'a\"b'", "a\"b"),
        (r#""a'b\"c""#, "a'b\"c"),
        (r#""\n\t\\\x41\u00fc\U0001F600\101""#, "\n\t\\Aü😀A"),
        (r#""\a\b\f\r\v\?\`\'""#, "\u{7}\u{8}\u{c}\r\u{b}?`'"),
        (r#""\xff\377""#, "ÿÿ"),
        (r#"r"a\n""#, "a\\n"),
        (r#"R'\'"#, "\\"),
        ("\"ü\"", "ü"),
        ("''", ""),
        ("\"\"\"\"\"\"", ""),
        ("\"\"\"a\"b\nc\"\"\"", "a\"b\nc"),
        ("'''a''b\\n'''", "a''b\n"),
        ("r\"\"\"a\\\n\"\"\"", "a\\\n"),
    ] {
        assert_eq!(accepted(text).kind, Kind::String(value.to_owned()), "{text}");
    }
}

#[test]
fn bytes_and_their_escapes() {
    for (text, value) in [
        (r#"b"a""#, &b"a"[..]),
        (r#"B'\xff\377'"#, &[0xff, 0xff]),
        (r#"b"ü""#, &[0xc3, 0xbc]),
        (r#"br"\x""#, br"\x"),
        ("b\"\"\"\n\"\"\"", b"\n"),
    ] {
        assert_eq!(accepted(text).kind, Kind::Bytes(value.to_vec()), "{text}");
    }
    assert_eq!(refused(r#"b"\u00fc""#).1, "an escape of characters, in bytes");
    assert_eq!(refused(r#"rb"a""#).1, "`rb` starts no literal");
}

#[test]
fn blanks_comments_and_trailing_commas() {
    accepted("// what is read\n request.method\n\t in [\"GET\", // and\r\n \"HEAD\",] ");
    accepted("true//");
    accepted("{1: 2,}[1] == 2");
    assert_eq!(refused("size(\"a\",)").1, "expected a value, found `)`");
}

#[test]
fn the_leading_fields_of_a_chain_keep_their_places() {
    let Kind::Arithmetic(Arithmetic::Add, left, _) = accepted("1 + 2 + 3").kind else { panic!("no sum") };
    assert_eq!(left.span, Span { start: 0, end: 5 });
    let Kind::Call(Function::Size, parts) = accepted("(\"a\").size()").kind else { panic!("no call") };
    assert_eq!(parts[0].span, Span { start: 0, end: 5 });
}
