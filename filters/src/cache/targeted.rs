//! `CDN-Cache-Control` (RFC 9213): the same directives, for us alone, as a Structured Field dictionary (RFC 9651).
//!
//! The field wins over `Cache-Control` and `Expires` together, but only when all of it parses and something is in it
//! (RFC 9213 section 2.1). So the parser is strict, and its one failure is "as if it were not there".

use http::{HeaderMap, HeaderName};

use super::directives::{DELTA_SECONDS_MAX, Directives, Seconds};

const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// The directives meant for this cache; `None` when the field is absent, empty or does not parse.
pub(crate) fn cdn_cache_control(headers: &HeaderMap) -> Option<Directives> {
    // RFC 9651 section 4.2: all lines are one field, joined by commas.
    let mut joined = Vec::new();
    for (index, line) in headers.get_all(CDN_CACHE_CONTROL).iter().enumerate() {
        if index > 0 {
            joined.push(b',');
        }
        joined.extend_from_slice(line.as_bytes());
    }
    let mut text = Text { rest: &joined };
    text.skip(b" ");
    if text.rest.is_empty() {
        return None;
    }
    let mut directives = Directives::default();
    loop {
        let (name, value) = text.member()?;
        apply(&mut directives, &name, value);
        text.skip(b" \t");
        if text.rest.is_empty() {
            return Some(directives);
        }
        text.expect(b',')?;
        text.skip(b" \t");
    }
}

/// A later member replaces an earlier one of the same name (RFC 9651 section 4.2.2).
fn apply(directives: &mut Directives, name: &str, value: Value) {
    if let Some(flag) = directives.flag(name) {
        // `no-cache="x"` and other arguments count as the plain directive.
        *flag = value != Value::False;
    } else if let Some(held) = directives.seconds(name) {
        *held = match value {
            Value::Integer(seconds) => u64::try_from(seconds)
                .map_or(Seconds::Invalid, |seconds| Seconds::Valid(seconds.min(DELTA_SECONDS_MAX))),
            Value::False | Value::Other => Seconds::Invalid,
        };
    }
}

/// What a directive can make of a member's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Integer(i64),
    False,
    Other,
}

/// What is left to read. Each method takes what it names, or says `None`: the field does not parse.
struct Text<'a> {
    rest: &'a [u8],
}

impl<'a> Text<'a> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn skip(&mut self, any: &[u8]) {
        self.take_while(|byte| any.contains(&byte));
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !accept(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// A dictionary member: key, value or true, parameters (which no directive uses).
    fn member(&mut self) -> Option<(String, Value)> {
        let name = self.key()?;
        let value = if self.peek() == Some(b'=') {
            self.next();
            if self.peek() == Some(b'(') { self.inner_list()? } else { self.bare_item()? }
        } else {
            Value::Other
        };
        self.parameters()?;
        Some((name, value))
    }

    fn key(&mut self) -> Option<String> {
        self.peek().filter(|byte| byte.is_ascii_lowercase() || *byte == b'*')?;
        let key = self.take_while(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.' | b'*')
        });
        Some(String::from_utf8_lossy(key).into_owned())
    }

    fn parameters(&mut self) -> Option<()> {
        while self.peek() == Some(b';') {
            self.next();
            self.skip(b" ");
            self.key()?;
            if self.peek() == Some(b'=') {
                self.next();
                self.bare_item()?;
            }
        }
        Some(())
    }

    fn inner_list(&mut self) -> Option<Value> {
        self.expect(b'(')?;
        loop {
            self.skip(b" ");
            if self.peek()? == b')' {
                self.next();
                return Some(Value::Other);
            }
            self.bare_item()?;
            self.parameters()?;
            matches!(self.peek()?, b' ' | b')').then_some(())?;
        }
    }

    fn bare_item(&mut self) -> Option<Value> {
        match self.peek()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b'?' => self.boolean(),
            b':' => self.binary(),
            b'@' => {
                self.next();
                matches!(self.number()?, Value::Integer(_)).then_some(Value::Other)
            }
            first if first.is_ascii_alphabetic() || first == b'*' => {
                self.take_while(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte));
                Some(Value::Other)
            }
            _ => None,
        }
    }

    /// At most 15 digits, or 12 and a fraction of one to three (RFC 9651 sections 3.3.1 and 3.3.2).
    fn number(&mut self) -> Option<Value> {
        let negative = self.peek() == Some(b'-');
        if negative {
            self.next();
        }
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if self.peek() == Some(b'.') {
            self.next();
            let fraction = self.take_while(|byte| byte.is_ascii_digit());
            let fits = (1..=12).contains(&digits.len()) && (1..=3).contains(&fraction.len());
            return fits.then_some(Value::Other);
        }
        if !(1..=15).contains(&digits.len()) {
            return None;
        }
        let value: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        Some(Value::Integer(if negative { -value } else { value }))
    }

    fn string(&mut self) -> Option<Value> {
        self.expect(b'"')?;
        loop {
            match self.next()? {
                b'"' => return Some(Value::Other),
                b'\\' => matches!(self.next()?, b'"' | b'\\').then_some(())?,
                0x20..=0x7e => {}
                _ => return None,
            }
        }
    }

    fn boolean(&mut self) -> Option<Value> {
        self.expect(b'?')?;
        match self.next()? {
            b'0' => Some(Value::False),
            b'1' => Some(Value::Other),
            _ => None,
        }
    }

    fn binary(&mut self) -> Option<Value> {
        self.expect(b':')?;
        self.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
        self.expect(b':')?;
        Some(Value::Other)
    }
}
