//! Macros and optionals: calls that bind a variable, or have the type of what they are given.

use super::{Checker, is_request_map};
use crate::expr::environment::{self, Form};
use crate::expr::misplaced::never_absent;
use crate::expr::node::{Label, Node, Syntax};
use crate::expr::tree::{Expr, Field, Fold, Function, Kind, Macro, Type};
use crate::expr::{Error, SLOTS_MAX, mismatch, names};
use crate::value::shown;

impl<'a> Checker<'a> {
    /// A form; the target is what stands in front of a method.
    pub(super) fn form(
        &mut self,
        form: Form,
        target: Option<&Node<'a>>,
        label: &Label<'a>,
        arguments: &[Node<'a>],
    ) -> Option<(Kind, Type)> {
        let macro_ = match form {
            Form::All => Macro::All,
            Form::Exists => Macro::Exists,
            Form::ExistsOne => Macro::ExistsOne,
            Form::Filter => Macro::Filter,
            Form::Map => Macro::Map,
            Form::OptMap => Macro::OptMap,
            Form::Count | Form::Rate | Form::Uniques => return self.counted(form, label, arguments),
            Form::Banned => return self.banned(label, arguments),
            Form::Has => return self.has(label, arguments),
            Form::OptionalOf => return self.optional_of(label, arguments),
            Form::OptionalNone => {
                let error = Error::new(label.span, "what `optional.none()` has none of is not known here");
                return self.fail(
                    error.advice("it stands beside an optional: `condition ? optional.of(x) : optional.none()`"),
                );
            }
            Form::Limit => {
                let error = Error::new(label.span, "a limit is no value by itself");
                let name = match arguments {
                    [Node { syntax: Syntax::Text(name), .. }] => shown(name),
                    _ => "NAME".to_owned(),
                };
                return self.fail(error.help(format!("write `limit(\"{name}\").exceeded`")));
            }
            Form::HasValue | Form::OrValue | Form::OrElse | Form::OptionalValue => {
                return self.optional(form, target?, label, arguments);
            }
            Form::SessionCount => return self.session_count(label, arguments),
            Form::Listed | Form::TokenValid | Form::TokenError | Form::Claim | Form::Attribute => {
                return self.fail(names::unknown_function(label));
            }
        };
        self.fold(macro_, target?, label, arguments)
    }

    /// `range.macro(x, body)`
    fn fold(
        &mut self,
        macro_: Macro,
        range: &Node<'a>,
        label: &Label<'a>,
        arguments: &[Node<'a>],
    ) -> Option<(Kind, Type)> {
        let range = self.part(range)?;
        let element = match (&range.ty, macro_) {
            (Type::Optional(of), Macro::OptMap) => (**of).clone(),
            (Type::List(of), _) if macro_ != Macro::OptMap => (**of).clone(),
            (Type::Map(key, _), _) if macro_ != Macro::OptMap => (**key).clone(),
            _ => return self.fail(names::unknown_method(&range, label)),
        };
        let (variable, filter, body) = match arguments {
            [variable, body] => (variable, None, body),
            [variable, filter, body] if macro_ == Macro::Map => (variable, Some(filter), body),
            _ => {
                let error = Error::new(label.span, format!("`{}` takes a name and what is asked of it", label.name));
                return self.fail(error.help(format!("such as `list.{}(x, x != \"\")`", label.name)));
            }
        };
        let name = self.bindable(variable)?;
        if self.scope.len() >= SLOTS_MAX {
            let message = format!("more than {SLOTS_MAX} macros one in another");
            return self.fail(Error::new(label.span, message));
        }
        let slot = u8::try_from(self.scope.len()).ok()?;
        self.scope.push((name, element));
        let filter = filter.map(|filter| self.truth(filter, label.name));
        let body = match macro_ {
            Macro::All | Macro::Exists | Macro::ExistsOne | Macro::Filter => self.truth(body, label.name),
            Macro::Map | Macro::OptMap => self.expr(body),
        };
        self.scope.pop();
        let filter = match filter {
            Some(filter) => Some(filter?),
            None => None,
        };
        let body = body?;
        let ty = self.type_of_fold(macro_, &range, &body)?;
        Some((Kind::Fold(Box::new(Fold { macro_, range, slot, filter, body })), ty))
    }

    fn type_of_fold(&mut self, macro_: Macro, range: &Expr, body: &Expr) -> Option<Type> {
        match macro_ {
            Macro::All | Macro::Exists | Macro::ExistsOne => Some(Type::Bool),
            Macro::Filter => Some(match &range.ty {
                Type::Map(key, _) => Type::List(key.clone()),
                list => list.clone(),
            }),
            Macro::Map | Macro::OptMap if matches!(body.ty, Type::Optional(_)) => {
                self.fail(mismatch::not_an_element(body))
            }
            Macro::Map => Some(Type::List(Box::new(body.ty.clone()))),
            Macro::OptMap => Some(Type::Optional(Box::new(body.ty.clone()))),
        }
    }

    /// The name that a macro binds.
    fn bindable(&mut self, node: &Node<'a>) -> Option<&'a str> {
        let Syntax::Name(name) = node.syntax else {
            let error = Error::new(node.span, "a macro's first argument is the name of its variable");
            return self.fail(error.advice("such as `list.exists(x, x == \"a\")`"));
        };
        if environment::root(name).is_some() {
            let error = Error::new(node.span, format!("`{}` has its own meaning already", shown(name)));
            return self.fail(error.advice("call the variable `x`"));
        }
        Some(name)
    }

    /// `has(x)`
    fn has(&mut self, label: &Label<'a>, arguments: &[Node<'a>]) -> Option<(Kind, Type)> {
        let [node] = arguments else {
            let message = format!("`has` takes 1 argument, and here it has {}", arguments.len());
            return self.fail(Error::new(label.span, message));
        };
        let part = self.part(node)?;
        if let Type::Optional(_) = part.ty {
            let error = Error::new(part.span, "an optional is asked by its method");
            return self.fail(error.advice("write `x.hasValue()`"));
        }
        let always = match &part.kind {
            Kind::Field(field) => *field != Field::Length,
            Kind::Bool(_) | Kind::Int(_) | Kind::Uint(_) | Kind::Double(_) | Kind::String(_) | Kind::Bytes(_) => true,
            Kind::Duration(_) | Kind::Timestamp(_) | Kind::Ip(_) | Kind::Cidr(_) => true,
            Kind::TokenValid(_) | Kind::TokenError(_) | Kind::Variable(_) | Kind::Read(_) | Kind::Listed(_) => true,
            Kind::Compare(..) | Kind::In(..) | Kind::Has(_) => true,
            _ => false,
        };
        if always {
            let error = Error::new(part.span, "this is never absent");
            return self.fail(match (&part.kind, &part.ty) {
                (Kind::Field(field), _) if is_request_map(*field) => {
                    error.advice("name a part of it, such as `has(request.headers[\"authorization\"])`")
                }
                (Kind::Field(field), _) => error.help(never_absent(*field)),
                (_, Type::String) => error.advice("whether it is empty is asked with `== \"\"`"),
                _ => error,
            });
        }
        Some((Kind::Has(Box::new(part)), Type::Bool))
    }

    /// `optional.of(x)`
    fn optional_of(&mut self, label: &Label<'a>, arguments: &[Node<'a>]) -> Option<(Kind, Type)> {
        let [node] = arguments else {
            let message = format!("`optional.of` takes 1 argument, and here it has {}", arguments.len());
            return self.fail(Error::new(label.span, message));
        };
        let inner = self.expr(node)?;
        if let Type::Optional(_) = inner.ty {
            return self.fail(Error::new(inner.span, "this is an optional already"));
        }
        let ty = Type::Optional(Box::new(inner.ty.clone()));
        Some((Kind::Some(Box::new(inner)), ty))
    }

    /// A method of an optional.
    fn optional(
        &mut self,
        form: Form,
        target: &Node<'a>,
        label: &Label<'a>,
        arguments: &[Node<'a>],
    ) -> Option<(Kind, Type)> {
        let target = self.part(target)?;
        let Type::Optional(of) = &target.ty else {
            return self.fail(names::unknown_method(&target, label));
        };
        let (of, whole) = ((**of).clone(), target.ty.clone());
        let (function, wanted, result) = match form {
            Form::OrValue => (Some(Function::OrValue), Some(of.clone()), of),
            Form::OrElse => (Some(Function::OrElse), Some(whole.clone()), whole),
            Form::OptionalValue => (Some(Function::OptionalValue), None, of),
            _ => (None, None, Type::Bool),
        };
        if arguments.len() != usize::from(wanted.is_some()) {
            let wanted = if wanted.is_some() { "1 argument" } else { "0 arguments" };
            let message = format!("`{}` takes {wanted}, and here it has {}", label.name, arguments.len());
            return self.fail(Error::new(label.span, message));
        }
        let mut parts = vec![target];
        for (node, wanted) in arguments.iter().zip(&wanted) {
            let argument = self.expecting(node, wanted)?;
            if argument.ty != *wanted {
                let message = format!("`{}` takes type {wanted}, and this is of type {}", label.name, argument.ty);
                let help = mismatch::as_address(&argument, wanted).or(mismatch::convert(&argument, wanted));
                return self.fail(Error::new(argument.span, message).help(help));
            }
            parts.push(argument);
        }
        match function {
            Some(function) => Some((Kind::Call(function, parts), result)),
            None => parts.pop().map(|target| (Kind::Has(Box::new(target)), result)),
        }
    }
}
