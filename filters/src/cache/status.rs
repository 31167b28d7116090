//! The `Cache-Status` field (RFC 9211): what this cache did with a request, for whoever reads the response.

use std::fmt::Write;

/// Why a request was forwarded (RFC 9211 section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Forward {
    /// The configuration or the request says not to use the cache.
    Bypass,
    /// The method is not one this cache answers.
    Method,
    /// Nothing is stored for the URI.
    UriMiss,
    /// Something is stored for the URI, but not for these request fields.
    VaryMiss,
    /// What is stored is no longer fresh.
    Stale,
}

impl Forward {
    fn as_str(self) -> &'static str {
        match self {
            Forward::Bypass => "bypass",
            Forward::Method => "method",
            Forward::UriMiss => "uri-miss",
            Forward::VaryMiss => "vary-miss",
            Forward::Stale => "stale",
        }
    }
}

/// What the cache did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered from what is stored. `ttl` is the freshness left in seconds; negative when a stale answer was allowed.
    Hit {
        /// Seconds of freshness left.
        ttl: i64,
    },
    /// Waited for another request's answer and shares it (RFC 9211 section 2.6).
    Collapsed {
        /// Why it would have been forwarded.
        why: Forward,
        /// Seconds of freshness left.
        ttl: i64,
    },
    /// Sent on, and the answer came from there.
    Forwarded {
        /// Why.
        why: Forward,
        /// The status that came back, when it is not the status of this response (304 on revalidation, 5xx when a stale
        /// response stands in).
        status: Option<u16>,
        /// Whether the answer was stored (RFC 9211 section 2.5).
        stored: bool,
        /// Seconds of freshness left in what is stored now, if anything is.
        ttl: Option<i64>,
    },
}

/// The field's member for this cache. `pop` names the cache; `detail` is a reason in a word, if there is one.
pub fn cache_status(pop: &str, outcome: Outcome, detail: Option<&str>) -> String {
    let mut value = String::with_capacity(64);
    push_name(&mut value, pop);
    let (why, ttl) = match outcome {
        Outcome::Hit { ttl } => {
            value.push_str("; hit");
            (None, Some(ttl))
        }
        Outcome::Collapsed { why, ttl } => (Some((why, None, "; collapsed")), Some(ttl)),
        Outcome::Forwarded { why, status, stored, ttl } => {
            (Some((why, status, if stored { "; stored" } else { "" })), ttl)
        }
    };
    // Writing to a String cannot fail.
    if let Some((why, status, flag)) = why {
        let _ = write!(value, "; fwd={}", why.as_str());
        if let Some(status) = status {
            let _ = write!(value, "; fwd-status={status}");
        }
        value.push_str(flag);
    }
    if let Some(ttl) = ttl {
        let _ = write!(value, "; ttl={ttl}");
    }
    if let Some(detail) = detail {
        value.push_str("; detail=");
        push_name(&mut value, detail);
    }
    value
}

/// A token when the text is one, else a string (RFC 9651 sections 3.3.3 and 3.3.4). What neither can hold is left out.
fn push_name(value: &mut String, text: &str) {
    let token = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c));
    if token {
        value.push_str(text);
        return;
    }
    value.push('"');
    for c in text.chars().filter(|c| (' '..='~').contains(c)) {
        if matches!(c, '"' | '\\') {
            value.push('\\');
        }
        value.push(c);
    }
    value.push('"');
}
