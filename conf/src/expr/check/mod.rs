//! The type checker: every name gets its meaning, every operation its types, and every error its place. It goes on after
//! an error, so that one reading shows all of them; what depends on a wrong part is not judged.

mod calls;
mod config;
mod fold;
mod forms;
mod literals;
mod members;
mod operators;
mod session;

use super::environment;
use super::node::{Node, Syntax};
use super::setting::{Names, Setting};
use super::tree::{Comparison, Expr, Field, Kind, Phase, Span, Type};
use super::{Error, mismatch, names};
use crate::value::{Patterns, shown};

/// Checks a whole tree.
pub(super) fn check<'a>(node: &Node<'a>, setting: &Setting<'a>, patterns: &'a Patterns) -> Result<Expr, Vec<Error>> {
    let Setting { names, phase } = *setting;
    let mut checker = Checker { names, phase, patterns, errors: Vec::new(), scope: Vec::new(), matches: 0 };
    match checker.expr(node) {
        Some(expr) if checker.errors.is_empty() => Ok(expr),
        _ => Err(checker.errors),
    }
}

struct Checker<'a> {
    names: &'a Names,
    phase: Phase,
    errors: Vec<Error>,
    /// What macros bound, the innermost last.
    scope: Vec<(&'a str, Type)>,
    /// What was compiled in this config.
    patterns: &'a Patterns,
    /// How many regular expressions there are so far.
    matches: usize,
}

impl<'a> Checker<'a> {
    /// A value; `None` if the node has no meaning, with the reason noted.
    fn expr(&mut self, node: &Node<'a>) -> Option<Expr> {
        let expr = self.part(node)?;
        match expr.kind {
            Kind::Field(field) if is_request_map(field) => self.fail(mismatch::map_alone(field, expr.span)),
            Kind::Listed(list) => self.fail(mismatch::list_alone(self.names, list, expr.span)),
            _ => Some(expr),
        }
    }

    /// A value, or what is only a part of one: a named list, the headers as a whole.
    fn part(&mut self, node: &Node<'a>) -> Option<Expr> {
        let (kind, ty) = match &node.syntax {
            Syntax::Bool(value) => (Kind::Bool(*value), Type::Bool),
            Syntax::Int(value) => (Kind::Int(*value), Type::Int),
            Syntax::Uint(value) => (Kind::Uint(*value), Type::Uint),
            Syntax::Double(value) => (Kind::Double(*value), Type::Double),
            Syntax::Text(value) => (Kind::String(value.to_string()), Type::String),
            Syntax::Bytes(value) => (Kind::Bytes(value.clone()), Type::Bytes),
            Syntax::Name(name) => self.name(name, node.span)?,
            Syntax::Member(base, label, access) => self.member(base, label, *access)?,
            Syntax::Index(base, index, access) => self.index(base, index, *access)?,
            Syntax::Call(None, label, arguments) => self.function(label, arguments)?,
            Syntax::Call(Some(target), label, arguments) => self.method(target, label, arguments)?,
            Syntax::List(elements) => self.list(elements, node.span)?,
            Syntax::Map(entries) => self.map(entries, node.span)?,
            Syntax::Not(operand) => (Kind::Not(Box::new(self.truth(operand, "!")?)), Type::Bool),
            Syntax::Negate(operand) => self.negate(operand)?,
            Syntax::And(terms) => (Kind::And(self.truths(terms, "&&")?), Type::Bool),
            Syntax::Or(terms) => (Kind::Or(self.truths(terms, "||")?), Type::Bool),
            Syntax::Choose(parts) => self.choose(parts)?,
            Syntax::Compare(comparison, left, right) => {
                (self.compare(*comparison, left, right, node.span)?, Type::Bool)
            }
            Syntax::Arithmetic(operator, left, right) => self.arithmetic(*operator, left, right, node.span)?,
            Syntax::In(item, set) => (self.within(item, set, node.span)?, Type::Bool),
        };
        Some(Expr { kind, ty, span: node.span })
    }

    fn fail<T>(&mut self, error: Error) -> Option<T> {
        self.errors.push(error);
        None
    }

