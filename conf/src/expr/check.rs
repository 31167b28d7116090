//! The type checker: every name gets its meaning, every operation its types, and every error its place. It goes on after
//! an error, so that one reading shows all of them; what depends on a wrong part is not judged.

use super::environment::{FIELDS, FUNCTIONS, METHODS, Meaning};
use super::node::{Label, Node, Syntax};
use super::tree::{Comparison, Expr, Kind, Span, Type};
use super::{Error, names};
use crate::value::shown;

/// Checks a whole tree.
pub(super) fn check(node: &Node) -> Result<Expr, Vec<Error>> {
    let mut checker = Checker { errors: Vec::new() };
    match checker.expr(node) {
        Some(expr) if checker.errors.is_empty() => Ok(expr),
        _ => Err(checker.errors),
    }
}

struct Checker {
    errors: Vec<Error>,
}

impl Checker {
    /// The meaning of a node; `None` if it has none, with the reason noted.
    fn expr(&mut self, node: &Node) -> Option<Expr> {
        let (kind, ty) = match &node.syntax {
            Syntax::Bool(value) => (Kind::Bool(*value), Type::Bool),
            Syntax::Int(value) => (Kind::Int(*value), Type::Int),
            Syntax::Text(value) => (Kind::String(value.clone()), Type::String),
            Syntax::Name(name) => return self.fail(bare_name(name, node.span)),
            Syntax::Member(base, label) => self.member(base, label)?,
            Syntax::Index(base, index) => self.index(base, index)?,
            Syntax::Call(None, label, arguments) => self.function(label, arguments)?,
            Syntax::Call(Some(target), label, arguments) => self.method(target, label, arguments)?,
            Syntax::List(elements) => self.list(elements, node.span)?,
            Syntax::Not(operand) => (Kind::Not(Box::new(self.truth(operand, "!")?)), Type::Bool),
            Syntax::And(terms) => (Kind::And(self.truths(terms, "&&")?), Type::Bool),
            Syntax::Or(terms) => (Kind::Or(self.truths(terms, "||")?), Type::Bool),
            Syntax::Compare(comparison, left, right) => {
                (self.compare(*comparison, left, right, node.span)?, Type::Bool)
            }
            Syntax::In(item, set) => (self.within(item, set, node.span)?, Type::Bool),
        };
        Some(Expr { kind, ty, span: node.span })
    }

    fn fail<T>(&mut self, error: Error) -> Option<T> {
        self.errors.push(error);
        None
    }

    /// All of them, so that each can note its errors.
    fn exprs(&mut self, nodes: &[Node]) -> Option<Vec<Expr>> {
        let checked: Vec<Option<Expr>> = nodes.iter().map(|node| self.expr(node)).collect();
        checked.into_iter().collect()
    }

    fn truth(&mut self, node: &Node, operator: &str) -> Option<Expr> {
        let operand = self.expr(node)?;
        if operand.ty == Type::Bool {
            return Some(operand);
        }
        let error = Error::new(operand.span, format!("`{operator}` needs a bool, and this is of type {}", operand.ty));
        self.fail(match operand.ty {
            Type::String => error.advice("compare it with something, such as `!= \"\"`"),
            _ => error,
        })
    }

    fn truths(&mut self, nodes: &[Node], operator: &str) -> Option<Vec<Expr>> {
        let checked: Vec<Option<Expr>> = nodes.iter().map(|node| self.truth(node, operator)).collect();
        checked.into_iter().collect()
    }

    /// `base.name`
    fn member(&mut self, base: &Node, label: &Label) -> Option<(Kind, Type)> {
        if let Some((root, Label { name, .. })) = headers(base) {
            let error = Error::new(label.span, format!("`{root}.{name}` has no fields"));
            return self.fail(error.help(format!("write `{root}.{name}[\"{}\"]`", shown(&label.name))));
        }
        let Some(root) = root(base) else {
            let base = self.expr(base)?;
            return self.fail(names::no_fields(&base.ty, label));
        };
        match FIELDS.iter().find(|field| field.root == root && field.name == label.name) {
            None => self.fail(names::unknown_field(root, label)),
            Some(field) => match &field.meaning {
                Meaning::Value(field, ty) => Some((Kind::Field(*field), ty.clone())),
                Meaning::Headers => {
                    let error = Error::new(label.span, format!("`{root}.{}` is not a value by itself", label.name));
                    self.fail(error.help(format!("name one, such as `{root}.{}[\"user-agent\"]`", label.name)))
                }
            },
        }
    }

