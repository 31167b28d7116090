//! Checked expressions and facts put together by hand, as the config would give them.

use std::path::PathBuf;
use std::time::Duration;

use selvedge_conf::expr::{Comparison, Counted, Expr, Field, Function, Kind, ListKind, Phase, Read, Span, Type};
use selvedge_conf::{Counter, Effect, KeyPart, List, Place, Reply, Rule, RuleMode, Scope, Unique};

pub(crate) fn expr(kind: Kind, ty: Type) -> Expr {
    Expr { kind, ty, span: Span { start: 0, end: 0 } }
}

fn boolean(kind: Kind) -> Expr {
    expr(kind, Type::Bool)
}

pub(crate) fn text(text: &str) -> Expr {
    expr(Kind::String(text.to_owned()), Type::String)
}

pub(crate) fn field(field: Field) -> Expr {
    let ty = match field {
        Field::ClientIp => Type::Ip,
        Field::ClientNet => Type::Cidr,
        Field::Status => Type::Int,
        Field::Tags => Type::List(Box::new(Type::String)),
        Field::RequestHeaders | Field::ResponseHeaders => Type::Map(Box::new(Type::String), Box::new(Type::String)),
        _ => Type::String,
    };
    expr(Kind::Field(field), ty)
}

pub(crate) fn header(name: &str) -> Expr {
    expr(Kind::Index(Box::new(field(Field::RequestHeaders)), Box::new(text(name))), Type::String)
}

pub(crate) fn compare(how: Comparison, left: Expr, right: Expr) -> Expr {
    boolean(Kind::Compare(how, Box::new(left), Box::new(right)))
}

pub(crate) fn equal(left: Expr, right: Expr) -> Expr {
    compare(Comparison::Equal, left, right)
}

pub(crate) fn path_is(path: &str) -> Expr {
    equal(field(Field::Path), text(path))
}

pub(crate) fn any_of(item: Expr, texts: &[&str]) -> Expr {
    let list = expr(Kind::List(texts.iter().map(|of| text(of)).collect()), Type::List(Box::new(Type::String)));
    boolean(Kind::In(Box::new(item), Box::new(list)))
}

pub(crate) fn call(function: Function, target: Expr, argument: &str) -> Expr {
    boolean(Kind::Call(function, vec![target, text(argument)]))
}

pub(crate) fn under(prefix: &str) -> Expr {
    call(Function::StartsWith, field(Field::Path), prefix)
}

fn named(list: usize, kind: ListKind) -> Expr {
    expr(Kind::Listed(list), Type::Named(kind))
}

pub(crate) fn listed(item: Expr, list: usize, kind: ListKind) -> Expr {
    boolean(Kind::In(Box::new(item), Box::new(named(list, kind))))
}

pub(crate) fn contains_any(item: Expr, list: usize) -> Expr {
    boolean(Kind::Call(Function::ContainsAny, vec![item, named(list, ListKind::Needles)]))
}

pub(crate) fn tagged(tag: &str) -> Expr {
    boolean(Kind::In(Box::new(text(tag)), Box::new(field(Field::Tags))))
}

pub(crate) fn read(read: Read, ty: Type) -> Expr {
    expr(Kind::Read(Box::new(read)), ty)
}

/// `count("...", window) > n`, by the request's own key.
pub(crate) fn more_than(what: Counted, n: i64, window: Duration) -> Expr {
    let count = read(Read::Count(what, Vec::new(), window), Type::Int);
    compare(Comparison::Greater, count, expr(Kind::Int(n), Type::Int))
}

pub(crate) fn all(terms: Vec<Expr>) -> Expr {
    boolean(Kind::And(terms))
}

pub(crate) fn either(branches: Vec<Expr>) -> Expr {
    boolean(Kind::Or(branches))
}

pub(crate) fn not(operand: Expr) -> Expr {
    boolean(Kind::Not(Box::new(operand)))
}

pub(crate) fn constant(value: bool) -> Expr {
    boolean(Kind::Bool(value))
}

pub(crate) fn place() -> Place {
    Place { file: PathBuf::from("test.toml"), line: 1, column: 1 }
}

/// A rule of the request phase for all sites, enforced, that does nothing yet.
pub(crate) fn rule(name: &str, when: Expr) -> Rule {
    Rule {
        name: name.to_owned(),
        phase: Phase::Request,
        sites: Vec::new(),
        when: Some(when),
        text: None,
        effects: Vec::new(),
        answer: None,
        mode: RuleMode::Enforce,
        place: place(),
    }
}

pub(crate) fn answering(name: &str, when: Expr, answer: Reply) -> Rule {
    Rule { answer: Some(answer), ..rule(name, when) }
}

pub(crate) fn doing(name: &str, when: Expr, effects: Vec<Effect>) -> Rule {
    Rule { effects, ..rule(name, when) }
}

pub(crate) fn counter(name: &str, phase: Phase, when: Option<Expr>) -> Counter {
    Counter {
        name: name.to_owned(),
        sites: Vec::new(),
        when,
        phase,
        key: vec![KeyPart::ClientNet],
        window: Duration::from_secs(60),
        scope: Scope::Global,
        place: place(),
    }
}

pub(crate) fn unique(name: &str, of: Expr, when: Option<Expr>) -> Unique {
    Unique {
        name: name.to_owned(),
        of_text: format!("{:?}", of.kind),
        of,
        sites: Vec::new(),
        when,
        phase: Phase::Request,
        key: vec![KeyPart::ClientNet],
        window: Duration::from_secs(60),
        scope: Scope::Global,
        place: place(),
    }
}

pub(crate) fn list(name: &str, kind: ListKind) -> List {
    List { name: name.to_owned(), kind, file: None, items: Vec::new(), place: place() }
}
