//! Response directives as facts, and the lenient reading of `Cache-Control` (RFC 9111 section 5.2).
//!
//! Lenient towards what is unknown, strict towards what is broken: an unknown directive is skipped, while a list whose end
//! cannot be found is reported, because a `no-store` may be hidden in it.

use http::HeaderMap;
use http::header::{CACHE_CONTROL, HeaderName};

/// The largest lifetime, 2^31 seconds: what RFC 9111 section 1.2.2 tells a cache to use instead of a larger number.
pub(crate) const DELTA_SECONDS_MAX: u64 = 1 << 31;

/// The argument of a directive that counts seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Seconds {
    /// The directive is not there.
    #[default]
    Absent,
    /// Once, or several times with one value.
    Valid(u64),
    /// Not a number, or two different ones.
    Invalid,
}

impl Seconds {
    /// Takes one more occurrence in. Two that differ make the directive invalid: RFC 9111 section 4.2.1 lets a cache use the
    /// first or consider the response stale, and stale is the one that cannot be wrong.
    pub(crate) fn and(self, next: Seconds) -> Seconds {
        match self {
            Seconds::Absent => next,
            held if held == next => held,
            _ => Seconds::Invalid,
        }
    }

    /// The value, or zero when there is none that can be trusted.
    pub(crate) fn or_zero(self) -> u64 {
        match self {
            Seconds::Valid(seconds) => seconds,
            Seconds::Absent | Seconds::Invalid => 0,
        }
    }
}

/// What a response says about its storage, whichever field said it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Directives {
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) must_understand: bool,
    pub(crate) max_age: Seconds,
    pub(crate) s_maxage: Seconds,
    pub(crate) stale_while_revalidate: Seconds,
    pub(crate) stale_if_error: Seconds,
}

impl Directives {
    /// The flag of that name, to set. Qualified forms (`private="x"`, `no-cache="x"`) count as the plain ones, as RFC 9111
    /// sections 5.2.2.4 and 5.2.2.7 allow.
    pub(crate) fn flag(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "no-store" => &mut self.no_store,
            "no-cache" => &mut self.no_cache,
            "private" => &mut self.private,
            "public" => &mut self.public,
            "must-revalidate" => &mut self.must_revalidate,
            "proxy-revalidate" => &mut self.proxy_revalidate,
            "must-understand" => &mut self.must_understand,
            _ => return None,
        })
    }

    /// The number of that name, to set.
    pub(crate) fn seconds(&mut self, name: &str) -> Option<&mut Seconds> {
        Some(match name {
            "max-age" => &mut self.max_age,
            "s-maxage" => &mut self.s_maxage,
            "stale-while-revalidate" => &mut self.stale_while_revalidate,
            "stale-if-error" => &mut self.stale_if_error,
            _ => return None,
        })
    }
}

/// A quoted string of `Cache-Control` does not end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unterminated;

/// Reads all `Cache-Control` lines of a response.
///
/// # Errors
/// [`Unterminated`] when a quoted string does not end.
pub(crate) fn cache_control(headers: &HeaderMap) -> Result<Directives, Unterminated> {
    let mut directives = Directives::default();
    for member in members(headers, &CACHE_CONTROL) {
        let (name, argument) = member?;
        if let Some(flag) = directives.flag(&name) {
            *flag = true;
        } else if let Some(held) = directives.seconds(&name) {
            *held = held.and(delta_seconds(argument.as_deref().unwrap_or("")));
        }
    }
    Ok(directives)
}

/// Whether a request says `no-store` (RFC 9111 section 5.2.1.5). A list that cannot be read counts as one.
pub(crate) fn request_no_store(headers: &HeaderMap) -> bool {
    members(headers, &CACHE_CONTROL).any(|member| match member {
        Ok((name, _)) => name == "no-store",
        Err(Unterminated) => true,
    })
}

/// `delta-seconds` (RFC 9111 section 1.2.2).
pub(crate) fn delta_seconds(text: &str) -> Seconds {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Seconds::Invalid;
    }
    // Digits only, so the one way to fail is to be too large.
    Seconds::Valid(text.parse().map_or(DELTA_SECONDS_MAX, |seconds: u64| seconds.min(DELTA_SECONDS_MAX)))
}

/// The members of a list field, lower-case names with their arguments unquoted, over all its lines.
fn members(
    headers: &HeaderMap,
    field: &HeaderName,
) -> impl Iterator<Item = Result<(String, Option<String>), Unterminated>> {
    headers.get_all(field).iter().flat_map(|line| Members { rest: line.as_bytes() })
}

/// One line of a list field.
struct Members<'a> {
    rest: &'a [u8],
}

impl Iterator for Members<'_> {
    type Item = Result<(String, Option<String>), Unterminated>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Ok(end) = member_end(self.rest) else {
            self.rest = &[];
            return Some(Err(Unterminated));
        };
        let member = self.rest.get(..end).unwrap_or(self.rest);
        self.rest = self.rest.get(end + 1..).unwrap_or(&[]);
        let text = String::from_utf8_lossy(member);
        Some(Ok(match text.split_once('=') {
            Some((name, argument)) => (name.trim().to_ascii_lowercase(), Some(unquoted(argument.trim()))),
            None => (text.trim().to_ascii_lowercase(), None),
        }))
    }
}

/// Where the first member ends: at a comma outside a quoted string, or at the end of the line.
fn member_end(line: &[u8]) -> Result<usize, Unterminated> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in line.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return Ok(at),
            _ => {}
        }
    }
    if quoted { Err(Unterminated) } else { Ok(line.len()) }
}

/// An argument without its quotes: RFC 9111 section 5.2 wants both forms understood.
fn unquoted(argument: &str) -> String {
    match argument.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
        Some(inner) => inner.replace('\\', ""),
        None => argument.to_owned(),
    }
}
