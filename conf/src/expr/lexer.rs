//! The words of an expression: names, literals and marks, each with its place. CEL language definition, "Syntax". What is
//! no word of CEL is an error that says how others write the same; literals with more to them are in `literal.rs`.

use std::borrow::Cow;

use super::Error;
use super::tree::{Arithmetic, Comparison, Span};

/// A word and where it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) word: Word<'a>,
    pub(super) span: Span,
}

/// One word. Numbers are without sign.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word<'a> {
    Name(&'a str),
    Int(u64),
    Uint(u64),
    Double(f64),
    Text(Cow<'a, str>),
    Bytes(Vec<u8>),
    Mark(Mark),
    End,
}

/// What is neither a name nor a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Open,
    Close,
    OpenList,
    CloseList,
    OpenMap,
    CloseMap,
    Comma,
    Colon,
    Question,
    Dot,
    Not,
    And,
    Or,
    In,
    Compare(Comparison),
    Arithmetic(Arithmetic),
}

impl Mark {
    /// The mark as it is written.
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Mark::Open => "(",
            Mark::Close => ")",
            Mark::OpenList => "[",
            Mark::CloseList => "]",
            Mark::OpenMap => "{",
            Mark::CloseMap => "}",
            Mark::Comma => ",",
            Mark::Colon => ":",
            Mark::Question => "?",
            Mark::Dot => ".",
            Mark::Not => "!",
            Mark::And => "&&",
            Mark::Or => "||",
            Mark::In => "in",
            Mark::Compare(comparison) => comparison.symbol(),
            Mark::Arithmetic(operator) => operator.symbol(),
        }
    }
}

/// Cuts `text` into words; the last one is [`Word::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, Error> {
    let mut lexer = Lexer { text, at: 0 };
    // Most words of ordinary rules are longer than four bytes, blanks included.
    let mut tokens = Vec::with_capacity(text.len() / 4 + 2);
    loop {
        lexer.skip_blank();
        let start = lexer.at;
        let word = lexer.word()?;
        let last = word == Word::End;
        tokens.push(Token { word, span: Span { start, end: lexer.at } });
        if last {
            return Ok(tokens);
        }
    }
}

