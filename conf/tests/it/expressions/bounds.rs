//! No expression is deeper, longer or dearer than its bounds.

use std::time::Duration;

use selvedge_conf::expr::{COST_MAX, Kind, NESTING_MAX, PATTERNS_MAX, Phase, SLOTS_MAX, TEXT_MAX};

use super::{accepted, refused, value_in};

#[test]
fn nesting_is_bounded() {
    let nested = |open: &str, core: &str, close: &str, levels: usize| {
        format!("{}{core}{}", open.repeat(levels), close.repeat(levels))
    };
    let deep = |text: String| refused(&text).1 == format!("nested deeper than {NESTING_MAX} levels");
    for (open, core, close) in [
        ("(", "true", ")"),
        ("!", "true", ""),
        ("- ", "request.path.size()", ""),
        ("", "true", " == true"),
        ("", "1", " + 1"),
        ("true ? 1 : ", "1", ""),
        ("[", "1", "]"),
        ("{1: ", "1", "}"),
        ("size(string(", "\"\"", "))"),
        ("", "\"\"", ".trim()"),
        ("optional.of(", "1", ").value()"),
        ("[", "0", "][0]"),
        ("(true || ", "true", ")"),
        ("{\"a\": ", "1", "}.a"),
    ] {
        assert!(deep(nested(open, core, close, NESTING_MAX)), "{open}{core}{close}");
        accepted(&nested(open, core, close, 14));
    }
    for (open, core, close) in [("(", "true", ")"), ("!", "true", ""), ("", "true", " == true"), ("", "1", " + 1")] {
        accepted(&nested(open, core, close, NESTING_MAX - 1));
    }
}

