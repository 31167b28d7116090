//! Calls of functions and methods: which overload of the table fits, and what to say when none does.

use super::{Checker, all, fold, is_request_map};
use crate::expr::environment::{self, FUNCTIONS, FunctionEntry, Meaning, Receiver, Shape};
use crate::expr::node::{Label, Node, Syntax};
use crate::expr::tree::{Expr, Kind, Type};
use crate::expr::{Error, Function, Phase, mismatch, names};

/// What stands in front of a method: a value of the table's receiver.
const VALUE: Receiver = Receiver::Value(Shape::Any(&[]));

impl<'a> Checker<'a> {
    /// `name(...)`
    pub(super) fn function(&mut self, label: &Label<'a>, arguments: &[Node<'a>]) -> Option<(Kind, Type)> {
        if let Some(form) = environment::form(Receiver::None, label.name) {
            return self.form(form, None, label, arguments);
        }
        if let [Node { syntax: Syntax::Text(text), span, .. }] = arguments
            && let Some(folded) = fold::literal(label.name, text)
        {
            return match folded {
                Ok(folded) => Some(folded),
                Err(wrong) => self.fail(Error { span: *span, message: wrong.message, help: wrong.help }),
            };
        }
        if !FUNCTIONS.iter().any(|entry| entry.name == label.name && entry.receiver == Receiver::None) {
            self.errors.push(names::unknown_function(label));
            self.exprs(arguments);
            return None;
        }
        let arguments = all(arguments, |node| self.part(node))?;
        self.call(|receiver| receiver == Receiver::None, None, label, arguments)
    }

    /// `target.name(...)`
    pub(super) fn method(
        &mut self,
        target: &Node<'a>,
        label: &Label<'a>,
        arguments: &[Node<'a>],
    ) -> Option<(Kind, Type)> {
        if let Syntax::Name(name) = target.syntax
            && !self.scope.iter().any(|(bound, _)| *bound == name)
            && let Some(root) = environment::root(name).or((name == "ip").then_some("ip"))
        {
            return self.of_root(root, label, arguments);
        }
        if let Some(form) = environment::form(VALUE, label.name) {
            return self.form(form, Some(target), label, arguments);
        }
        // Arguments of what is no method may be those of a misspelt macro: they are not judged.
        let target = self.part(target)?;
        let ty = target.ty.clone();
        let fits = |receiver: Receiver| matches!(receiver, Receiver::Value(shape) if shape.accepts(&ty));
        if !FUNCTIONS.iter().any(|entry| entry.name == label.name && fits(entry.receiver)) {
            return self.fail(names::unknown_method(&target, label));
        }
        let arguments = all(arguments, |node| self.part(node))?;
        self.call(fits, Some(target), label, arguments)
    }

    /// `root.name(...)`
    fn of_root(&mut self, root: &'static str, label: &Label<'a>, arguments: &[Node<'a>]) -> Option<(Kind, Type)> {
        let receiver = Receiver::Root(root);
        if let Some(form) = environment::form(receiver, label.name) {
            return self.form(form, None, label, arguments);
        }
        let Some(entry) = FUNCTIONS.iter().find(|entry| entry.name == label.name && entry.receiver == receiver) else {
            return self.fail(names::method_of_root(self.names, root, label));
        };
        if root == "request" {
            self.known(Phase::Request, label.span, &format!("`{root}.{}`", entry.name));
        }
        let arguments = self.exprs(arguments)?;
        self.call(|other| other == receiver, None, label, arguments)
    }

    /// The overload that fits, among the entries of this name whose receiver is one of `candidate`.
    fn call(
        &mut self,
        candidate: impl Fn(Receiver) -> bool,
        target: Option<Expr>,
        label: &Label<'a>,
        arguments: Vec<Expr>,
    ) -> Option<(Kind, Type)> {
        let entries = || FUNCTIONS.iter().filter(|entry| entry.name == label.name && candidate(entry.receiver));
        let fitting = entries().find(|entry| {
            entry.arguments.len() == arguments.len()
                && arguments.iter().zip(entry.arguments).all(|(argument, shape)| shape.accepts(&argument.ty))
        });
        match fitting {
            Some(entry) => self.apply(entry, target, arguments),
            None => {
                let entries: Vec<&FunctionEntry> = entries().collect();
                self.fail(mismatch::no_overload(self.names, &entries, label, &arguments))
            }
        }
    }

    fn apply(&mut self, entry: &FunctionEntry, target: Option<Expr>, mut arguments: Vec<Expr>) -> Option<(Kind, Type)> {
        let result = entry.result.ty()?;
        if let Some(target) = target {
            arguments.insert(0, target);
        }
        match entry.meaning {
            Meaning::Same => arguments.pop().map(|same| (same.kind, result)),
            Meaning::Part(part) => {
                let mut arguments = arguments.into_iter();
                let (time, zone) = (arguments.next()?, arguments.next());
                let zone = zone.map_or(Ok(jiff::tz::TimeZone::UTC), |zone| fold::zone(&zone));
                match zone {
                    Ok(zone) => Some((Kind::Part(part, Box::new(time), zone), result)),
                    Err(error) => self.fail(error),
                }
            }
            Meaning::Matches => {
                let (pattern, text) = (arguments.pop()?, arguments.pop()?);
                self.matches += 1;
                match fold::pattern(&pattern, self.matches, self.patterns) {
                    Ok(pattern) => Some((Kind::Matches(Box::new(text), pattern), result)),
                    Err(error) => self.fail(error),
                }
            }
            Meaning::Function(function) => {
                if function == Function::Values {
                    self.values(&mut arguments)?;
                }
                self.possible_part(function, &arguments)?;
                Some((Kind::Call(function, arguments), result))
            }
        }
    }

    /// `headers.values(name)`: of what a request may have several times.
    fn values(&mut self, arguments: &mut [Expr]) -> Option<()> {
        let [base, name] = arguments else { return None };
        match base.kind {
            Kind::Field(field) if is_request_map(field) => self.header_name(base, name),
            _ => {
                let error = Error::new(base.span, "`values` is a method of headers, of cookies and of query fields");
                self.fail(error.advice("such as `request.headers.values(\"accept\")`"))
            }
        }
    }
}
