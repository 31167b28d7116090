//! Which responses are compressed, and how.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::finding::Check;
use crate::raw::{At, SizeText, Text};
use crate::value::{Wrong, shown, size};

/// `[compression]`: responses that come uncompressed are compressed on their way into the cache, once for each encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compression {
    /// What is offered, the best first; each once, at least one. Default all.
    pub encodings: Vec<Encoding>,
    /// Media types that are compressed, at most [`TYPES_MAX`].
    pub types: Vec<MediaRange>,
    /// The smallest response that is, in bytes. Default 1 KiB.
    pub min_size: u64,
}

/// A content coding (RFC 9110 section 8.4.1, RFC 7932, RFC 8878).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Zstandard.
    Zstd,
    /// Brotli.
    Brotli,
    /// Gzip.
    Gzip,
}

impl Encoding {
    /// As `Accept-Encoding` has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Encoding::Zstd => "zstd",
            Encoding::Brotli => "br",
            Encoding::Gzip => "gzip",
        }
    }
}

/// Media types: one, all of a type (`text/*`), or all of a structured syntax (`*+json`). Lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaRange {
    /// One.
    Exact(String),
    /// All that begin so, the slash included.
    Of(String),
    /// All that end so, the plus included.
    Suffix(String),
}

impl MediaRange {
    /// Whether a type without parameters is one of them.
    #[must_use]
    pub fn contains(&self, media_type: &str) -> bool {
        let (head, tail) = (|len| media_type.get(..len), |len| media_type.len().checked_sub(len));
        match self {
            MediaRange::Exact(exact) => media_type.eq_ignore_ascii_case(exact),
            MediaRange::Of(prefix) => head(prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix)),
            MediaRange::Suffix(suffix) => {
                let end = tail(suffix.len()).and_then(|at| media_type.get(at..));
                end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
            }
        }
    }
}

/// The most entries of `types`.
pub const TYPES_MAX: usize = 256;

const ALL: [Encoding; 3] = [Encoding::Zstd, Encoding::Brotli, Encoding::Gzip];
const MIN_SIZE_DEFAULT: u64 = 1 << 10;
const TYPES_DEFAULT: [&str; 9] = [
    "text/*",
    "*+json",
    "*+xml",
    "application/json",
    "application/javascript",
    "application/xml",
    "application/wasm",
    "font/ttf",
    "font/otf",
];

/// `[compression]` as it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCompression {
    /// What is offered, the best first. Default `["zstd", "br", "gzip"]`.
    encodings: Option<At<Vec<At<Text>>>>,
    /// Media types that are compressed, such as `text/*`, `*+json` or `application/wasm`. Default text, JSON, XML, JavaScript, WebAssembly and uncompressed fonts.
    types: Option<At<Vec<At<Text>>>>,
    /// The smallest response that is compressed. Default `1KiB`.
    min_size: Option<At<SizeText>>,
}

impl RawCompression {
    pub(crate) fn lower(self, check: &mut Check<'_>) -> Option<Compression> {
        let encodings = match &self.encodings {
            None => Some(ALL.to_vec()),
            Some(written) => encodings(written, check),
        };
        let types = match &self.types {
            None => Some(TYPES_DEFAULT.iter().filter_map(|text| media_range(text).ok()).collect()),
            Some(written) => check.list(&written.value, TYPES_MAX, media_range),
        };
        let min_size = check.value_or(self.min_size.as_ref(), MIN_SIZE_DEFAULT, size);
        Some(Compression { encodings: encodings?, types: types?, min_size: min_size? })
    }
}

fn encodings(written: &At<Vec<At<Text>>>, check: &mut Check<'_>) -> Option<Vec<Encoding>> {
    let found = check.list(&written.value, ALL.len(), encoding)?;
    if found.is_empty() {
        let wrong = Wrong::new("nothing is offered").advice("leave [compression] out where nothing is compressed");
        check.note(written.span(), wrong);
        return None;
    }
    let twice = (1..found.len()).find(|at| found.iter().take(*at).any(|earlier| Some(earlier) == found.get(*at)));
    if let Some(twice) = twice.and_then(|at| written.value.get(at)) {
        check.note(twice.span(), Wrong::new("this encoding is there twice"));
        return None;
    }
    Some(found)
}

fn encoding(text: &str) -> Result<Encoding, Wrong> {
    ALL.into_iter().find(|encoding| encoding.as_str() == text).ok_or_else(|| {
        Wrong::new(format!("`{}` is not an encoding that is made here", shown(text)))
            .advice("there are zstd, br and gzip")
    })
}

fn media_range(text: &str) -> Result<MediaRange, Wrong> {
    let wrong = || {
        Wrong::new(format!("`{}` is not a media type", shown(text))).advice(
            "write one such as \"text/html\", all of a type such as \"text/*\", or of a syntax such as \"*+json\"",
        )
    };
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let lower = text.to_ascii_lowercase();
    if let Some(syntax) = lower.strip_prefix("*+").filter(|syntax| is_name(syntax)) {
        return Ok(MediaRange::Suffix(format!("+{syntax}")));
    }
    match lower.split_once('/') {
        Some((of, "*")) if is_name(of) => Ok(MediaRange::Of(format!("{of}/"))),
        Some((of, sub)) if is_name(of) && is_name(sub) => Ok(MediaRange::Exact(lower)),
        _ => Err(wrong()),
    }
}
