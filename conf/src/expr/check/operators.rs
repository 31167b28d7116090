//! Operators, lists and maps: which types they take.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::Checker;
use crate::expr::mismatch::{self, as_address, is_number, not_in, one};
use crate::expr::node::{Node, Syntax};
use crate::expr::tree::{Arithmetic, Comparison, Expr, Kind, Span, Type};
use crate::expr::{Error, ListKind};

impl<'a> Checker<'a> {
    /// `[a, b, ...]` of one type.
    pub(super) fn list(&mut self, elements: &[Node<'a>], span: Span) -> Option<(Kind, Type)> {
        let elements = self.exprs(elements)?;
        let Some(first) = elements.first() else {
            let error = Error::new(span, "an empty list, which nothing is in");
            return self.fail(error.advice("whether a list is empty is asked with `x.size() == 0`"));
        };
        let ty = first.ty.clone();
        if let Type::Optional(_) = ty {
            return self.fail(mismatch::not_an_element(first));
        }
        if let Some(other) = elements.iter().find(|element| element.ty != ty) {
            let message =
                format!("a list has elements of one type: the first is of type {ty}, this of type {}", other.ty);
            let help = match (&first.kind, &other.kind) {
                (Kind::Ip(ip), Kind::Cidr(_)) | (Kind::Cidr(_), Kind::Ip(ip)) => {
                    Some(format!("an address is a network, too: `cidr(\"{}\")`", IpNet::from(*ip)))
                }
                _ => as_address(other, &ty).or(mismatch::convert(other, &ty)),
            };
            return self.fail(Error::new(other.span, message).help(help));
        }
        Some((Kind::List(elements), Type::List(Box::new(ty))))
    }

    /// `{key: value, ...}`, the keys of one type and the values of one type.
    pub(super) fn map(&mut self, entries: &[(Node<'a>, Node<'a>)], span: Span) -> Option<(Kind, Type)> {
        let checked: Vec<Option<(Expr, Expr)>> =
            entries.iter().map(|(key, value)| self.expr(key).zip(self.expr(value))).collect();
        let entries: Vec<(Expr, Expr)> = checked.into_iter().collect::<Option<_>>()?;
        let Some((key, value)) = entries.first() else {
            return self.fail(Error::new(span, "an empty map, which nothing is in"));
        };
        let (key_ty, value_ty) = (key.ty.clone(), value.ty.clone());
        if !matches!(key_ty, Type::Bool | Type::Int | Type::Uint | Type::String) {
            let message = format!("{} cannot be a key of a map", one(&key_ty));
            return self.fail(Error::new(key.span, message).advice("keys are bools, ints, uints or strings"));
        }
        if let Type::Optional(_) = value_ty {
            return self.fail(mismatch::not_an_element(value));
        }
        let mut seen = BTreeSet::new();
        for (key, value) in &entries {
            for (part, ty, what) in [(key, &key_ty, "keys"), (value, &value_ty, "values")] {
                if part.ty != *ty {
                    let message =
                        format!("a map has {what} of one type: the first is of type {ty}, this of type {}", part.ty);
                    return self.fail(Error::new(part.span, message).help(mismatch::convert(part, ty)));
                }
            }
            if literal_key(key).is_some_and(|literal| !seen.insert(literal)) {
                return self.fail(Error::new(key.span, "this key is in the map already"));
            }
        }
        Some((Kind::Map(entries), Type::Map(Box::new(key_ty), Box::new(value_ty))))
    }

    /// `-x`
    pub(super) fn negate(&mut self, operand: &Node<'a>) -> Option<(Kind, Type)> {
        let operand = self.expr(operand)?;
        match (&operand.kind, &operand.ty) {
            (_, Type::Int | Type::Double) => {
                let ty = operand.ty.clone();
                Some((Kind::Negate(Box::new(operand)), ty))
            }
            (_, ty) => {
                let error = Error::new(operand.span, format!("{} has no negative", one(ty)));
                self.fail(match ty {
                    Type::Uint => error.advice("make an int of it: `int(x)`"),
                    Type::Bool => error.advice("negation is written `!`"),
                    _ => error,
                })
            }
        }
    }

    /// `condition ? then : else`
    pub(super) fn choose(&mut self, parts: &[Node<'a>; 3]) -> Option<(Kind, Type)> {
        let [condition, then, otherwise] = parts;
        let condition = self.truth(condition, "?");
        let (then, otherwise) = if self.is_none(then) {
            let otherwise = self.expr(otherwise)?;
            (self.expecting(then, &otherwise.ty), Some(otherwise))
        } else {
            let then = self.expr(then);
            let otherwise = match &then {
                Some(then) => self.expecting(otherwise, &then.ty),
                None => self.expr(otherwise),
            };
            (then, otherwise)
        };
        let (condition, then, otherwise) = (condition?, then?, otherwise?);
        if then.ty != otherwise.ty {
            let message = format!(
                "both sides of `:` have one type: the first is of type {}, this of type {}",
                then.ty, otherwise.ty
            );
            let help = as_address(&otherwise, &then.ty).or(mismatch::convert(&otherwise, &then.ty));
            return self.fail(Error::new(otherwise.span, message).help(help));
        }
        let ty = then.ty.clone();
        Some((Kind::Choose(Box::new(condition), Box::new(then), Box::new(otherwise)), ty))
    }

    pub(super) fn compare(
        &mut self,
        comparison: Comparison,
        left: &Node<'a>,
        right: &Node<'a>,
        span: Span,
    ) -> Option<Kind> {
        let (left, right) = (self.expr(left), self.expr(right));
        let (left, right) = (left?, right?);
        let symbol = comparison.symbol();
        if left.ty != right.ty && !(is_number(&left.ty) && is_number(&right.ty)) {
            let message = format!(
                "`{symbol}` compares values of one type: on the left is {}, on the right {}",
                left.ty, right.ty
            );
            let help = as_address(&right, &left.ty).or_else(|| as_address(&left, &right.ty));
            let help = help.or_else(|| mismatch::unlike(comparison, &left, &right));
            return self.fail(Error::new(span, message).help(help));
        }
        let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        let ordered = is_number(&left.ty)
            || matches!(left.ty, Type::Bool | Type::String | Type::Bytes | Type::Duration | Type::Timestamp);
        if let Type::Optional(_) = left.ty {
            let error = Error::new(span, format!("`{symbol}` does not compare optionals"));
            return self.fail(error.advice("compare what is there: `x.orValue(...)`"));
        }
        if !equality && !ordered {
            return self.fail(Error::new(span, format!("`{symbol}` does not compare values of type {}", left.ty)));
        }
        if equality {
            self.possible(&left, &right)?;
            self.possible(&right, &left)?;
        }
        Some(Kind::Compare(comparison, Box::new(left), Box::new(right)))
    }

    pub(super) fn arithmetic(
        &mut self,
        operator: Arithmetic,
        left: &Node<'a>,
        right: &Node<'a>,
        span: Span,
    ) -> Option<(Kind, Type)> {
        let left = self.expr(left);
        if left.is_none() && operator == Arithmetic::Subtract && matches!(right.syntax, Syntax::Name(_)) {
            // A name with a minus in it: what is wrong was told at its first part.
            return None;
        }
        let right = self.expr(right);
        let (left, right) = (left?, right?);
        let Some(ty) = result(operator, &left.ty, &right.ty) else {
            let message =
                format!("`{}` is not possible between type {} and type {}", operator.symbol(), left.ty, right.ty);
            return self.fail(Error::new(span, message).help(mismatch::unlike_terms(operator, &left, &right)));
        };
        Some((Kind::Arithmetic(operator, Box::new(left), Box::new(right)), ty))
    }

    /// `item in set`
    pub(super) fn within(&mut self, item: &Node<'a>, set: &Node<'a>, span: Span) -> Option<Kind> {
        let (item, set) = (self.expr(item), self.part(set));
        let (mut item, set) = (item?, set?);
        let known = match (&item.ty, &set.ty) {
            (Type::Ip, Type::Cidr) => true,
            (Type::Ip, Type::List(of)) => matches!(**of, Type::Ip | Type::Cidr),
            (Type::Cidr, _) => false,
            (item, Type::List(of)) => *item == **of,
            (item, Type::Map(key, _)) => *item == **key,
            (Type::Ip, Type::Named(kind)) => *kind == ListKind::Addresses,
            (Type::String, Type::Named(kind)) => *kind == ListKind::Strings,
            _ => false,
        };
        if !known {
            return self.fail(not_in(self.names, &item, &set, span));
        }
        self.header_name(&set, &mut item)?;
        self.possible(&item, &set)?;
        Some(Kind::In(Box::new(item), Box::new(set)))
    }

    /// Whether a node is `optional.none()`.
    pub(super) fn is_none(&self, node: &Node<'a>) -> bool {
        match &node.syntax {
            Syntax::Call(Some(target), label, arguments) => {
                Self::root(target) == Some("optional") && label.name == "none" && arguments.is_empty()
            }
            _ => false,
        }
    }

    /// A value whose type is known from its surroundings.
    pub(super) fn expecting(&mut self, node: &Node<'a>, ty: &Type) -> Option<Expr> {
        match ty {
            Type::Optional(_) if self.is_none(node) => Some(Expr { kind: Kind::None, ty: ty.clone(), span: node.span }),
            _ => self.expr(node),
        }
    }
}

/// The type of an operation. CEL language definition, "Arithmetic Operators".
fn result(operator: Arithmetic, left: &Type, right: &Type) -> Option<Type> {
    let same = left == right;
    let possible = match operator {
        Arithmetic::Add => {
            let joined = matches!(left, Type::String | Type::Bytes | Type::List(_) | Type::Duration);
            same && (is_number(left) || joined)
        }
        Arithmetic::Subtract => same && (is_number(left) || *left == Type::Duration),
        Arithmetic::Multiply | Arithmetic::Divide => same && is_number(left),
        Arithmetic::Remainder => same && matches!(left, Type::Int | Type::Uint),
    };
    if possible {
        return Some(left.clone());
    }
    match (operator, left, right) {
        (Arithmetic::Add, Type::Timestamp, Type::Duration) | (Arithmetic::Add, Type::Duration, Type::Timestamp) => {
            Some(Type::Timestamp)
        }
        (Arithmetic::Subtract, Type::Timestamp, Type::Duration) => Some(Type::Timestamp),
        (Arithmetic::Subtract, Type::Timestamp, Type::Timestamp) => Some(Type::Duration),
        _ => None,
    }
}

/// A key whose value is known when the config is read.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum LiteralKey<'k> {
    Bool(bool),
    Int(i64),
    Uint(u64),
    String(&'k str),
}

fn literal_key(key: &Expr) -> Option<LiteralKey<'_>> {
    match &key.kind {
        Kind::Bool(value) => Some(LiteralKey::Bool(*value)),
        Kind::Int(value) => Some(LiteralKey::Int(*value)),
        Kind::Uint(value) => Some(LiteralKey::Uint(*value)),
        Kind::String(value) => Some(LiteralKey::String(value)),
        _ => None,
    }
}