    /// `base[index]`: headers are all there is to index.
    fn index(&mut self, base: &Node, index: &Node) -> Option<(Kind, Type)> {
        if headers(base).is_none() {
            let base = self.expr(base)?;
            return self
                .fail(Error::new(index.span, format!("{} has no elements to pick by `[...]`", names::one(&base.ty))));
        }
        let Syntax::Text(name) = &index.syntax else {
            let error = Error::new(index.span, "the name of a header is a literal string");
            return self.fail(error.advice("such as `request.headers[\"user-agent\"]`"));
        };
        if !is_header_name(name) {
            return self.fail(Error::new(index.span, format!("`{}` cannot be the name of a header", shown(name))));
        }
        Some((Kind::Header(name.to_ascii_lowercase()), Type::String))
    }

    /// `name(...)`: a literal with a form of its own.
    fn function(&mut self, label: &Label, arguments: &[Node]) -> Option<(Kind, Type)> {
        let Some(entry) = FUNCTIONS.iter().find(|entry| entry.name == label.name) else {
            self.errors.push(names::unknown_function(label));
            self.exprs(arguments);
            return None;
        };
        let [Node { syntax: Syntax::Text(text), span, .. }] = arguments else {
            let error = Error::new(label.span, format!("`{}` takes one literal string", entry.name));
            return self.fail(error.help(entry.doc.to_owned()));
        };
        match (entry.build)(text) {
            Ok(kind) => Some((kind, entry.result.clone())),
            Err(wrong) => self.fail(Error { span: *span, message: wrong.message, help: wrong.help }),
        }
    }

    /// `target.name(...)`
    fn method(&mut self, target: &Node, label: &Label, arguments: &[Node]) -> Option<(Kind, Type)> {
        if let Some(root) = root(target) {
            return self.fail(names::method_of_root(root, label));
        }
        let target = self.expr(target);
        let arguments = self.exprs(arguments);
        let (target, arguments) = (target?, arguments?);
        let found = METHODS.iter().find(|entry| entry.receiver == target.ty && entry.name == label.name);
        let Some(entry) = found else { return self.fail(names::unknown_method(&target.ty, label)) };
        if arguments.len() != entry.arguments.len() {
            let wanted = match entry.arguments.len() {
                1 => "1 argument".to_owned(),
                n => format!("{n} arguments"),
            };
            let message = format!("`{}` takes {wanted}, and here it has {}", entry.name, arguments.len());
            return self.fail(Error::new(label.span, message));
        }
        for (argument, wanted) in arguments.iter().zip(entry.arguments) {
            if argument.ty != *wanted {
                let message = format!("`{}` takes type {wanted}, and this is of type {}", entry.name, argument.ty);
                return self.fail(Error::new(argument.span, message).help(as_address(argument, wanted)));
            }
        }
        Some((Kind::Call(entry.method, Box::new(target), arguments), entry.result.clone()))
    }

    /// `[a, b, ...]` of one type.
    fn list(&mut self, elements: &[Node], span: Span) -> Option<(Kind, Type)> {
        let elements = self.exprs(elements)?;
        let Some(first) = elements.first() else {
            return self.fail(Error::new(span, "an empty list, which nothing is in"));
        };
        let ty = first.ty.clone();
        if let Some(other) = elements.iter().find(|element| element.ty != ty) {
            let message =
                format!("a list has elements of one type: the first is of type {ty}, this of type {}", other.ty);
            return self.fail(Error::new(other.span, message).help(as_address(other, &ty)));
        }
        Some((Kind::List(elements), Type::List(Box::new(ty))))
    }