    /// All of them, so that each can note its errors.
    fn exprs(&mut self, nodes: &[Node<'a>]) -> Option<Vec<Expr>> {
        all(nodes, |node| self.expr(node))
    }

    fn truth(&mut self, node: &Node<'a>, operator: &str) -> Option<Expr> {
        let operand = self.expr(node)?;
        if operand.ty == Type::Bool {
            return Some(operand);
        }
        let error = Error::new(operand.span, format!("`{operator}` needs a bool, and this is of type {}", operand.ty));
        self.fail(match operand.ty {
            Type::String => error.advice("compare it with something, such as `!= \"\"`"),
            Type::Int => error.advice("compare it with something, such as `!= 0`"),
            Type::Optional(_) => error.advice("whether there is something is asked with `.hasValue()`"),
            _ => error,
        })
    }

    fn truths(&mut self, nodes: &[Node<'a>], operator: &str) -> Option<Vec<Expr>> {
        if let Some(error) = (operator == "||").then(|| several(nodes)).flatten() {
            return self.fail(error);
        }
        all(nodes, |node| self.truth(node, operator))
    }

    /// Notes that something is not known in the phase of this expression. What it is part of is judged nevertheless.
    fn known(&mut self, phase: Phase, span: Span, what: &str) {
        if phase <= self.phase {
            return;
        }
        let error = match self.phase {
            Phase::Connection => Error::new(span, format!("{what} is not known when a connection is accepted")),
            _ => Error::new(span, format!("{what} is not known before there is a response")),
        };
        self.errors.push(match phase {
            Phase::Response => error.advice("a rule reads it with `phase = \"response\"`"),
            _ => error.advice("a rule reads it with `phase = \"request\"`, which is the default"),
        });
    }

    /// A name by itself: what a macro bound.
    fn name(&mut self, name: &str, span: Span) -> Option<(Kind, Type)> {
        if let Some(slot) = self.scope.iter().rposition(|(bound, _)| *bound == name) {
            let ty = self.scope.get(slot).map(|(_, ty)| ty.clone())?;
            return Some((Kind::Variable(u8::try_from(slot).ok()?), ty));
        }
        if environment::root(name).is_some() {
            return self.fail(names::root_alone(self.names, name, span));
        }
        let bound: Vec<&str> = self.scope.iter().map(|(bound, _)| *bound).collect();
        self.fail(names::unknown_name(self.names, name, span, &bound))
    }

    /// The root that a node names.
    fn root(node: &Node<'a>) -> Option<&'static str> {
        let Syntax::Name(name) = node.syntax else { return None };
        environment::root(name)
    }
}

/// What `check` makes of each, in their order; `None` if any of them is wrong. All are checked.
fn all<'a, T>(nodes: &[Node<'a>], check: impl FnMut(&Node<'a>) -> Option<T>) -> Option<Vec<T>> {
    let mut checked = Vec::with_capacity(nodes.len());
    checked.extend(nodes.iter().map(check));
    checked.into_iter().collect()
}

/// `x == "a" || "b"`, which other languages have.
fn several(nodes: &[Node<'_>]) -> Option<Error> {
    let (first, others) = nodes.split_first()?;
    let Syntax::Compare(Comparison::Equal, left, right) = &first.syntax else { return None };
    let Syntax::Text(text) = &right.syntax else { return None };
    let mut texts = vec![text];
    texts.extend(others.iter().map_while(|other| match &other.syntax {
        Syntax::Text(text) => Some(text),
        _ => None,
    }));
    if texts.len() == 1 {
        return None;
    }
    let field = match &left.syntax {
        Syntax::Member(root, label, _) => match root.syntax {
            Syntax::Name(root) => format!("{root}.{}", label.name),
            _ => "x".to_owned(),
        },
        _ => "x".to_owned(),
    };
    let list: Vec<String> = texts.iter().map(|text| format!("\"{}\"", shown(text))).collect();
    let error = Error::new(others.first()?.span, "`||` needs a bool, and this is of type string");
    Some(error.help(format!("write `{field} in [{}]`", list.join(", "))))
}

/// Whether a field is a map that only the request or the response has, and that is never a value by itself.
fn is_request_map(field: Field) -> bool {
    matches!(field, Field::RequestHeaders | Field::ResponseHeaders | Field::Cookies | Field::Query)
}
