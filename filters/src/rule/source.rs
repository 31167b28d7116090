//! The maps of a request: header fields, cookies, query fields, and the fields of a form. A few looks scan them where they are, and
//! copy only what is percent-encoded or no UTF-8; many looks, and visits, have them sorted once ([`Entries`]).

use http::header::{COOKIE, Keys};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::context::Context;
use super::datum::Datum;
use super::entries::{self, Entries, Indexed};
use super::scratch::Scratch;
use super::urlencoded;
use super::value::Value;
use crate::form::FormNeed;

/// A map of strings that came with the request or the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    RequestHeaders,
    ResponseHeaders,
    Cookies,
    Query,
    /// The fields of the body.
    Form,
}

/// A name and a value as they came.
type Pair<'v> = (&'v [u8], &'v [u8]);

/// Where a map is.
enum Place<'v, 'a> {
    Fields(&'v HeaderMap),
    Pairs(&'v Indexed<'a>),
    Nowhere,
}

/// Pairs, by how they are written.
enum Pairs<C, U> {
    Cookies(C),
    Coded(U),
}

impl<'v, C: Iterator<Item = Pair<'v>>, U: Iterator<Item = Pair<'v>>> Iterator for Pairs<C, U> {
    type Item = Pair<'v>;

    fn next(&mut self) -> Option<Pair<'v>> {
        match self {
            Pairs::Cookies(pairs) => pairs.next(),
            Pairs::Coded(pairs) => pairs.next(),
        }
    }
}

/// Names of a map.
pub(super) enum Names<'v> {
    Fields(Keys<'v, HeaderValue>),
    Entries(entries::Names<'v>),
    /// There is no response.
    None,
}

impl<'v> Iterator for Names<'v> {
    type Item = &'v str;

    fn next(&mut self) -> Option<&'v str> {
        match self {
            Names::Fields(names) => names.next().map(HeaderName::as_str),
            Names::Entries(names) => names.next(),
            Names::None => None,
        }
    }
}

/// Bytes of the request as text: each sequence that is no UTF-8 becomes U+FFFD, so that no byte hides the others. Borrowed when
/// all is UTF-8; absent only when the scratch memory is used up.
#[inline]
pub(super) fn text<'v>(scratch: Scratch<'v>, bytes: &'v [u8]) -> Option<&'v str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(_) => replaced(scratch, bytes),
    }
}

#[cold]
fn replaced<'v>(scratch: Scratch<'v>, bytes: &[u8]) -> Option<&'v str> {
    let mut text = scratch.brought(bytes.len())?;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Some(text.into_bump_str())
}

/// The first line of a header field as text; `""` when there is none.
#[inline]
pub(super) fn field_text<'v>(scratch: Scratch<'v>, line: Option<&'v HeaderValue>) -> Option<&'v str> {
    line.map_or(Some(""), |line| text(scratch, line.as_bytes()))
}

