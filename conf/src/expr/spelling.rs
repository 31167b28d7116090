//! One spelling of an expression: what is the same but for blanks, comments and quotes has the same text. What is counted is
//! known by it, so it names what the config declares and holds no place in the file.

use super::lexer::{self, Mark, Word};

/// The words of an expression, each written in one way. A text that is no expression stays as it is.
pub(crate) fn spelling(text: &str) -> String {
    let Ok(tokens) = lexer::tokens(text) else { return text.to_owned() };
    let mut out = String::with_capacity(text.len());
    for token in &tokens {
        let word = written(&token.word);
        let infix = matches!(
            token.word,
            Word::Mark(
                Mark::And | Mark::Or | Mark::In | Mark::Compare(_) | Mark::Arithmetic(_) | Mark::Question | Mark::Colon
            )
        );
        match token.word {
            _ if infix => out.push_str(&format!(" {word} ")),
            Word::Mark(Mark::Comma) => out.push_str(", "),
            _ => out.push_str(&word),
        }
    }
    out
}

/// Two words that are no marks never stand side by side in an expression.
fn written(word: &Word<'_>) -> String {
    match word {
        Word::Name(name) => (*name).to_owned(),
        Word::Int(number) => number.to_string(),
        Word::Uint(number) => format!("{number}u"),
        Word::Double(number) => format!("{number:?}"),
        Word::Text(text) => format!("{text:?}"),
        Word::Bytes(bytes) => format!("b\"{}\"", bytes.escape_ascii()),
        Word::Mark(mark) => mark.symbol().to_owned(),
        Word::End => String::new(),
    }
}
