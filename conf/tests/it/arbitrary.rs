//! No text crashes or hangs the loader, the expression front end or the report about it.

use proptest::prelude::*;
use selvedge_conf::expr;

use crate::support::load;

/// Text made of the language's own pieces, so that the parsers get further than their first word.
fn pieces(pieces: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(pieces), 0..most).prop_map(|pieces| pieces.concat())
}

const WORDS: &[&str] = &[
    "request",
    "client",
    "response",
    "lists",
    "jwt",
    "idp",
    "office",
    "claims",
    ".",
    "path",
    "method",
    "headers",
    "cookies",
    "query",
    "segments",
    "ip",
    "net",
    "status",
    "time",
    "length",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "?",
    "[?",
    ".?",
    "&&",
    "||",
    "!",
    "==",
    "!=",
    "<",
    ">=",
    " in ",
    "+",
    "- ",
    "*",
    "/",
    "%",
    "\"",
    "'",
    "\"a\"",
    "'\\u00fc'",
    "b'\\xff'",
    "\\\"\\\"\\\"",
    "\"\"\"",
    "'''",
    "r\"",
    "b'",
    "\\",
    "1",
    "1u",
    "1.5",
    "1e3",
    "-",
    "0x",
    "true",
    "null",
    " ",
    "\n",
    "//",
    "ü",
    "cidr(\"10.0.0.0/8\")",
    "ip(",
    "ip.",
    "client.ip",
    "request.path",
    "request.headers[\"a\"]",
    "request.segments",
    "[1, 2]",
    "{1: 2}",
    "optional.of(",
    "optional.none()",
    ".orValue(",
    ".optMap(x, ",
    ".all(x, ",
    ".exists(x,",
    ".map(x, ",
    ".filter(x, ",
    "x",
    "has(",
    ".matches(\"a+\")",
    ".size()",
    "size(",
    "string(",
    "int(",
    "startsWith",
    ".split(\"\")",
    "duration(\"1s\")",
    "count(\"all\", \"1m\")",
    "count(\"not-found\", client.net, \"1m\")",
    "limit(\"login\").exceeded",
    "banned(",
    "lists.office",
    "jwt.idp.claims.sub",
    "getHours(\"UTC\")",
    "\0",
    "\u{1F600}",
];

const LINES: &[&str] = &[
    "[listen]\n",
    "http = [\"0.0.0.0:1\"]\n",
    "[pop]\n",
    "name = \"a\"\n",
    "[[limit]]\n",
    "key = []\n",
    "rate = \"1/1s\"\n",
    "[origin.a]\n",
    "servers = [\"${A}\"]\n",
    "[site.\"a\"]\n",
    "[site.a.b]\n",
    "origin = \"a\"\n",
    "when = '",
    "when = \"",
    "when = '''\n",
    "'\n",
    "\"",
    "\\u00fc",
    "\\\n  ",
    "'''",
    "\"\"\"",
    "= ",
    "[",
    "]",
    "{",
    "}",
    "\r\n",
    "\n",
    "ü",
    "\0",
    "\t",
    "include = [\"x\"]\n",
    "request.path == ",
    "cidr(\\\"10.0.0.1/8\\\")",
    "1979-05-27",
    "inf",
    "[[origin]]\n",
    "a.b.c = 1\n",
    "#",
    "\u{7f}",
];

/// Whatever the text, it is an expression of some phase or it has errors that can be shown; what is accepted can be asked
/// for all that is known of it.
fn check_expression(text: &str) -> Result<(), TestCaseError> {
    let names = crate::expressions::names();
    for phase in [expr::Phase::Connection, expr::Phase::Request, expr::Phase::Response] {
        let setting = expr::Setting { phase, names: &names };
        match expr::parse_value(text, &setting) {
            Ok(value) => {
                prop_assert!(value.phase() <= phase.max(expr::Phase::Request), "{:?}", text);
                prop_assert!(value.cost().nanos <= expr::COST_MAX, "{:?}", text);
                check_spans(&value, text)?;
            }
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                for error in errors {
                    prop_assert!(text.get(error.span.start..error.span.end).is_some(), "{:?}: {error:?}", text);
                    prop_assert!(!error.message.is_empty() && !error.message.contains('\n'), "{:?}: {error:?}", text);
                }
            }
        }
    }
    Ok(())
}

/// Every part is in the text, within what it is a part of.
fn check_spans(expr: &expr::Expr, text: &str) -> Result<(), TestCaseError> {
    prop_assert!(text.get(expr.span.start..expr.span.end).is_some(), "{:?}: {expr:?}", text);
    let mut parts = Vec::new();
    expr.for_each_part(&mut |part| parts.push(part));
    for part in parts {
        let within = expr.span.start <= part.span.start && part.span.end <= expr.span.end;
        prop_assert!(within, "{:?}: {part:?} in {expr:?}", text);
        check_spans(part, text)?;
    }
    Ok(())
}

fn check_file(text: &str) -> Result<(), TestCaseError> {
    let Err(report) = load(text) else { return Ok(()) };
    prop_assert!(!report.problems().is_empty());
    let lines = text.matches('\n').count() as u32 + 1;
    for problem in report.problems() {
        prop_assert!((1..=lines).contains(&problem.place.line), "{:?}: {problem:?}", text);
    }
    let rendered = report.render(false);
    prop_assert_eq!(&rendered, &report.render(false));
    // The fallback for a span that cannot be drawn names the place in front of the message.
    prop_assert!(!rendered.contains("× edge.toml:"), "{}", rendered);
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_an_expression_or_an_error(text in any::<String>()) {
        check_expression(&text)?;
    }

    #[test]
    fn any_words_are_an_expression_or_an_error(text in pieces(WORDS, 40)) {
        check_expression(&text)?;
    }

    #[test]
    fn any_nesting_of_words_is_an_expression_or_an_error(
        (open, core, close) in (pieces(WORDS, 4), pieces(WORDS, 3), pieces(WORDS, 4)),
        levels in 1..100usize,
    ) {
        check_expression(&format!("{}{core}{}", open.repeat(levels), close.repeat(levels)))?;
    }

    #[test]
    fn any_text_is_a_config_or_a_report(text in any::<String>()) {
        check_file(&text)?;
    }

    #[test]
    fn any_lines_are_a_config_or_a_report(text in pieces(LINES, 30)) {
        check_file(&text)?;
    }

    #[test]
    fn any_condition_in_a_file_is_reported_inside_its_string(condition in pieces(WORDS, 12)) {
        let quoted = serde_json::to_string(&condition).expect("JSON");
        let text = format!("[listen]\nhttp = [\"0.0.0.0:1\"]\n[[limit]]\nname = \"l\"\nkey = []\nrate = \"1/1s\"\nwhen = {quoted}\n");
        let start = "when = ".len() as u32;
        let columns = start + 1..=start + quoted.chars().count() as u32 + 1;
        match (expr::parse(&condition, &expr::Setting::bare()), load(&text)) {
            (Ok(_), Ok(_)) => {}
            (Err(_), Err(report)) => {
                for problem in report.problems() {
                    prop_assert_eq!(problem.place.line, 7, "{}", report);
                    prop_assert!(columns.contains(&problem.place.column), "{}", report);
                }
                check_file(&text)?;
            }
            (expression, file) => prop_assert!(false, "{expression:?} and {file:?}"),
        }
    }
}
