//! Words that stand in the wrong place: what was found, what was expected, and how what other languages write is written
//! here.

use super::Error;
use super::lexer::{Mark, Word};
use super::parser::Parser;
use super::tree::{Comparison, Field, Span, Type};
use super::{environment, mismatch};

impl Parser<'_> {
    /// The next word is not what is `wanted` here.
    pub(super) fn misplaced(&self, wanted: &str) -> Error {
        let word = match self.peek() {
            Word::End => return Error::new(self.here(), format!("expected {wanted}, found the end")),
            Word::Name(name) => format!("`{}`", crate::value::shown(name)),
            Word::Int(_) | Word::Uint(_) | Word::Double(_) => "a number".to_owned(),
            Word::Text(_) => "a string".to_owned(),
            Word::Bytes(_) => "bytes".to_owned(),
            Word::Mark(mark) => format!("`{}`", mark.symbol()),
        };
        let error = Error::new(self.here(), format!("expected {wanted}, found {word}"));
        let earlier = self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map(|token| &token.word);
        match self.peek() {
            Word::Name(name) => error.help(foreign_operator(name)),
            Word::Mark(Mark::Compare(Comparison::Greater))
                if earlier == Some(&Word::Mark(Mark::Compare(Comparison::Less))) =>
            {
                error.advice("inequality is written `!=`")
            }
            Word::Mark(Mark::OpenMap) if matches!(earlier, Some(Word::Name(_))) => error
                .advice("messages are not available: the language is typed, and its values are those in docs/rules.md"),
            Word::Mark(Mark::Colon) => error.advice("a choice is written `condition ? then : else`"),
            _ => error,
        }
    }

    /// What to say of `root.field != null`, when that field is never absent. The word was taken already.
    fn always_there(&self) -> Option<String> {
        let before =
            |words: usize| self.at.checked_sub(1 + words).and_then(|at| self.tokens.get(at)).map(|token| &token.word);
        let (Word::Mark(Mark::Compare(_)), Word::Name(name), Word::Mark(Mark::Dot), Word::Name(root)) =
            (before(1)?, before(2)?, before(3)?, before(4)?)
        else {
            return None;
        };
        let entry = environment::field(root, name)?;
        let length = entry.field == Field::Length;
        (!length).then(|| never_absent(entry.field)).flatten()
    }

    /// Refuses a word that cannot be a name.
    pub(super) fn not_a_name(&self, name: &str, span: Span, reserved: &[&str]) -> Result<(), Error> {
        match name {
            "null" => {
                let error = Error::new(span, "`null` is not available: the language is typed");
                Err(error.help(
                    self.always_there().unwrap_or("whether something is there is asked with `has(...)`".to_owned()),
                ))
            }
            "not" if *self.peek() != Word::Mark(Mark::Open) => {
                Err(Error::new(span, "`not` is not an operator").advice("negation is written `!`"))
            }
            "if" => {
                let error = Error::new(span, "`if` is a reserved word");
                Err(error.advice("a choice is written `condition ? then : else`"))
            }
            name if reserved.contains(&name) => Err(Error::new(span, format!("`{name}` is a reserved word"))),
            _ => Ok(()),
        }
    }
}

/// What to do instead of asking whether a field is there that always is.
pub(super) fn never_absent(field: Field) -> Option<String> {
    let written = mismatch::written(field);
    let ty = environment::entry_of(field)?.shape.ty()?;
    Some(match field {
        Field::Method | Field::Host | Field::Path | Field::RawPath | Field::Scheme | Field::Protocol => {
            format!("every request has `{written}`: compare it with something, or leave this out")
        }
        Field::RequestHeaders | Field::ResponseHeaders | Field::Cookies | Field::Query => {
            format!("name a part of it, such as `has({written}[\"name\"])`")
        }
        _ if ty == Type::String => format!("whether it is empty is asked with `{written} == \"\"`"),
        _ => return None,
    })
}

/// How an operator that is a word in other languages is written.
fn foreign_operator(name: &str) -> Option<String> {
    let written = match name {
        "and" | "AND" => "\"and\" is written `&&`",
        "or" | "OR" => "\"or\" is written `||`",
        "not" | "NOT" => "\"not in\" is written `!(x in y)`",
        "eq" | "is" | "EQ" => "equality is written `==`",
        "ne" | "NE" => "inequality is written `!=`",
        "lt" | "LT" => "\"less than\" is written `<`",
        "le" | "LE" => "\"at most\" is written `<=`",
        "gt" | "GT" => "\"greater than\" is written `>`",
        "ge" | "GE" => "\"at least\" is written `>=`",
        "mod" => "a remainder is written `%`",
        "xor" => "\"either, but not both\" is written `a != b`",
        "if" | "else" | "then" => "a choice is written `condition ? then : else`",
        "like" => "parts of a text are found with `startsWith`, `endsWith`, `contains` and `matches`",
        "matches" | "contains" | "startsWith" | "endsWith" => {
            return Some(format!("it is a method: write `value.{name}(...)`"));
        }
        _ => return None,
    };
    Some(written.to_owned())
}
