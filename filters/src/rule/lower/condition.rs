//! Conditions: which of the quick steps a test can be.

use ipnet::IpNet;
use memchr::memmem::Finder;
use selvedge_conf::expr::{Comparison, Expr, Field, Function, Kind, Macro, Type};

use super::super::condition::{Condition, TextPair, TextTest};
use super::super::network::Networks;
use super::super::node::Node;
use super::super::text::Text;
use super::super::words::Words;
use super::{Lowering, entry, is_ip, source};

impl Lowering {
    /// A truth value.
    pub(in super::super) fn condition(&mut self, expr: &Expr) -> Condition {
        match &expr.kind {
            Kind::Bool(value) => Condition::Constant(Some(*value)),
            Kind::Not(operand) => Condition::Not(Box::new(self.condition(operand))),
            Kind::And(terms) => Condition::All(terms.iter().map(|term| self.condition(term)).collect()),
            Kind::Or(terms) => Condition::Any(terms.iter().map(|term| self.condition(term)).collect()),
            Kind::Choose(condition, then, otherwise) => {
                let parts = [self.condition(condition), self.condition(then), self.condition(otherwise)];
                Condition::Choose(Box::new(parts))
            }
            Kind::Compare(comparison, left, right) => self.comparison(*comparison, left, right),
            Kind::In(item, set) => self.membership(item, set),
            Kind::Has(operand) => self.presence(operand),
            Kind::Matches(text, pattern) => Condition::Matches(self.text(text), pattern.0.clone()),
            Kind::TokenValid(issuer) => Condition::TokenValid(*issuer),
            Kind::Fold(fold) if matches!(fold.macro_, Macro::All | Macro::Exists | Macro::ExistsOne) => {
                Condition::Fold(Box::new(self.fold(fold)))
            }
            Kind::Call(function, arguments) => self.test(expr, *function, arguments),
            _ => self.other(expr),
        }
    }

    fn other(&mut self, expr: &Expr) -> Condition {
        Condition::Other(Box::new(self.node_of_bool(expr)))
    }

    fn comparison(&mut self, comparison: Comparison, left: &Expr, right: &Expr) -> Condition {
        // A literal reads the same from either side.
        let quick = match (comparison, &left.kind, &right.kind) {
            (Comparison::Equal, _, Kind::String(word)) => Some((left, TextTest::Is(word.as_str().into()))),
            (Comparison::Equal, Kind::String(word), _) => Some((right, TextTest::Is(word.as_str().into()))),
            (Comparison::NotEqual, _, Kind::String(word)) => Some((left, TextTest::IsNot(word.as_str().into()))),
            (Comparison::NotEqual, Kind::String(word), _) => Some((right, TextTest::IsNot(word.as_str().into()))),
            _ => None,
        };
        match quick {
            Some((text, test)) => self.quick(text, test),
            None => Condition::Compare(comparison, Box::new((self.node(left), self.node(right)))),
        }
    }

    fn membership(&mut self, item: &Expr, set: &Expr) -> Condition {
        if let Kind::Listed(list) = set.kind {
            return Condition::Listed(Box::new(self.node(item)), list);
        }
        if let Some(source) = source(set) {
            return Condition::Present(source, self.text(item));
        }
        if is_ip(item) && (set.ty == Type::Cidr || matches!(set.ty, Type::List(_))) {
            return match (&item.kind, networks(set)) {
                (Kind::Field(Field::ClientIp), Some(networks)) => Condition::Client(Networks::new(&networks)),
                _ => Condition::Within(Box::new((self.node(item), self.node(set)))),
            };
        }
        match words(set) {
            Some(words) => self.quick(item, TextTest::In(Words::new(words))),
            None => Condition::In(Box::new((self.node(item), self.node(set)))),
        }
    }

    fn presence(&mut self, operand: &Expr) -> Condition {
        if let Some((source, name)) = entry(operand) {
            return Condition::Present(source, self.text(name));
        }
        // An optional has a value when there is something in it.
        match (&operand.ty, &operand.kind) {
            (Type::Optional(_), Kind::Maybe(inner)) => self.presence(inner),
            (Type::Optional(_), _) => {
                let value = Node::Call(Function::OptionalValue, Box::new([self.node(operand)]));
                Condition::Has(Box::new(value))
            }
            _ => Condition::Has(Box::new(self.node(operand))),
        }
    }

    fn test(&mut self, expr: &Expr, function: Function, arguments: &[Expr]) -> Condition {
        let [text, part] = arguments else { return self.other(expr) };
        if let (Function::ContainsAny | Function::MatchesAny, Kind::Listed(list)) = (function, &part.kind) {
            return Condition::FoundIn(self.text(text), *list);
        }
        let pair = match function {
            Function::StartsWith => TextPair::Starts,
            Function::EndsWith => TextPair::Ends,
            Function::Contains => TextPair::Contains,
            Function::ContainsIp if is_ip(part) => return self.containment(text, part, expr),
            _ => return self.other(expr),
        };
        let Kind::String(word) = &part.kind else {
            return Condition::Texts(pair, Box::new((self.text(text), self.text(part))));
        };
        let test = match pair {
            TextPair::Starts => TextTest::Starts(word.as_str().into()),
            TextPair::Ends => TextTest::Ends(word.as_str().into()),
            TextPair::Contains => TextTest::Contains(Box::new(Finder::new(word).into_owned())),
        };
        self.quick(text, test)
    }

    fn quick(&mut self, text: &Expr, test: TextTest) -> Condition {
        match self.text(text) {
            Text::RequestHeader(name) if test.takes_bytes() => Condition::Header(name, test),
            text => Condition::Text(text, test),
        }
    }

    /// `cidr.containsIP(ip)`.
    fn containment(&mut self, network: &Expr, address: &Expr, expr: &Expr) -> Condition {
        match (&network.kind, &address.kind) {
            (Kind::Cidr(network), Kind::Field(Field::ClientIp)) => Condition::Client(Networks::new(&[*network])),
            _ => self.other(expr),
        }
    }
}

/// The networks of a set of literals.
fn networks(set: &Expr) -> Option<Vec<IpNet>> {
    let one = |expr: &Expr| match &expr.kind {
        Kind::Cidr(network) => Some(*network),
        Kind::Ip(address) => Some(IpNet::from(address.to_canonical())),
        _ => None,
    };
    match &set.kind {
        Kind::List(elements) => elements.iter().map(one).collect(),
        Kind::Cidr(network) => Some(vec![*network]),
        _ => None,
    }
}

/// The strings of a list of literals.
fn words(set: &Expr) -> Option<Vec<Box<str>>> {
    let Kind::List(elements) = &set.kind else { return None };
    let one = |expr: &Expr| match &expr.kind {
        Kind::String(word) => Some(word.as_str().into()),
        _ => None,
    };
    if elements.is_empty() { None } else { elements.iter().map(one).collect() }
}