/// A place in the text; it is always between two characters.
pub(super) struct Lexer<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// The byte so many bytes ahead.
    pub(super) fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    pub(super) fn eat(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        if found {
            self.at += prefix.len();
        }
        found
    }

    pub(super) fn eat_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = rest.split_at(rest.find(|c| !belongs(c)).unwrap_or(rest.len())).0;
        self.at += taken.len();
        taken
    }

    pub(super) fn error(&self, start: usize, message: impl Into<String>) -> Error {
        Error::new(Span { start, end: self.at }, message)
    }

    fn skip_blank(&mut self) {
        loop {
            self.eat_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}'));
            if !self.eat("//") {
                return;
            }
            self.eat_while(|c| c != '\n');
        }
    }

    fn word(&mut self) -> Result<Word<'a>, Error> {
        let Some(first) = self.peek() else { return Ok(Word::End) };
        match first {
            c if c.is_ascii_alphabetic() || c == '_' => return self.name(),
            c if c.is_ascii_digit() => return self.number(),
            '.' if self.byte(1).is_some_and(|byte| byte.is_ascii_digit()) => return self.number(),
            '"' | '\'' => return self.string(self.at, false).map(Word::Text),
            _ => {}
        }
        if let Some((mark, length)) = self.mark() {
            self.at += length;
            return Ok(Word::Mark(mark));
        }
        let start = self.at;
        self.at += first.len_utf8();
        Err(self.stray(start, first))
    }

    fn name(&mut self) -> Result<Word<'a>, Error> {
        let start = self.at;
        let name = self.eat_while(|c| c.is_ascii_alphanumeric() || c == '_');
        let quoted = matches!(self.byte(0), Some(b'"' | b'\''));
        match name {
            "in" => Ok(Word::Mark(Mark::In)),
            "r" | "R" if quoted => self.string(start, true).map(Word::Text),
            "b" | "B" if quoted => self.bytes(start, false).map(Word::Bytes),
            "br" | "bR" | "Br" | "BR" if quoted => self.bytes(start, true).map(Word::Bytes),
            "rb" | "rB" | "Rb" | "RB" if quoted => {
                Err(self.error(start, format!("`{name}` starts no literal")).advice("raw bytes are written br\"...\""))
            }
            "u" | "U" | "f" | "F" if quoted => {
                Err(self.error(start, format!("`{name}` starts no literal")).advice("text is written \"...\""))
            }
            name => Ok(Word::Name(name)),
        }
    }

    /// The mark that starts here, and its length in bytes.
    fn mark(&self) -> Option<(Mark, usize)> {
        let found = match (self.byte(0)?, self.byte(1)) {
            (b'&', Some(b'&')) => (Mark::And, 2),
            (b'|', Some(b'|')) => (Mark::Or, 2),
            (b'=', Some(b'=')) => (Mark::Compare(Comparison::Equal), 2),
            (b'!', Some(b'=')) => (Mark::Compare(Comparison::NotEqual), 2),
            (b'<', Some(b'=')) => (Mark::Compare(Comparison::LessOrEqual), 2),
            (b'>', Some(b'=')) => (Mark::Compare(Comparison::GreaterOrEqual), 2),
            (b'<', _) => (Mark::Compare(Comparison::Less), 1),
            (b'>', _) => (Mark::Compare(Comparison::Greater), 1),
            (b'+', _) => (Mark::Arithmetic(Arithmetic::Add), 1),
            (b'-', _) => (Mark::Arithmetic(Arithmetic::Subtract), 1),
            (b'*', _) => (Mark::Arithmetic(Arithmetic::Multiply), 1),
            (b'/', _) => (Mark::Arithmetic(Arithmetic::Divide), 1),
            (b'%', _) => (Mark::Arithmetic(Arithmetic::Remainder), 1),
            (b'!', _) => (Mark::Not, 1),
            (b'(', _) => (Mark::Open, 1),
            (b')', _) => (Mark::Close, 1),
            (b'[', _) => (Mark::OpenList, 1),
            (b']', _) => (Mark::CloseList, 1),
            (b'{', _) => (Mark::OpenMap, 1),
            (b'}', _) => (Mark::CloseMap, 1),
            (b',', _) => (Mark::Comma, 1),
            (b':', _) => (Mark::Colon, 1),
            (b'?', _) => (Mark::Question, 1),
            (b'.', _) => (Mark::Dot, 1),
            _ => return None,
        };
        Some(found)
    }

    fn stray(&self, start: usize, c: char) -> Error {
        let error = self.error(start, format!("`{}` does not belong here", c.escape_debug()));
        let next = self.byte(0);
        match c {
            '=' if next == Some(b'~') => error.advice("a regular expression is tried with `value.matches(\"...\")`"),
            '=' => error.advice("equality is written `==`"),
            '&' => error.advice("\"and\" is written `&&`"),
            '|' => error.advice("\"or\" is written `||`"),
            '~' => error.advice("a regular expression is tried with `value.matches(\"...\")`"),
            '^' => error.advice("numbers have no bits here, and a power is a product"),
            ';' => error.advice("an expression is one value; conditions are joined with `&&`"),
            '#' => error.advice("a comment starts with `//`"),
            '$' | '@' => error.advice("names are written as they are, such as `request.path`"),
            '`' => error.advice("a name that is no identifier is picked by `[\"...\"]`"),
            '\\' => error.advice("an expression may go on in the next line as it is"),
            '“' | '”' | '‘' | '’' | '„' | '‚' => error.advice("strings are in straight quotes"),
            _ => error,
        }
    }
}
