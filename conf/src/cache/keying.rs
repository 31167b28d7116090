//! What tells the responses of one URL apart: parts of its query, request fields and cookies; and what `Vary` is believed.

use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::finding::Check;
use crate::raw::{At, Text};
use crate::value::{Wrong, field_name, shown};

/// What a response is stored for, beside scheme, host and path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keying {
    /// Which parameters of the query.
    pub query: QueryKey,
    /// Whether parameters count alike in any order of their names.
    pub sort: bool,
    /// Request fields, in lower case and sorted; at most [`KEY_NAMES_MAX`].
    pub headers: Vec<String>,
    /// Cookies, sorted; at most [`KEY_NAMES_MAX`].
    pub cookies: Vec<String>,
}

/// Which parameters of a query tell responses apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum QueryKey {
    /// All.
    #[default]
    Whole,
    /// These; at most [`KEY_NAMES_MAX`].
    Only(Vec<ParamName>),
    /// All but these; at most [`KEY_NAMES_MAX`].
    Without(Vec<ParamName>),
}

/// The name of a parameter, or how names begin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ParamName {
    /// The whole name.
    Is(String),
    /// What stands before a `*`.
    Starts(String),
}

/// The most names of one kind in one policy.
pub const KEY_NAMES_MAX: usize = 64;

/// The longest name of a parameter or cookie, bytes.
const NAME_LONGEST: usize = 128;

/// `key` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawKey {
    /// Which parameters of the query count, such as `{ only = ["page"] }` or `{ without = ["utm_*", "gclid"] }`. The origin gets all of them.
    query: Option<At<RawQuery>>,
    /// Request fields that count, as cache and origin see them, such as `["x-device"]`.
    headers: Option<At<Vec<At<Text>>>>,
    /// Cookies that count, such as `["lang"]`.
    cookies: Option<At<Vec<At<Text>>>>,
}

/// `query` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawQuery {
    /// The parameters that count; `[]` means none. A `*` at the end of a name stands for any end.
    only: Option<At<Vec<At<Text>>>>,
    /// The parameters that do not count.
    without: Option<At<Vec<At<Text>>>>,
    /// `true`: parameters of different names count alike in any order.
    sort: Option<At<bool>>,
}

/// `vary` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawVary {
    /// Request fields that choose no response although `Vary` names them: what the origin answers to one value is for all.
    ignore: At<Vec<At<Text>>>,
}

impl RawKey {
    pub(super) fn lower(&self, span: Range<usize>, check: &mut Check<'_>) -> Option<Keying> {
        if self.query.is_none() && self.headers.is_none() && self.cookies.is_none() {
            // What is there by a key that does not exist was noted.
            if !check.is_noted_within(&span) {
                check.note(span, Wrong::new("a key of nothing").advice("write `query`, `headers` or `cookies`"));
            }
            return None;
        }
        let query = match &self.query {
            None => Some((QueryKey::Whole, false)),
            Some(written) => written.value.lower(written.span(), check),
        };
        let headers = names(self.headers.as_ref(), field_name, check);
        let cookies = names(self.cookies.as_ref(), cookie, check);
        let (query, sort) = query?;
        Some(Keying { query, sort, headers: headers?, cookies: cookies? })
    }
}

impl RawQuery {
    fn lower(&self, span: Range<usize>, check: &mut Check<'_>) -> Option<(QueryKey, bool)> {
        let query = match (&self.only, &self.without) {
            (Some(_), Some(without)) => {
                let wrong = Wrong::new("`without` beside `only`: that one says already what counts");
                check.note(without.span(), wrong);
                None
            }
            (Some(only), None) => names(Some(only), parameter, check).map(QueryKey::Only),
            (None, Some(without)) => names(Some(without), parameter, check).map(QueryKey::Without),
            (None, None) if self.sort.is_none() => {
                if !check.is_noted_within(&span) {
                    check.note(span, Wrong::new("`query` says nothing").advice("write `only`, `without` or `sort`"));
                }
                None
            }
            (None, None) => Some(QueryKey::Whole),
        };
        Some((query?, self.sort.as_ref().is_some_and(|sort| sort.value)))
    }
}

impl RawVary {
    pub(super) fn lower(&self, check: &mut Check<'_>) -> Option<Vec<String>> {
        names(Some(&self.ignore), ignorable, check)
    }
}

/// Each name once, in order.
fn names<T: Ord>(
    written: Option<&At<Vec<At<Text>>>>,
    parse: impl Fn(&str) -> Result<T, Wrong>,
    check: &mut Check<'_>,
) -> Option<Vec<T>> {
    let Some(written) = written else { return Some(Vec::new()) };
    let mut names = check.list(&written.value, KEY_NAMES_MAX, parse)?;
    names.sort();
    names.dedup();
    Some(names)
}

/// A request field by which a response may be chosen and is not: none that says who asks.
fn ignorable(text: &str) -> Result<String, Wrong> {
    let name = field_name(text)?;
    match name.as_str() {
        "cookie" | "authorization" | "proxy-authorization" => {
            let wrong =
                Wrong::new(format!("`{name}` says who asks: ignored, it would hand one client's response to others"));
            Err(wrong.advice("put what counts into `key`, or keep such requests from the cache with `pass`"))
        }
        "*" => Err(Wrong::new("`*` is no field: what varies by it is not stored")),
        _ => Ok(name),
    }
}

/// RFC 6265 section 4.1.1: a token.
fn cookie(text: &str) -> Result<String, Wrong> {
    let is_token = field_name(text).is_ok() && text.len() <= NAME_LONGEST;
    if is_token {
        Ok(text.to_owned())
    } else {
        Err(Wrong::new(format!("`{}` cannot be the name of a cookie", shown(text))))
    }
}

fn parameter(text: &str) -> Result<ParamName, Wrong> {
    let malformed = |help: &str| {
        let wrong = Wrong::new(format!("`{}` cannot be the name of a parameter", shown(text)));
        Err(wrong.advice(help))
    };
    let (name, is_whole) = text.strip_suffix('*').map_or((text, true), |name| (name, false));
    if name.contains('*') {
        return malformed("`*` stands at the end only");
    }
    if name.is_empty() && !is_whole {
        return malformed("write only = [] to leave all of them out");
    }
    if name.is_empty() || text.len() > NAME_LONGEST || name.contains(['&', '=', ';', '#', '[']) {
        return malformed(
            "write it as it reads when it is decoded, without `&`, `=`, `;`, `#` and `[`; 1 to 128 bytes",
        );
    }
    Ok(if is_whole { ParamName::Is(name.to_owned()) } else { ParamName::Starts(name.to_owned()) })
}
