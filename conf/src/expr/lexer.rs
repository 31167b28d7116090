//! The words of an expression: names, literals and marks, each with its place. CEL specification, "Lexis".

use super::Error;
use super::tree::{Comparison, Span};

/// A word and where it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) word: Word,
    pub(super) span: Span,
}

/// One word. A minus is a mark; numbers are without sign.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    Name(String),
    Int(u64),
    Text(String),
    Open,
    Close,
    OpenList,
    CloseList,
    Comma,
    Dot,
    Not,
    Minus,
    And,
    Or,
    In,
    Compare(Comparison),
    End,
}

/// Cuts `text` into words; the last one is [`Word::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Error> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
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

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        if found {
            self.at += prefix.len();
        }
        found
    }

    fn eat_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = rest.split_at(rest.find(|c| !belongs(c)).unwrap_or(rest.len())).0;
        self.at += taken.len();
        taken
    }

    fn error(&self, start: usize, message: impl Into<String>) -> Error {
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

    fn word(&mut self) -> Result<Word, Error> {
        const MARKS: [(&str, Word); 16] = [
            ("&&", Word::And),
            ("||", Word::Or),
            ("==", Word::Compare(Comparison::Equal)),
            ("!=", Word::Compare(Comparison::NotEqual)),
            ("<=", Word::Compare(Comparison::LessOrEqual)),
            (">=", Word::Compare(Comparison::GreaterOrEqual)),
            ("<", Word::Compare(Comparison::Less)),
            (">", Word::Compare(Comparison::Greater)),
            ("!", Word::Not),
            ("-", Word::Minus),
            ("(", Word::Open),
            (")", Word::Close),
            ("[", Word::OpenList),
            ("]", Word::CloseList),
            (",", Word::Comma),
            (".", Word::Dot),
        ];
        let Some(first) = self.peek() else { return Ok(Word::End) };
        for (mark, word) in MARKS {
            if self.eat(mark) {
                return Ok(word);
            }
        }
        match first {
            '"' | '\'' => self.string(false),
            c if c.is_ascii_digit() => self.number(),
            c if c.is_ascii_alphabetic() || c == '_' => self.name(),
            c => {
                let start = self.at;
                self.at += c.len_utf8();
                Err(self.stray(start, c))
            }
        }
    }

    fn name(&mut self) -> Result<Word, Error> {
        let start = self.at;
        let name = self.eat_while(|c| c.is_ascii_alphanumeric() || c == '_');
        let quote = matches!(self.peek(), Some('"' | '\''));
        match name {
            "in" => Ok(Word::In),
            "r" | "R" if quote => self.string(true),
            "b" | "B" | "br" | "bR" | "Br" | "BR" | "rb" | "rB" | "Rb" | "RB" if quote => {
                Err(self.error(start, "byte strings are not available"))
            }
            name => Ok(Word::Name(name.to_owned())),
        }
    }

    fn number(&mut self) -> Result<Word, Error> {
        let start = self.at;
        let hex = self.eat("0x") || self.eat("0X");
        let digits = self.eat_while(|c| if hex { c.is_ascii_hexdigit() } else { c.is_ascii_digit() });
        if !hex && self.rest().starts_with('.') && self.rest().chars().nth(1).is_some_and(|c| c.is_ascii_digit()) {
            self.eat(".");
            self.eat_while(|c| c.is_ascii_digit());
            return Err(self.error(start, "numbers with a fraction are not available"));
        }
        let tail = self.eat_while(|c| c.is_ascii_alphanumeric() || c == '_');
        if !tail.is_empty() {
            return Err(self.error(start, "not a number").advice("numbers are whole, such as `404` or `0x1f`"));
        }
        let number = u64::from_str_radix(digits, if hex { 16 } else { 10 });
        number.map(Word::Int).map_err(|_| self.error(start, "not a number of 64 bits"))
    }

    /// A string; in a raw one a backslash is itself.
    fn string(&mut self, raw: bool) -> Result<Word, Error> {
        let start = self.at;
        let quote = self.peek().unwrap_or('"');
        self.at += quote.len_utf8();
        let mut value = String::new();
        loop {
            let here = self.at;
            let Some(c) = self.peek() else {
                return Err(self.error(start, format!("a string without its closing {quote}")));
            };
            self.at += c.len_utf8();
            match c {
                c if c == quote => return Ok(Word::Text(value)),
                '\n' | '\r' => {
                    let error = Error::new(Span { start, end: here }, "a string ends on the line it starts on");
                    return Err(error.advice("a line break in a string is written \\n"));
                }
                '\\' if !raw => value.push(self.escape(here)?),
                c => value.push(c),
            }
        }
    }

    /// The rest of an escape that began at `start`. CEL specification, "String and Bytes Values".
    fn escape(&mut self, start: usize) -> Result<char, Error> {
        let Some(c) = self.peek() else { return Err(self.error(start, "an escape without its end")) };
        self.at += c.len_utf8();
        let code = match c {
            'a' => return Ok('\u{7}'),
            'b' => return Ok('\u{8}'),
            'f' => return Ok('\u{c}'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'v' => return Ok('\u{b}'),
            '\\' | '?' | '"' | '\'' | '`' => return Ok(c),
            'x' | 'X' => self.digits(2, 16),
            'u' => self.digits(4, 16),
            'U' => self.digits(8, 16),
            '0'..='3' => {
                self.at -= 1;
                self.digits(3, 8)
            }
            _ => {
                let advice = "a backslash is written \\\\, or the string as r\"...\"";
                return Err(self.error(start, format!("`\\{}` is not an escape", c.escape_debug())).advice(advice));
            }
        };
        code.and_then(char::from_u32).ok_or_else(|| self.error(start, "an escape that names no character"))
    }

    fn digits(&mut self, count: usize, radix: u32) -> Option<u32> {
        let rest = self.rest();
        let digits = rest.get(..count).filter(|digits| digits.chars().all(|c| c.is_digit(radix)))?;
        self.at += count;
        u32::from_str_radix(digits, radix).ok()
    }

    fn stray(&self, start: usize, c: char) -> Error {
        let error = self.error(start, format!("`{}` does not belong here", c.escape_debug()));
        match c {
            '=' => error.advice("equality is written `==`"),
            '&' => error.advice("\"and\" is written `&&`"),
            '|' => error.advice("\"or\" is written `||`"),
            '+' | '*' | '/' | '%' => error.advice("arithmetic is not available"),
            '?' | ':' => error.advice("`a ? b : c` is not available; write it with `&&` and `||`"),
            '{' | '}' => error.advice("maps are not available"),
            '“' | '”' | '‘' | '’' => error.advice("strings are in straight quotes"),
            _ => error,
        }
    }
}
