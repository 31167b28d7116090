//! Absence, bounds and values, by example.

use selvedge_conf::expr::{Expr, Kind, Span, Type};
use selvedge_filters::rule::{MADE_MAX, Program};

use super::world::World;

#[test]
fn absence_goes_up_to_the_next_comparison() {
    let world = World::default();
    for (text, expected) in [
        ("1 / 0", "absent"),
        ("1 / 0 == 1", "Bool(false)"),
        ("1 / 0 != 1", "Bool(false)"),
        ("!(1 / 0 == 1)", "Bool(true)"),
        ("1 / 0 in [1]", "Bool(false)"),
        (r#"bool("x")"#, "absent"),
        (r#"!bool("x")"#, "absent"),
        (r#"bool("x") && false"#, "Bool(false)"),
        (r#"false && bool("x")"#, "Bool(false)"),
        (r#"bool("x") && true"#, "absent"),
        (r#"true || bool("x")"#, "Bool(true)"),
        (r#"bool("x") || true"#, "Bool(true)"),
        (r#"bool("x") || false"#, "absent"),
        (r#"bool("x") ? 1 : 2"#, "absent"),
        (r#"true ? 1 : 1 / 0"#, "Int(1)"),
        (r#"[1, 2].all(x, 1 / (x - 1) == 1 || x == 1)"#, "Bool(true)"),
        (r#"[0, 1].exists(x, bool(string(x)))"#, "Bool(true)"),
        (r#"["x", "1"].exists(x, bool(x))"#, "Bool(true)"),
        (r#"["x", "0"].exists(x, bool(x))"#, "absent"),
        (r#"["x", "0"].all(x, bool(x))"#, "Bool(false)"),
        (r#"["x", "1"].exists_one(x, bool(x))"#, "absent"),
        (r#"["x", "1"].filter(x, bool(x)).size()"#, "absent"),
        (r#"[1, 1 / 0].size()"#, "absent"),
        (r#"has([1, 2][2]) || has({"a": 1}["a"])"#, "Bool(true)"),
        (r#"optional.of(1 / 0).orValue(7)"#, "Int(7)"),
        (r#"[1][?0].hasValue() && ![1][?1].hasValue()"#, "Bool(true)"),
        (r#"[1][?1].optMap(x, x + 1).orValue(0) + [1][?0].optMap(x, x + 1).orValue(0)"#, "Int(2)"),
        (r#"string(b"\xff")"#, "absent"),
        ("9223372036854775807 + 1", "absent"),
        ("-9223372036854775808 / -1", "absent"),
        ("0u - 1u", "absent"),
        ("1.0 / 0.0 > 1e308", "Bool(true)"),
        (r#"{"a": 1, request.path.substring(0, 0) + "a": 2}.size()"#, "absent"),
    ] {
        assert_eq!(world.shown(text), expected, "{text}");
    }
}

#[test]
fn what_is_absent_does_not_hold() {
    let world = World::default();
    assert!(!world.holds(r#"bool("x")"#) && !world.holds(r#"!bool("x")"#));
}

#[test]
fn variables_of_nested_macros_are_apart() {
    let world = World::default();
    assert!(world.holds("[1, 2].all(x, [3, 4].exists(y, y - x == 2))"));
    assert!(world.holds("[1, 2].map(x, [10, 20].map(y, x * y)) == [[10, 20], [20, 40]]"));
    assert!(world.holds("[1, 2, 3].map(x, x > 1, x * 10) == [20, 30]"));
    assert!(world.holds("[[1], [2]].all(x, x.all(x, x > 0) && x.size() == 1)"), "an inner variable hides an outer one");
}

#[test]
fn what_is_made_is_bounded() {
    let world = World::default().with("x-long", "a".repeat(MADE_MAX - 1).as_bytes());
    assert!(world.holds(r#"(request.headers["x-long"] + "b").endsWith("ab")"#));
    assert_eq!(world.shown(r#"(request.headers["x-long"] + "bb").size()"#), "absent");
    assert_eq!(world.shown(r#"request.headers["x-long"].replace("a", "bb").size()"#), "absent");
    let commas =
        World::default().with("x-long", ",".repeat(255).as_bytes()).with("x-longer", ",".repeat(256).as_bytes());
    assert_eq!(commas.shown(r#"request.headers["x-long"].split(",").size()"#), "Int(256)");
    assert_eq!(commas.shown(r#"request.headers["x-longer"].split(",").size()"#), "Int(257)");
    assert_eq!(commas.shown(r#"(request.headers["x-long"].split(",") + ["a"]).size()"#), "Int(257)");
}

#[test]
fn all_that_is_made_together_is_bounded() {
    let world = World::default().with("x-long", "a".repeat(60_000).as_bytes());
    let list = (0..100).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let text = format!(r#"[{list}].map(x, request.headers["x-long"] + "b").size()"#);
    if let Ok(program) = world.compile(&text) {
        let context = world.context();
        assert!(program.value(&context).is_none());
    }
}

#[test]
fn values_outlive_other_evaluations() {
    let world = World::get("/Abc");
    let lower = world.compile("request.path.lowerAscii()").unwrap();
    let upper = world.compile(r#"request.path.upperAscii() == "/ABC""#).unwrap();
    let context = world.context();
    let text = lower.text(&context);
    assert!(upper.holds(&context));
    let again = lower.value(&context).map(|value| value.key().as_slice().to_vec());
    assert_eq!((text, again), (Some("/abc"), Some(b"/abc".to_vec())));
    assert_eq!(upper.text(&context), None, "a bool is no text");
}

#[test]
fn a_tree_that_is_not_well_typed_is_absent() {
    let span = Span { start: 0, end: 0 };
    let text = |ty| Expr { kind: Kind::String("x".to_owned()), ty, span };
    let world = World::default();
    for tree in [
        text(Type::Bool),
        text(Type::Int),
        Expr { kind: Kind::Not(Box::new(text(Type::String))), ty: Type::Bool, span },
        Expr { kind: Kind::Negate(Box::new(text(Type::String))), ty: Type::Int, span },
        Expr { kind: Kind::Variable(7), ty: Type::Int, span },
        Expr { kind: Kind::Claim(9, 9), ty: Type::Int, span },
        Expr { kind: Kind::Listed(0), ty: Type::Bool, span },
    ] {
        let program = Program::compile(&tree);
        assert!(!program.holds(&world.context()), "{tree:?}");
        let context = world.context();
        assert!(program.value(&context).is_none(), "{tree:?}");
    }
}

#[test]
fn a_program_crosses_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<Program>();
}