    fn compare(&mut self, comparison: Comparison, left: &Node, right: &Node, span: Span) -> Option<Kind> {
        let (left, right) = (self.expr(left), self.expr(right));
        let (left, right) = (left?, right?);
        let symbol = comparison.symbol();
        if left.ty != right.ty {
            let message = format!(
                "`{symbol}` compares values of one type: on the left is {}, on the right {}",
                left.ty, right.ty
            );
            let help = as_address(&right, &left.ty).or_else(|| as_address(&left, &right.ty)).or_else(|| {
                let network = matches!((&left.ty, &right.ty), (Type::Ip, Type::Cidr));
                network.then(|| "whether an address is in a network is asked with `in`".to_owned())
            });
            return self.fail(Error::new(span, message).help(help));
        }
        let ordered = matches!(left.ty, Type::Int | Type::String);
        let equal = !matches!(left.ty, Type::List(_));
        match comparison {
            Comparison::Equal | Comparison::NotEqual if equal => {}
            _ if ordered => {}
            _ => return self.fail(Error::new(span, format!("`{symbol}` does not compare values of type {}", left.ty))),
        }
        Some(Kind::Compare(comparison, Box::new(left), Box::new(right)))
    }

    /// `item in set`
    fn within(&mut self, item: &Node, set: &Node, span: Span) -> Option<Kind> {
        let (item, set) = (self.expr(item), self.expr(set));
        let (item, set) = (item?, set?);
        let known = match (&item.ty, &set.ty) {
            (Type::Ip, Type::Cidr) => true,
            (Type::String, Type::List(of)) => **of == Type::String,
            (Type::Int, Type::List(of)) => **of == Type::Int,
            (Type::Ip, Type::List(of)) => matches!(**of, Type::Ip | Type::Cidr),
            _ => false,
        };
        if known {
            return Some(Kind::In(Box::new(item), Box::new(set)));
        }
        let error = Error::new(span, format!("`in` does not look for type {} in type {}", item.ty, set.ty));
        self.fail(match (&item.ty, &set.ty) {
            (Type::String, Type::String) => error.advice("write `text.contains(part)`"),
            (Type::Cidr, Type::Cidr) => error.advice("test the address: `client.ip in cidr(\"...\")`"),
            (Type::Cidr, Type::List(of)) if **of == Type::Cidr => {
                error.advice("test the address: `client.ip in [...]`")
            }
            (Type::Ip, Type::List(of)) if **of == Type::String => error.advice("write the elements as `cidr(\"...\")`"),
            (Type::Ip, Type::String) => error.advice("write the network as `cidr(\"...\")`"),
            (item, Type::String | Type::Int | Type::Bool | Type::Ip) => {
                error.help(format!("on the right of `in` is a list of type {item}"))
            }
            _ => error,
        })
    }
}

/// The root a node names.
fn root(node: &Node) -> Option<&str> {
    let Syntax::Name(name) = &node.syntax else { return None };
    FIELDS.iter().any(|field| field.root == name).then_some(name)
}

/// The root and the name of a field that holds headers.
fn headers(node: &Node) -> Option<(&str, &Label)> {
    let Syntax::Member(base, label) = &node.syntax else { return None };
    let root = root(base)?;
    let field = FIELDS.iter().find(|field| field.root == root && field.name == label.name)?;
    matches!(field.meaning, Meaning::Headers).then_some((root, label))
}

fn bare_name(name: &str, span: Span) -> Error {
    if FIELDS.iter().any(|field| field.root == name) {
        names::root_alone(name, span)
    } else {
        names::unknown_name(name, span)
    }
}

/// A string where an address is needed was probably meant as one.
fn as_address(expr: &Expr, wanted: &Type) -> Option<String> {
    match (&expr.kind, wanted) {
        (Kind::String(text), Type::Ip) => Some(format!("write it as `ip(\"{}\")`", shown(text))),
        (Kind::String(text), Type::Cidr) => Some(format!("write it as `cidr(\"{}\")`", shown(text))),
        _ => None,
    }
}

/// RFC 9110 section 5.6.2, `token`.
fn is_header_name(name: &str) -> bool {
    const LONGEST: usize = 256;
    (1..=LONGEST).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
