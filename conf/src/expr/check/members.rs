//! What is picked out of something: fields of the environment, elements of lists, values of maps.

use super::{Checker, is_request_map};
use crate::expr::environment::{self, Needs};
use crate::expr::mismatch::{self, one};
use crate::expr::node::{Access, Label, Node, Syntax};
use crate::expr::tree::{Expr, Field, Kind, Span, Type};
use crate::expr::{Error, names};
use crate::value::shown;

impl<'a> Checker<'a> {
    /// `base.name`
    pub(super) fn member(&mut self, base: &Node<'a>, label: &Label<'a>, access: Access) -> Option<(Kind, Type)> {
        match Self::root(base) {
            Some("lists") => return self.listed(label.name, label.span),
            Some("jwt") => {
                self.issuer_before(label, None)?;
                self.provider(label.name, label.span)?;
                return self.fail(names::provider_alone(label.name, label.span));
            }
            Some(root) => return self.field(root, label, access),
            None => {}
        }
        if let Syntax::Call(None, call, arguments) = &base.syntax
            && call.name == "limit"
        {
            return self.exceeded(call, arguments, label);
        }
        if let Some((name, span)) = self.provider_of(base) {
            return self.token_part(name, span, label);
        }
        if let Some((name, span)) = self.claims_of(base) {
            let (kind, ty) = self.claim(name, span, label.name, label.span)?;
            return Some(picked(kind, ty, label.span, access));
        }
        let base = self.part(base)?;
        match &base.ty {
            Type::Map(key, value) if **key == Type::String && !is_field(&base) => {
                let value = (**value).clone();
                let name = Expr { kind: Kind::String(label.name.to_owned()), ty: Type::String, span: label.span };
                let kind = Kind::Index(Box::new(base), Box::new(name));
                Some(picked(kind, value, label.span, access))
            }
            _ => self.fail(names::no_fields(&base, label)),
        }
    }

    /// `root.name`
    fn field(&mut self, root: &'static str, label: &Label<'a>, access: Access) -> Option<(Kind, Type)> {
        let Some(entry) = environment::field(root, label.name) else {
            let error = names::unknown_field(root, label);
            let meant = (root == "session").then(|| self.meant_attribute(label.name)).flatten();
            return self.fail(match meant {
                Some(meant) => error.help(meant),
                None => error,
            });
        };
        let written = format!("`{root}.{}`", entry.name);
        if access == Access::Optional {
            let error = Error::new(label.span, format!("{written} is always known, so that `?` says nothing"));
            return self.fail(error.help(format!("write {written}")));
        }
        self.known(entry.phase, label.span, &written);
        let geoip = &self.names.geoip;
        let there = match entry.needs {
            Needs::Nothing => true,
            Needs::Session => {
                self.sessions(label.span)?;
                true
            }
            Needs::Country => geoip.country,
            Needs::City => geoip.city,
            Needs::Asn => geoip.asn,
            Needs::Challenge if !self.names.challenge => {
                let error = Error::new(label.span, format!("{written} needs challenges, and the config has none"));
                return self.fail(error.advice("say what signs them: `[challenge]` with `keys`"));
            }
            Needs::Challenge => true,
        };
        if !there {
            let key = entry.needs.key().unwrap_or_default();
            let error = Error::new(label.span, format!("{written} needs a database, and the config names none"));
            return self.fail(error.help(format!("name one: `[geoip]` with `{key} = \"....mmdb\"`")));
        }
        Some((Kind::Field(entry.field), entry.shape.ty()?))
    }

    /// `base[index]`
    pub(super) fn index(&mut self, base: &Node<'a>, index: &Node<'a>, access: Access) -> Option<(Kind, Type)> {
        if let (Some(root), Syntax::Text(name)) = (Self::root(base), &index.syntax) {
            match root {
                "lists" => return self.listed(name, index.span),
                "jwt" => {
                    self.provider(name, index.span)?;
                    return self.fail(names::provider_alone(name, index.span));
                }
                "session" => {
                    let (kind, ty) = self.attribute(name, index.span)?;
                    return Some(picked(kind, ty, index.span, access));
                }
                _ => {}
            }
        }
        if Self::root(base) == Some("session") {
            return self.fail(Error::new(index.span, "the name of an attribute is a literal string"));
        }
        if let Some((name, span)) = self.claims_of(base) {
            let Syntax::Text(claim) = &index.syntax else {
                return self.fail(Error::new(index.span, "the name of a claim is a literal string"));
            };
            let (kind, ty) = self.claim(name, span, claim, index.span)?;
            return Some(picked(kind, ty, index.span, access));
        }
        let (base, index) = (self.part(base), self.expr(index));
        let (base, mut index) = (base?, index?);
        let (wanted, ty) = match &base.ty {
            Type::List(of) => (Type::Int, (**of).clone()),
            Type::Map(key, value) => ((**key).clone(), (**value).clone()),
            ty => {
                let error = Error::new(index.span, format!("{} has no elements to pick by `[...]`", one(ty)));
                return self.fail(match ty {
                    Type::String => error.advice("a part of a string is `text.substring(start, end)`"),
                    Type::Optional(_) => error.advice("pick from what is there: `x.orValue(...)`"),
                    Type::Named(_) => error.advice("whether something is in a named list is asked with `in`"),
                    _ => error,
                });
            }
        };
        if index.ty != wanted {
            let message =
                format!("{} is picked from by type {wanted}, and this is of type {}", one(&base.ty), index.ty);
            return self.fail(Error::new(index.span, message).help(mismatch::convert(&index, &wanted)));
        }
        self.header_name(&base, &mut index)?;
        let span = index.span;
        Some(picked(Kind::Index(Box::new(base), Box::new(index)), ty, span, access))
    }

    /// A literal name of a header, in lower case.
    pub(super) fn header_name(&mut self, base: &Expr, name: &mut Expr) -> Option<()> {
        if !matches!(base.kind, Kind::Field(Field::RequestHeaders | Field::ResponseHeaders)) {
            return Some(());
        }
        let Kind::String(text) = &mut name.kind else { return Some(()) };
        if is_header_name(text) {
            text.make_ascii_lowercase();
            return Some(());
        }
        let message = format!("`{}` cannot be the name of a header", shown(text));
        self.fail(Error::new(name.span, message))
    }
}

/// What was picked, as a value or as an optional.
fn picked(kind: Kind, ty: Type, span: Span, access: Access) -> (Kind, Type) {
    match access {
        Access::Plain => (kind, ty),
        Access::Optional => {
            let optional = Type::Optional(Box::new(ty.clone()));
            (Kind::Maybe(Box::new(Expr { kind, ty, span })), optional)
        }
    }
}

fn is_field(expr: &Expr) -> bool {
    matches!(expr.kind, Kind::Field(field) if is_request_map(field))
}

/// RFC 9110 section 5.6.2, `token`.
fn is_header_name(name: &str) -> bool {
    const LONGEST: usize = 256;
    (1..=LONGEST).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
