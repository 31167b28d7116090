//! Literals with more to them than their characters: numbers, strings and bytes. CEL language definition, "Numeric Values"
//! and "String and Bytes Values".

use std::borrow::Cow;

use super::Error;
use super::lexer::{Lexer, Word};
use super::tree::Span;

/// One character of a string or one octet of bytes.
enum Unit {
    Char(char),
    Octet(u8),
}

/// What a literal between quotes stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    String,
    Bytes,
}

impl<'a> Lexer<'a> {
    /// `404`, `0x1f`, `404u`, `1.5`, `.5`, `1e3`. CEL knows no `0X`.
    pub(super) fn number(&mut self) -> Result<Word<'a>, Error> {
        let start = self.at;
        let digit = |c: char| c.is_ascii_digit();
        if self.eat("0x") {
            let digits = self.eat_while(|c| c.is_ascii_hexdigit());
            return self.whole(start, u64::from_str_radix(digits, 16).ok(), digits.is_empty());
        }
        let digits = self.eat_while(digit);
        let fraction = self.byte(0) == Some(b'.') && self.byte(1).is_some_and(|byte| byte.is_ascii_digit());
        if fraction {
            self.at += 1;
            self.eat_while(digit);
        }
        let exponent = self.exponent();
        if !fraction && !exponent {
            return self.whole(start, digits.parse().ok(), false);
        }
        let number = self.text.get(start..self.at).and_then(|text| text.parse::<f64>().ok());
        self.no_tail(start)?;
        match number {
            Some(number) if number.is_finite() => Ok(Word::Double(number)),
            _ => Err(self.error(start, "not a number of 64 bits")),
        }
    }

    /// Takes `e3`, `E-3`, `e+3`; nothing if it is not whole.
    fn exponent(&mut self) -> bool {
        if !matches!(self.byte(0), Some(b'e' | b'E')) {
            return false;
        }
        let sign = usize::from(matches!(self.byte(1), Some(b'+' | b'-')));
        let whole = self.byte(1 + sign).is_some_and(|byte| byte.is_ascii_digit());
        if whole {
            self.at += 1 + sign;
            self.eat_while(|c| c.is_ascii_digit());
        }
        whole
    }

    fn whole(&mut self, start: usize, number: Option<u64>, empty: bool) -> Result<Word<'a>, Error> {
        let unsigned = !empty && (self.eat("u") || self.eat("U"));
        self.no_tail(start)?;
        match number {
            Some(number) if unsigned => Ok(Word::Uint(number)),
            Some(number) => Ok(Word::Int(number)),
            None if empty => Err(self.error(start, "not a number")),
            None => Err(self.error(start, "not a number of 64 bits")),
        }
    }

    fn no_tail(&mut self, start: usize) -> Result<(), Error> {
        let tail = self.eat_while(|c| c.is_ascii_alphanumeric() || c == '_');
        if tail.is_empty() {
            return Ok(());
        }
        let error = self.error(start, "not a number");
        Err(match tail {
            "ms" | "s" | "m" | "h" => {
                let number = self.text.get(start..self.at).unwrap_or_default();
                error.help(format!("a time is written `duration(\"{number}\")`"))
            }
            _ => error.advice("numbers are written `404`, `0x1f`, `404u` (unsigned), `1.5` and `1e3`"),
        })
    }

    /// A string that began at `start`, from its quotes on; in a raw one a backslash is itself.
    pub(super) fn string(&mut self, start: usize, raw: bool) -> Result<Cow<'a, str>, Error> {
        let body = self.body(start)?;
        if raw || !body.text.contains('\\') {
            return Ok(Cow::Borrowed(body.text));
        }
        let mut value = String::with_capacity(body.text.len());
        let mut inside = Lexer { text: self.text.get(..body.end).unwrap_or_default(), at: body.start };
        while let Some(unit) = inside.unit(Content::String)? {
            match unit {
                Unit::Char(c) => value.push(c),
                Unit::Octet(octet) => value.push(char::from(octet)),
            }
        }
        Ok(Cow::Owned(value))
    }

    /// Bytes that began at `start`, from their quotes on: characters in UTF-8, escapes as octets.
    pub(super) fn bytes(&mut self, start: usize, raw: bool) -> Result<Vec<u8>, Error> {
        let body = self.body(start)?;
        if raw {
            return Ok(body.text.as_bytes().to_vec());
        }
        let mut value = Vec::with_capacity(body.text.len());
        let mut inside = Lexer { text: self.text.get(..body.end).unwrap_or_default(), at: body.start };
        while let Some(unit) = inside.unit(Content::Bytes)? {
            match unit {
                Unit::Char(c) => value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                Unit::Octet(octet) => value.push(octet),
            }
        }
        Ok(value)
    }

    /// Takes quotes, body and quotes. A backslash hides the quote behind it, but not in a raw literal.
    fn body(&mut self, start: usize) -> Result<Body<'a>, Error> {
        let rest = self.rest();
        let single = rest.get(..1).unwrap_or("\"");
        let triple = rest.get(..3).filter(|three| matches!(*three, "\"\"\"" | "'''"));
        let quotes = triple.unwrap_or(single);
        let raw = matches!(self.text.get(start..self.at), Some("r" | "R" | "br" | "bR" | "Br" | "BR"));
        self.at += quotes.len();
        let from = self.at;
        loop {
            let here = self.at;
            if self.eat(quotes) {
                let text = self.text.get(from..here).unwrap_or_default();
                return Ok(Body { text, start: from, end: here });
            }
            let Some(c) = self.peek() else {
                return Err(self.error(start, format!("a string without its closing {quotes}")));
            };
            self.at += c.len_utf8();
            match c {
                '\n' | '\r' if triple.is_none() => {
                    let error = Error::new(Span { start, end: here }, "a string ends on the line it starts on");
                    return Err(error.advice("a line break in a string is written \\n"));
                }
                '\\' if !raw => self.at += self.peek().filter(|c| !matches!(c, '\n' | '\r')).map_or(0, char::len_utf8),
                _ => {}
            }
        }
    }

    /// The next character or escape.
    fn unit(&mut self, content: Content) -> Result<Option<Unit>, Error> {
        let start = self.at;
        let Some(c) = self.peek() else { return Ok(None) };
        self.at += c.len_utf8();
        if c == '\\' { self.escape(start, content).map(Some) } else { Ok(Some(Unit::Char(c))) }
    }

    /// The rest of an escape that began at `start`.
    fn escape(&mut self, start: usize, content: Content) -> Result<Unit, Error> {
        let Some(c) = self.peek() else { return Err(self.error(start, "an escape without its end")) };
        self.at += c.len_utf8();
        let code = match c {
            'a' => return Ok(Unit::Octet(0x07)),
            'b' => return Ok(Unit::Octet(0x08)),
            'f' => return Ok(Unit::Octet(0x0c)),
            'n' => return Ok(Unit::Octet(b'\n')),
            'r' => return Ok(Unit::Octet(b'\r')),
            't' => return Ok(Unit::Octet(b'\t')),
            'v' => return Ok(Unit::Octet(0x0b)),
            '\\' | '?' | '"' | '\'' | '`' => return Ok(Unit::Char(c)),
            'u' | 'U' if content == Content::Bytes => {
                let error = self.error(start, "an escape of characters, in bytes");
                return Err(error.advice("octets are written \\x41 or \\101"));
            }
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
        let octet = matches!(c, 'x' | 'X' | '0'..='3');
        match code {
            Some(code) if octet => u8::try_from(code).ok().map(Unit::Octet),
            Some(code) => char::from_u32(code).map(Unit::Char),
            None => None,
        }
        .ok_or_else(|| self.error(start, "an escape that names no character"))
    }

    fn digits(&mut self, count: usize, radix: u32) -> Option<u32> {
        let digits = self.rest().get(..count).filter(|digits| digits.chars().all(|c| c.is_digit(radix)))?;
        self.at += count;
        u32::from_str_radix(digits, radix).ok()
    }
}

/// What stands between the quotes, and where.
struct Body<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}
