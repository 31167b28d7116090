//! The expression language: a statically typed subset of CEL (Common Expression Language), text to a checked tree.
//!
//! [`parse`] goes through a lexer, a Pratt parser and a type checker against the environment table in `environment.rs`.
//! What comes out has no unknown name and no ill-typed operation, so evaluation (in `selvedge-filters`) is total. What
//! goes in is bounded: [`TEXT_MAX`] bytes, [`NESTING_MAX`] levels.

mod check;
mod environment;
mod lexer;
mod names;
mod node;
mod parser;
mod tree;

pub use environment::reference;
pub use tree::{Comparison, Expr, Field, Kind, Method, Span, Type};

/// The longest expression, in bytes.
pub const TEXT_MAX: usize = 16 * 1024;
/// The deepest nesting, in levels of parentheses, operators and calls; a chain of `&&` or of `||` is one level.
pub const NESTING_MAX: usize = 64;

/// Something wrong in an expression: where in its text, what, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The offending bytes of the text; always on character boundaries and within it.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to write instead, when there is a good guess.
    pub help: Option<String>,
}

impl Error {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Error {
        Error { span, message: message.into(), help: None }
    }

    pub(crate) fn help(self, help: impl Into<Option<String>>) -> Error {
        Error { help: help.into(), ..self }
    }

    pub(crate) fn advice(self, help: &str) -> Error {
        self.help(help.to_owned())
    }
}

/// Parses and checks a condition: the result has type [`Type::Bool`].
///
/// # Errors
/// One error if the text is not an expression, all type errors if it is one.
pub fn parse(text: &str) -> Result<Expr, Vec<Error>> {
    let condition = parse_any(text)?;
    if condition.ty == Type::Bool {
        return Ok(condition);
    }
    let error = Error::new(condition.span, format!("a condition is a bool, and this is of type {}", condition.ty));
    Err(vec![error.advice("compare it with something, such as `request.method == \"POST\"`")])
}

/// Parses and checks an expression of any type.
pub(crate) fn parse_any(text: &str) -> Result<Expr, Vec<Error>> {
    if text.len() > TEXT_MAX {
        let whole = Span { start: 0, end: text.len() };
        let message = format!("an expression of {} bytes; at most {TEXT_MAX} are possible", text.len());
        return Err(vec![Error::new(whole, message)]);
    }
    let tokens = lexer::tokens(text).map_err(|error| vec![error])?;
    let node = parser::parse(&tokens).map_err(|error| vec![error])?;
    check::check(&node)
}
