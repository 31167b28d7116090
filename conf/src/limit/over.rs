//! What follows when a limit has no room.

use std::ops::Range;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::finding::Check;
use crate::raw::{At, DurationText, Number, Text};
use crate::value::{Wrong, duration, name, shown};

/// What follows when a limit has no room for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// It is refused.
    Deny(Deny),
    /// It waits until there is, this long at most, and is refused where that is not enough: 1 ms to [`DELAY_LONGEST`].
    Delay(Duration),
    /// It passes, with this tag.
    Tag(String),
}

/// How a refused request is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deny {
    /// The status, 400 to 599. Default 429.
    pub status: u16,
    /// The body and its type; a problem document (RFC 9457) that names the limit when absent.
    pub body: Option<DenyBody>,
}

/// The body of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenyBody {
    /// At most [`BODY_MAX`] bytes.
    pub text: String,
    /// Its `Content-Type`. Default `text/plain; charset=utf-8`.
    pub content_type: String,
}

impl Default for Over {
    fn default() -> Over {
        Over::Deny(Deny::default())
    }
}

impl Default for Deny {
    fn default() -> Deny {
        Deny { status: 429, body: None }
    }
}

/// The longest that a request waits.
pub const DELAY_LONGEST: Duration = Duration::from_secs(10);
/// The longest body of a refusal, in bytes.
pub const BODY_MAX: usize = 16 * 1024;

/// `over` of a limit as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawOver {
    /// The request is refused with this status, 400 to 599. Default 429.
    deny: Option<At<Number>>,
    /// The body of the refusal, at most 16 KiB; a problem document that names the limit when absent.
    body: Option<At<Text>>,
    /// The content type of `body`. Default `text/plain; charset=utf-8`.
    #[serde(rename = "type")]
    content_type: Option<At<Text>>,
    /// The request waits until there is room, at most this long, `1ms` to `10s`; where that is not enough it is refused.
    delay: Option<At<DurationText>>,
    /// The request passes, and has this tag.
    tag: Option<At<Text>>,
}

impl RawOver {
    pub(super) fn lower(&self, span: Range<usize>, check: &mut Check<'_>) -> Option<Over> {
        let denies = self.deny.as_ref().map(At::span).or(self.body.as_ref().map(At::span));
        let ways = [denies, self.delay.as_ref().map(At::span), self.tag.as_ref().map(At::span)];
        let mut ways = ways.into_iter().flatten();
        if ways.next().is_none() {
            let wrong = Wrong::new("`over` says nothing");
            check.note(span, wrong.advice("such as over = { deny = 503 }, { delay = \"2s\" } or { tag = \"busy\" }"));
            return None;
        }
        if let Some(second) = ways.next() {
            let wrong = Wrong::new("only one of `deny` (with `body`), `delay` and `tag` can follow");
            check.note(second, wrong);
            return None;
        }
        if let Some(delay) = &self.delay {
            return check.value(delay, wait).map(Over::Delay);
        }
        if let Some(tag) = &self.tag {
            return check.value(tag, name).map(Over::Tag);
        }
        self.deny(check).map(Over::Deny)
    }

    fn deny(&self, check: &mut Check<'_>) -> Option<Deny> {
        let status = check.number(self.deny.as_ref(), 400..600, 429);
        let content_type = check.value_or(self.content_type.as_ref(), "text/plain; charset=utf-8".to_owned(), media);
        let body = self.body.as_ref().map(|body| check.value(body, text));
        if let (None, Some(written)) = (&self.body, &self.content_type) {
            check.note(written.span(), Wrong::new("`type` without `body`"));
            return None;
        }
        let (status, content_type) = (status?, content_type?);
        let body = match body {
            None => None,
            Some(text) => Some(DenyBody { text: text?, content_type }),
        };
        Some(Deny { status, body })
    }
}

fn wait(text: &str) -> Result<Duration, Wrong> {
    match duration(text)? {
        wait if !wait.is_zero() && wait <= DELAY_LONGEST => Ok(wait),
        _ => Err(Wrong::new(format!("`{}` is out of range: 1ms to 10s is possible here", shown(text)))),
    }
}

fn text(text: &str) -> Result<String, Wrong> {
    if text.len() > BODY_MAX {
        return Err(Wrong::new(format!("a body of {} bytes; at most {BODY_MAX} are possible", text.len())));
    }
    Ok(text.to_owned())
}

/// A field value as RFC 9110 section 5.5 has it, and in the form of a media type (section 8.3.1).
fn media(text: &str) -> Result<String, Wrong> {
    let visible = text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && text.trim() == text;
    let kinds = text.split(';').next().and_then(|kinds| kinds.trim_end().split_once('/'));
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
    };
    match kinds {
        Some((kind, subtype)) if visible && token(kind) && token(subtype) => Ok(text.to_owned()),
        _ => Err(Wrong::new(format!("`{}` is not a content type", shown(text))).advice("such as \"text/html\"")),
    }
}
