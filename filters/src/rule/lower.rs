//! From the checked tree to the compiled form. `None` means that the tree is not well typed, which the checker excludes.

use selvedge_conf::expr::{Comparison, Expr, Field, Kind, Method, Type};

use super::operand::{Address, Network, Number, Text};
use super::predicate::{Test, TextTest};

/// A truth value.
pub(super) fn test(expr: &Expr) -> Option<Test> {
    match &expr.kind {
        Kind::Bool(value) => Some(Test::Constant(*value)),
        Kind::Not(operand) => Some(Test::Not(Box::new(test(operand)?))),
        Kind::And(terms) => Some(Test::All(each(terms, test)?)),
        Kind::Or(terms) => Some(Test::Any(each(terms, test)?)),
        Kind::Compare(comparison, left, right) => compare(*comparison, left, right),
        Kind::In(item, set) => within(item, set),
        Kind::Call(method, target, arguments) => call(*method, target, arguments),
        _ => None,
    }
}

fn each<T>(exprs: &[Expr], lower: impl Fn(&Expr) -> Option<T>) -> Option<Box<[T]>> {
    exprs.iter().map(lower).collect()
}

fn compare(comparison: Comparison, left: &Expr, right: &Expr) -> Option<Test> {
    match left.ty {
        Type::String => Some(Test::Text(TextTest::Compare(comparison), text(left)?, text(right)?)),
        Type::Int => Some(Test::Number(comparison, number(left)?, number(right)?)),
        Type::Bool => equality(comparison, Test::Same(Box::new(test(left)?), Box::new(test(right)?))),
        Type::Ip => equality(comparison, Test::AddressIs(address(left)?, address(right)?)),
        Type::Cidr => equality(comparison, Test::NetworkIs(network(left)?, network(right)?)),
        Type::List(_) => None,
    }
}

/// For types without an order: `equal`, or its opposite.
fn equality(comparison: Comparison, equal: Test) -> Option<Test> {
    match comparison {
        Comparison::Equal => Some(equal),
        Comparison::NotEqual => Some(Test::Not(Box::new(equal))),
        _ => None,
    }
}

fn within(item: &Expr, set: &Expr) -> Option<Test> {
    let Kind::List(members) = &set.kind else {
        return Some(Test::Within(address(item)?, Box::new([network(set)?])));
    };
    match (&item.ty, &set.ty) {
        (Type::String, _) => Some(Test::TextIn(text(item)?, each(members, text)?)),
        (Type::Int, _) => Some(Test::NumberIn(number(item)?, each(members, number)?)),
        (Type::Ip, Type::List(of)) if **of == Type::Cidr => Some(Test::Within(address(item)?, each(members, network)?)),
        (Type::Ip, _) => Some(Test::AddressIn(address(item)?, each(members, address)?)),
        _ => None,
    }
}

fn call(method: Method, target: &Expr, arguments: &[Expr]) -> Option<Test> {
    let [argument] = arguments else { return None };
    let texts = |test| Some(Test::Text(test, text(target)?, text(argument)?));
    match method {
        Method::StartsWith => texts(TextTest::StartsWith),
        Method::EndsWith => texts(TextTest::EndsWith),
        Method::Contains => texts(TextTest::Contains),
        Method::ContainsIp => Some(Test::Within(address(argument)?, Box::new([network(target)?]))),
        Method::Size => None,
    }
}

fn text(expr: &Expr) -> Option<Text> {
    match &expr.kind {
        Kind::String(text) => Some(Text::Literal(text.as_str().into())),
        Kind::Header(name) => Some(Text::Header(name.as_str().into())),
        Kind::Field(Field::Method) => Some(Text::Method),
        Kind::Field(Field::Host) => Some(Text::Host),
        Kind::Field(Field::Path) => Some(Text::Path),
        _ => None,
    }
}

fn number(expr: &Expr) -> Option<Number> {
    match &expr.kind {
        Kind::Int(number) => Some(Number::Literal(*number)),
        Kind::Call(Method::Size, target, _) => Some(Number::Size(text(target)?)),
        _ => None,
    }
}

fn address(expr: &Expr) -> Option<Address> {
    match &expr.kind {
        Kind::Ip(address) => Some(Address::Literal(*address)),
        Kind::Field(Field::ClientIp) => Some(Address::Client),
        _ => None,
    }
}

fn network(expr: &Expr) -> Option<Network> {
    match &expr.kind {
        Kind::Cidr(network) => Some(Network::Literal(*network)),
        Kind::Field(Field::ClientNet) => Some(Network::Client),
        _ => None,
    }
}