/// The bounds hold at any length the text may have, well or ill formed.
#[test]
fn no_repetition_is_too_much() {
    for unit in [
        "(",
        ")",
        "!",
        "-",
        "- ",
        "[",
        "{",
        "{1:",
        "a(",
        "a.",
        ".a()",
        "[0]",
        "true == ",
        "1 in ",
        "1+",
        "a?",
        "a?b:",
        "a[?",
        "x.all(x,",
        "has(",
        "\"\"+",
        "\"\".trim()",
        "optional.of(",
        "\"",
        "\"\"\"",
        "r'",
        "b\"",
        "\\",
        "//",
        "//\n",
        "1",
        "1.",
        "1e",
        "a",
        "_",
        "a b ",
        "=",
        "&",
        "ü",
        "\0",
        "request.pth||",
        "count(\"x\",\"1m\")<1||",
        "ip(\"x\")==ip(\"y\")||",
        "\"\".matches(\"(((\")||",
        "lists.x ",
        "a,",
        "[1],",
        "1:1,",
        "true&&",
        "[1]==",
        "{1:1}==",
        "\"\".matches(r\"\\w{99}\")||",
    ] {
        let text = unit.repeat(TEXT_MAX / unit.len());
        assert!(value_in(&text, Phase::Request).is_err() || !unit.contains(['(', '[', '{']), "{unit}");
        let in_a_list = format!("[{}]", "[1],".repeat(TEXT_MAX / 4 - 1));
        assert!(in_a_list.len() <= TEXT_MAX);
        let _ = value_in(&format!("size([{unit}])"), Phase::Request);
    }
    let long = format!("[{}]", "[1],".repeat(TEXT_MAX / 4 - 1));
    accepted(&long);
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

#[test]
fn macros_are_bounded() {
    let nest = |levels: usize| {
        let open: String = (0..levels).map(|level| format!("[1].all(x{level}, ")).collect();
        format!("{open}true{}", ")".repeat(levels))
    };
    accepted(&nest(SLOTS_MAX));
    assert_eq!(refused(&nest(SLOTS_MAX + 1)).1, "more than 8 macros one in another");
    // Beside one another they are free.
    accepted(&vec![nest(1); 100].join(" && "));
}

#[test]
fn regular_expressions_are_bounded() {
    let many = |count: usize| vec!["\"a\".matches(\"b\")"; count].join(" || ");
    accepted(&many(PATTERNS_MAX));
    assert_eq!(refused(&many(PATTERNS_MAX + 1)).1, "more than 32 regular expressions");
    let (_, message, help) = refused("\"a\".matches(\"(a{1000}){1000}\")");
    assert_eq!(message, "`(a{1000}){1000}` takes more than 1 MiB when it is compiled");
    assert_eq!(help, "repeat less, and write `[0-9]` and `[a-z]` for `\\d` and `\\w`");
}

/// Three macros over 200 elements each: eight million steps, written in two kilobytes.
#[test]
fn what_may_take_too_long_is_refused() {
    let list = format!("[{}]", vec!["1"; 200].join(","));
    let nest = |levels: usize| {
        let open: String = (0..levels).map(|level| format!("{list}.all(x{level}, ")).collect();
        format!("{open}x0 == 1{}", ")".repeat(levels))
    };
    assert!(accepted(&nest(2)).cost().nanos <= COST_MAX);
    let text = nest(3);
    let (underlined, message, help) = refused(&text);
    assert_eq!(underlined, text);
    assert!(message.starts_with("3 macros one in another may take 8000000 steps, "), "{message}");
    assert!(message.ends_with(" ms for a request; an expression may take 1 ms"), "{message}");
    assert_eq!(help, "put what is looked for into a `[list.NAME]`, or look for it in fewer lists");
}

#[test]
fn request_lists_count_with_their_bound() {
    for text in [
        "request.headers.all(a, request.headers.all(b, request.headers[a] != request.headers[b]))",
        "request.segments.exists(a, request.segments.exists(b, request.segments.exists(c, a == b && b == c)))",
        "request.segments.map(a, request.segments).exists(l, l.exists(x, x.matches(\"a\")))",
        "request.segments.exists(a, a.split(\"\").exists(b, b.split(\"\").exists(c, c == b)))",
    ] {
        let (_, message, _) = refused(text);
        assert!(message.contains("an expression may take 1 ms"), "{message}");
    }
    accepted("request.headers.exists(h, h.startsWith(\"x-\") && request.headers[h].contains(\"..\"))");
    accepted("request.segments.exists(a, a in [\"wp-admin\", \"wp-login.php\"])");
}

#[test]
fn costs_tell_what_is_dear() {
    let cheap = accepted("request.method == \"POST\" && request.path.startsWith(\"/login\")").cost();
    assert!(cheap.nanos < 50 && cheap.notes.is_empty(), "{cheap:?}");
    let token = accepted("jwt.idp.valid && jwt.idp.claims.admin && jwt.idp.claims.level > 3").cost();
    assert_eq!(token.notes, ["a token's signature (60000 ns)"]);
    // A token is checked once for a request, however often it is read.
    assert!((60_000..61_000).contains(&token.nanos), "{token:?}");
    let looped = accepted("request.segments.exists(s, s in jwt.idp.claims.roles)").cost();
    assert!(looped.nanos < 300_000, "{looped:?}");
    let regex = accepted("request.path.matches(\"a\") || request.form(\"b\") == \"\"").cost();
    assert_eq!(regex.notes, ["a regular expression (150 ns)", "`request.form(string)` (2000 ns)"]);
}

#[test]
fn windows_are_whole() {
    let Kind::Read(read) = accepted("count(\"all\", \"10m\")").kind else { panic!("no look") };
    let selvedge_conf::expr::Read::Count(_, key, window) = *read else { panic!("no count") };
    assert!(key.is_empty());
    assert_eq!(window, Duration::from_secs(600));
}

#[test]
fn a_larger_regular_expression_is_dearer() {
    let cost = |text: &str| accepted(text).cost().nanos;
    assert!(cost(r"request.path.matches(r'\w{16}')") > 4 * cost("request.path.matches('^/a')"));
}
