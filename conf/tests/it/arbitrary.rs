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
    ".",
    "path",
    "method",
    "headers",
    "ip",
    "net",
    "(",
    ")",
    "[",
    "]",
    ",",
    "&&",
    "||",
    "!",
    "==",
    "<",
    " in ",
    "\"",
    "'",
    "\"a\"",
    "'\\u00fc'",
    "\\",
    "1",
    "-",
    "0x",
    "true",
    " ",
    "\n",
    "//",
    "ü",
    "cidr(\"10.0.0.0/8\")",
    "ip(",
    "startsWith",
    "size()",
    "\0",
    "r\"",
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

fn check_expression(text: &str) -> Result<(), TestCaseError> {
    let Err(errors) = expr::parse(text) else { return Ok(()) };
    prop_assert!(!errors.is_empty());
    for error in errors {
        prop_assert!(text.get(error.span.start..error.span.end).is_some(), "{:?}: {error:?}", text);
        prop_assert!(!error.message.is_empty());
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
        match (expr::parse(&condition), load(&text)) {
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
