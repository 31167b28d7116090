//! The expression language: a statically typed subset of CEL (Common Expression Language), text to a checked tree.
//!
//! [`parse`] goes through a lexer, a Pratt parser, a type checker against the tables of the environment, and a bound on the
//! cost. What comes out has no unknown name and no ill-typed operation, so evaluation (in `selvedge-filters`) is total. What
//! goes in is bounded: [`TEXT_MAX`] bytes, [`NESTING_MAX`] levels, [`COST_MAX`] nanoseconds.

mod check;
mod cost;
mod declared;
mod environment;
mod lexer;
mod literal;
mod mismatch;
mod misplaced;
mod names;
mod node;
mod parser;
mod plain;
mod setting;
mod spelling;
mod time;
mod tree;
mod walk;

pub use cost::Cost;
pub(crate) use declared::span_of_time;
pub use environment::{reference, schema};
pub use setting::{CountedName, GeoNames, Names, SessionName, Setting, TokenName};
pub(crate) use spelling::spelling;
pub use time::{duration, in_range, timestamp};
pub use tree::{
    Arithmetic, Comparison, Counted, Expr, Field, Fold, Function, Kind, ListKind, Macro, Pattern, Phase, Read, Span,
    TimePart, Type,
};

use crate::value::Patterns;

/// The longest expression, in bytes.
pub const TEXT_MAX: usize = 16 * 1024;
/// The deepest nesting, in levels of parentheses, operators and calls; a chain of `&&` or of `||` is one level.
pub const NESTING_MAX: usize = 64;
/// So many elements the costs reckon with where the request decides how many there are: entries of its maps, lines and values of
/// one name, segments, pieces of a text.
pub const ELEMENTS_MAX: usize = 256;
/// The most variables that macros bind at one place.
pub const SLOTS_MAX: usize = 8;
/// The most regular expressions in one expression.
pub const PATTERNS_MAX: usize = 32;
/// The most time that one evaluation may take, in nanoseconds, as [`Expr::cost`] knows it before.
pub const COST_MAX: u64 = 1_000_000;

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
pub fn parse(text: &str, setting: &Setting<'_>) -> Result<Expr, Vec<Error>> {
    condition(text, setting, &Patterns::default())
}

/// [`parse`] of one of many expressions, which share their regular expressions.
pub(crate) fn condition(text: &str, setting: &Setting<'_>, patterns: &Patterns) -> Result<Expr, Vec<Error>> {
    let condition = checked(text, setting, patterns)?;
    if condition.ty == Type::Bool {
        return Ok(condition);
    }
    let error = Error::new(condition.span, format!("a condition is a bool, and this is of type {}", condition.ty));
    Err(vec![match condition.ty {
        Type::Optional(_) => error.advice("whether there is something is asked with `.hasValue()`"),
        _ => error.advice("compare it with something, such as `request.method == \"POST\"`"),
    }])
}

/// Parses and checks an expression of any type but [`Type::Optional`] and [`Type::Named`].
///
/// # Errors
/// One error if the text is not an expression, all type errors if it is one.
pub fn parse_value(text: &str, setting: &Setting<'_>) -> Result<Expr, Vec<Error>> {
    value(text, setting, &Patterns::default())
}

/// [`parse_value`] of one of many expressions, which share their regular expressions.
pub(crate) fn value(text: &str, setting: &Setting<'_>, patterns: &Patterns) -> Result<Expr, Vec<Error>> {
    let value = checked(text, setting, patterns).map_err(|errors| plain::errors(text, errors))?;
    match value.ty {
        Type::Optional(_) => {
            let error = Error::new(value.span, "a value is needed, and this is an optional");
            Err(vec![error.advice("give a value for when there is none: `x.orValue(...)`")])
        }
        _ => Ok(value),
    }
}

fn checked(text: &str, setting: &Setting<'_>, patterns: &Patterns) -> Result<Expr, Vec<Error>> {
    if text.len() > TEXT_MAX {
        let whole = Span { start: 0, end: text.len() };
        let message = format!("an expression of {} bytes; at most {TEXT_MAX} are possible", text.len());
        return Err(vec![Error::new(whole, message)]);
    }
    let tokens = lexer::tokens(text).map_err(|error| vec![error])?;
    let node = parser::parse(tokens).map_err(|error| vec![error])?;
    let expr = check::check(&node, setting, patterns)?;
    cost::check(&expr).map_err(|error| vec![error])?;
    Ok(expr)
}