impl Source {
    /// The first value of a name; `None` inside when the name is not there. Absent when it cannot be decoded for want of room.
    pub(super) fn find<'v>(
        self,
        context: &'v Context<'_>,
        scratch: Scratch<'v>,
        name: &str,
    ) -> Option<Option<&'v str>> {
        let raw = match self.place(context) {
            Place::Fields(headers) => match headers.get(name) {
                Some(line) => line.as_bytes(),
                None => return Some(None),
            },
            Place::Pairs(indexed) => {
                if let Some(entries) = indexed.for_look(|| self.entries(context)) {
                    return Some(entries.first(name));
                }
                match self.pairs(context).find(|(held, _)| self.is(held, name)) {
                    Some((_, value)) => value,
                    None => return Some(None),
                }
            }
            Place::Nowhere => return Some(None),
        };
        self.text(scratch, raw).map(Some)
    }

    /// Whether a name is there.
    pub(super) fn has(self, context: &Context<'_>, name: &str) -> bool {
        match self.place(context) {
            Place::Fields(headers) => headers.contains_key(name),
            Place::Pairs(indexed) => match indexed.for_look(|| self.entries(context)) {
                Some(entries) => entries.first(name).is_some(),
                None => self.pairs(context).any(|(held, _)| self.is(held, name)),
            },
            Place::Nowhere => false,
        }
    }

    /// All values of a name in their order.
    pub(super) fn values<'v>(self, context: &'v Context<'_>, scratch: Scratch<'v>, name: &'v str) -> Option<Datum<'v>> {
        let mut list = scratch.list(0)?;
        let mut add = |raw| self.text(scratch, raw).map(|text| list.push(Datum::Scalar(Value::String(text))));
        match self.place(context) {
            Place::Fields(headers) => {
                headers.get_all(name).iter().try_for_each(|line| add(line.as_bytes()))?;
            }
            Place::Pairs(indexed) => match indexed.for_look(|| self.entries(context)) {
                Some(entries) => return scratch.texts(entries.values(name)),
                None => {
                    self.pairs(context).filter(|(held, _)| self.is(held, name)).try_for_each(|(_, raw)| add(raw))?
                }
            },
            Place::Nowhere => {}
        }
        Some(Datum::List(list.into_bump_slice()))
    }

    /// All names, each once. Names of header fields are in lower case.
    pub(super) fn names<'v>(self, context: &'v Context<'_>) -> Names<'v> {
        match self.place(context) {
            Place::Fields(headers) => Names::Fields(headers.keys()),
            Place::Pairs(indexed) => Names::Entries(indexed.for_all(|| self.entries(context)).names()),
            Place::Nowhere => Names::None,
        }
    }

    /// The first cookie of a name, as it came.
    pub(super) fn cookie<'v>(context: &'v Context<'_>, name: &str) -> Option<&'v [u8]> {
        cookies(context.head.headers).find(|(held, _)| Source::Cookies.is(held, name)).map(|(_, value)| value)
    }

    fn place<'v, 'a>(self, context: &'v Context<'a>) -> Place<'v, 'a> {
        let memo = &context.memo;
        match self {
            Source::RequestHeaders => Place::Fields(context.head.headers),
            Source::ResponseHeaders => context.reply.map_or(Place::Nowhere, |reply| Place::Fields(reply.headers)),
            Source::Cookies => Place::Pairs(&memo.cookies),
            Source::Query => Place::Pairs(&memo.query),
            Source::Form => {
                context.need_form(FormNeed::Fields);
                Place::Pairs(&memo.form)
            }
        }
    }

    /// The pairs as they came. Header fields have none.
    fn pairs<'a>(self, context: &Context<'a>) -> Pairs<impl Iterator<Item = Pair<'a>>, impl Iterator<Item = Pair<'a>>> {
        let head = &context.head;
        match self {
            Source::Cookies => Pairs::Cookies(cookies(head.headers)),
            Source::Query => Pairs::Coded(urlencoded::pairs(head.query.unwrap_or("").as_bytes())),
            Source::Form => Pairs::Coded(urlencoded::pairs(head.form.fields())),
            Source::RequestHeaders | Source::ResponseHeaders => Pairs::Coded(urlencoded::pairs(b"")),
        }
    }

    fn entries<'a>(self, context: &Context<'a>) -> Entries<'a> {
        let text = |raw: &'a [u8]| match self {
            Source::Query | Source::Form => urlencoded::owned(raw),
            _ => String::from_utf8_lossy(raw),
        };
        Entries::new(self.pairs(context).map(|(name, value)| (text(name), text(value))))
    }

    fn is(self, held: &[u8], name: &str) -> bool {
        match self {
            Source::Query | Source::Form => urlencoded::is(held, name),
            _ if name.contains(char::REPLACEMENT_CHARACTER) => String::from_utf8_lossy(held) == name,
            _ => held == name.as_bytes(),
        }
    }

    fn text<'v>(self, scratch: Scratch<'v>, raw: &'v [u8]) -> Option<&'v str> {
        match self {
            Source::Query | Source::Form => urlencoded::text(scratch, raw),
            _ => text(scratch, raw),
        }
    }
}

/// All cookies of all lines (RFC 6265 section 4.2; HTTP/2 may split the field, RFC 9113 section 8.2.3). What has no `=` is no
/// cookie.
pub(crate) fn cookies<'v>(headers: &'v HeaderMap) -> impl Iterator<Item = Pair<'v>> {
    let lines = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    lines.flat_map(|line| line.split(|byte| *byte == b';')).filter_map(|cookie| {
        let at = memchr::memchr(b'=', cookie)?;
        let (name, value) = cookie.split_at_checked(at)?;
        Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
    })
}
