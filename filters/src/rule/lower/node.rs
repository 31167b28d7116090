//! Values of any type.

use http::HeaderName;
use selvedge_conf::expr::{self, Expr, Function, Kind, Type};

use super::super::eval::Binds;
use super::super::fold::{Body, Fold};
use super::super::lookup::Lookup;
use super::super::node::Node;
use super::super::value::Value;
use super::{Lowering, entry, source};

impl Lowering {
    /// Any value.
    pub(in super::super) fn node(&mut self, expr: &Expr) -> Node {
        match expr.ty {
            Type::Bool => Node::Condition(Box::new(self.condition(expr))),
            Type::String => Node::Text(Box::new(self.text(expr))),
            _ => self.general(expr),
        }
    }

    /// A string that no step of its own reads.
    pub(super) fn node_of_text(&mut self, expr: &Expr) -> Node {
        match &expr.kind {
            Kind::Index(map, name) => match source(map) {
                Some(source) => Node::First(source, self.text(name)),
                None => self.general(expr),
            },
            Kind::Call(Function::Form, arguments) => match arguments.first() {
                Some(name) => Node::First(super::Source::Form, self.text(name)),
                None => Node::Absent,
            },
            _ => self.general(expr),
        }
    }

    /// A truth value that no step of its own gives.
    pub(super) fn node_of_bool(&mut self, expr: &Expr) -> Node {
        self.general(expr)
    }

    fn nodes(&mut self, exprs: &[Expr]) -> Box<[Node]> {
        exprs.iter().map(|expr| self.node(expr)).collect()
    }

    fn boxed(&mut self, expr: &Expr) -> Box<Node> {
        Box::new(self.node(expr))
    }

    fn pair(&mut self, left: &Expr, right: &Expr) -> Box<(Node, Node)> {
        Box::new((self.node(left), self.node(right)))
    }

    /// By kind alone. Kinds that are conditions or texts only do not get here, unless the tree is not well typed.
    fn general(&mut self, expr: &Expr) -> Node {
        match &expr.kind {
            Kind::Int(value) => Node::Literal(Value::Int(*value)),
            Kind::Uint(value) => Node::Literal(Value::Uint(*value)),
            Kind::Double(value) => Node::Literal(Value::Double(*value)),
            Kind::Bytes(bytes) => Node::Bytes(bytes.as_slice().into()),
            Kind::Duration(span) => Node::Literal(Value::Duration(*span)),
            Kind::Timestamp(at) => Node::Literal(Value::Timestamp(*at)),
            Kind::Ip(address) => Node::Literal(Value::Ip(address.to_canonical())),
            Kind::Cidr(network) => Node::Literal(Value::Cidr(*network)),
            Kind::List(elements) => Node::List(self.nodes(elements)),
            Kind::Map(entries) => {
                Node::Map(entries.iter().map(|(key, value)| (self.node(key), self.node(value))).collect())
            }
            Kind::Field(field) => source(expr).map_or(Node::Field(*field), Node::Names),
            Kind::Claim(issuer, claim) => Node::Claim(*issuer, *claim),
            Kind::Attribute(name) => Node::Attribute(name.as_str().into()),
            Kind::SessionCount(name) => Node::SessionCount(name.as_str().into()),
            Kind::Variable(slot) => Node::Variable(usize::from(*slot)),
            Kind::Negate(operand) => Node::Negate(self.boxed(operand)),
            Kind::Arithmetic(operator, left, right) => Node::Arithmetic(*operator, self.pair(left, right)),
            Kind::Choose(condition, then, otherwise) => {
                Node::Choose(Box::new((self.condition(condition), self.node(then), self.node(otherwise))))
            }
            Kind::Index(set, key) => Node::Index(self.pair(set, key)),
            Kind::Maybe(operand) => match entry(operand) {
                Some((source, name)) => Node::MaybeFirst(source, self.text(name)),
                _ => Node::Maybe(self.boxed(operand)),
            },
            Kind::Some(operand) => Node::Maybe(self.boxed(operand)),
            Kind::None => Node::Nothing,
            Kind::Call(function, arguments) => self.call(*function, arguments),
            Kind::Part(part, operand, zone) => Node::Part(*part, self.boxed(operand), zone.clone()),
            Kind::Fold(fold) => Node::Fold(Box::new(self.fold(fold))),
            Kind::Read(read) => Node::Read(Box::new(self.read(read))),
            _ => Node::Absent,
        }
    }

    fn call(&mut self, function: Function, arguments: &[Expr]) -> Node {
        if let (Function::Values, [map, name]) = (function, arguments) {
            return source(map).map_or(Node::Absent, |source| Node::Values(source, self.text(name)));
        }
        if let (Function::FormValues, [name]) = (function, arguments) {
            return Node::Values(super::Source::Form, self.text(name));
        }
        Node::Call(function, self.nodes(arguments))
    }

    /// The parts of a key that is written out. A header field is read as the request's own key reads it.
    fn key(&mut self, parts: &[Expr]) -> Box<[Node]> {
        parts.iter().map(|part| header_line(part).map_or_else(|| self.node(part), Node::Line)).collect()
    }

    /// A macro; the whole program then has variables.
    pub(super) fn fold(&mut self, fold: &expr::Fold) -> Fold {
        self.binds = Binds::Variables;
        let body = match fold.body.ty {
            Type::Bool => Body::Condition(self.condition(&fold.body)),
            _ => Body::Value(self.node(&fold.body)),
        };
        Fold {
            macro_: fold.macro_,
            range: self.node(&fold.range),
            slot: usize::from(fold.slot),
            filter: fold.filter.as_ref().map(|filter| self.condition(filter)),
            body,
        }
    }

    fn read(&mut self, read: &expr::Read) -> Lookup {
        match read {
            expr::Read::Count(what, key, window) => Lookup::Count(*what, self.key(key), *window),
            expr::Read::Rate(what, key, window) => Lookup::Rate(*what, self.key(key), *window),
            expr::Read::Uniques(unique, key, window) => Lookup::Uniques(*unique, self.key(key), *window),
            expr::Read::Exceeded(limit) => Lookup::Exceeded(*limit),
            expr::Read::Banned(network) => Lookup::Banned(network.as_ref().map(|network| self.node(network))),
        }
    }
}

/// The name in `request.headers["name"]`.
fn header_line(expr: &Expr) -> Option<HeaderName> {
    let Kind::Index(map, name) = &expr.kind else { return None };
    match (source(map), &name.kind) {
        (Some(super::Source::RequestHeaders), Kind::String(name)) => HeaderName::from_bytes(name.as_bytes()).ok(),
        _ => None,
    }
}
