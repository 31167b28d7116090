//! Cache policies: how the responses to some requests are stored, for how long, and for whom.

mod keying;
mod times;

use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::{Expr, Phase};
use crate::finding::Check;
use crate::known::Known;
use crate::place::Place;
use crate::raw::{At, DurationText, SizeText, Text, Word};
use crate::sections::{Section, at_most};
use crate::site;
use crate::value::{Wrong, field_name, name, shown, size};

pub use keying::{KEY_NAMES_MAX, Keying, ParamName, QueryKey};
use keying::{RawKey, RawVary};
pub use times::{CacheTimes, OnError};

/// `[[cache]]`: how responses to some requests are cached. Of the policies that are for a request the first one decides, alone.
#[derive(Clone, Debug, PartialEq)]
pub struct CachePolicy {
    /// The name in reports: 1 to 64 characters of `[A-Za-z0-9._-]`.
    pub name: String,
    /// Indexes into [`crate::Config::sites`]; empty means all sites.
    pub sites: Vec<usize>,
    /// Which requests it is for; all when absent.
    pub when: Option<Expr>,
    /// What it says.
    pub does: Caching,
    /// Where it is written.
    pub place: Place,
}

/// What a policy says.
#[derive(Clone, Debug, PartialEq)]
pub enum Caching {
    /// The cache is not asked and stores nothing.
    Pass,
    /// What may be stored (RFC 9111 section 3) is stored like this.
    Store(Box<Storing>),
}

/// How a response is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Storing {
    /// For how long.
    pub times: CacheTimes,
    /// For which requests, beside the URL.
    pub key: Keying,
    /// Request fields, in lower case, that choose no response although `Vary` names them; at most [`KEY_NAMES_MAX`].
    pub vary_ignore: Vec<String>,
    /// Response fields, in lower case, that carry tags beside the usual ones; at most [`KEY_NAMES_MAX`].
    pub tags: Vec<String>,
    /// The largest body that is stored, in bytes; at most [`crate::Storage::largest`], which holds when absent.
    pub object_max: Option<u64>,
    /// The size of the slices that bodies are asked for and stored in, in bytes: [`SLICE_LEAST`] to [`SLICE_MAX`], and no more than `object_max`.
    pub slice: Option<u64>,
}

/// The smallest slice, bytes: what is read from a disk at once.
pub const SLICE_LEAST: u64 = 64 * 1024;

/// The largest slice, bytes.
pub const SLICE_MAX: u64 = 64 * 1024 * 1024;

/// The most cache policies of one config.
pub const CACHE_POLICIES_MAX: usize = 256;

/// `[[cache]]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCachePolicy {
    /// The name in `explain` and `cache show`.
    name: At<Text>,
    /// The sites it is for, by the host in their header; all when absent.
    sites: Option<At<Vec<At<Text>>>>,
    /// Which requests it is for, as an expression; all when absent.
    when: Option<At<Text>>,
    /// `true`: the cache is not asked and stores nothing.
    pass: Option<At<bool>>,
    /// How long a response that may be stored is fresh, whatever it says itself; not one of the statuses of `negative_ttl`.
    ttl: Option<At<DurationText>>,
    /// How long one is fresh that names no lifetime itself; not the answer to a request with a cookie.
    ttl_default: Option<At<DurationText>>,
    /// The longest that one is fresh that names a lifetime itself.
    ttl_max: Option<At<DurationText>>,
    /// How long a 404, 405, 410, 414 or 501 is fresh that names no lifetime itself; not the answer to a request with a cookie.
    negative_ttl: Option<At<DurationText>>,
    /// How long a response may be served stale while it is fetched anew. Default as the origin says.
    stale_while_revalidate: Option<At<DurationText>>,
    /// How long it may stand in for an error. Default as the origin says.
    stale_if_error: Option<At<DurationText>>,
    /// What is served when the origin fails: `said` (the default), what `stale_if_error` and the response say;
    /// `stale`, what is stored, for an hour where those say nothing; `error`, never what is stored.
    on_error: Option<At<Word<OnError>>>,
    /// What tells responses apart beside the URL, such as `{ query = { without = ["utm_*"] }, headers = ["x-device"] }`.
    key: Option<At<RawKey>>,
    /// How `Vary` is read, such as `{ ignore = ["user-agent"] }`.
    vary: Option<At<RawVary>>,
    /// Response fields that carry tags, apart by spaces or commas, beside `Surrogate-Key` and `Cache-Tag`; clients do not see them.
    tags: Option<At<Vec<At<Text>>>>,
    /// The largest response that is stored, at most `object_max` of `[storage]` or of its `disk`, whichever is more; that is the default.
    object_max: Option<At<SizeText>>,
    /// Asks the origin for parts of this size, 64 KiB to 64 MiB, and stores each by itself: a range of a large response fetches the slices that it lies
    /// in and nothing else. At most `object_max`. Default whole.
    slice: Option<At<SizeText>>,
}

/// Checks all cache policies. `largest` is what the storage takes at most, `None` if that is wrong itself.
pub(crate) fn lower(
    sections: &[Section<RawCachePolicy>],
    largest: Option<u64>,
    known: &Known,
    check: &mut Check<'_>,
) -> Option<Vec<CachePolicy>> {
    let within = at_most(sections, CACHE_POLICIES_MAX, "cache policies", check);
    let policies: Vec<_> = sections
        .iter()
        .take(CACHE_POLICIES_MAX)
        .map(|section| {
            check.file = section.file;
            let place = check.place(section.head.start);
            section.raw.as_ref()?.lower((section.head.clone(), place?), largest, known, check)
        })
        .collect();
    within?;
    policies.into_iter().collect()
}

impl RawCachePolicy {
    fn lower(
        &self,
        (head, place): (Range<usize>, Place),
        largest: Option<u64>,
        known: &Known,
        check: &mut Check<'_>,
    ) -> Option<CachePolicy> {
        let name = check.value(&self.name, name);
        let sites = site::among(self.sites.as_ref(), "cache policy", known, check);
        let when = check.condition_or_all(self.when.as_ref(), Phase::Request);
        let does = match &self.pass {
            Some(pass) => self.passes(pass, check).map(|()| Caching::Pass),
            None => self.storing(head, largest, check).map(|storing| Caching::Store(Box::new(storing))),
        };
        Some(CachePolicy { name: name?, sites: sites?, when: when?, does: does?, place })
    }

    /// What is written beside the name, the sites and the condition, and `pass`: its key and place.
    fn said(&self) -> impl Iterator<Item = (&'static str, Range<usize>)> {
        fn of<T>(key: &'static str, written: &Option<At<T>>) -> Option<(&'static str, Range<usize>)> {
            written.as_ref().map(|written| (key, written.span()))
        }
        let said = [
            of("ttl", &self.ttl),
            of("ttl_default", &self.ttl_default),
            of("ttl_max", &self.ttl_max),
            of("negative_ttl", &self.negative_ttl),
            of("stale_while_revalidate", &self.stale_while_revalidate),
            of("stale_if_error", &self.stale_if_error),
            of("on_error", &self.on_error),
            of("key", &self.key),
            of("vary", &self.vary),
            of("tags", &self.tags),
            of("object_max", &self.object_max),
            of("slice", &self.slice),
        ];
        said.into_iter().flatten()
    }

    fn passes(&self, pass: &At<bool>, check: &mut Check<'_>) -> Option<()> {
        if !pass.value {
            let wrong = Wrong::new("`pass = false` says nothing").advice("leave `pass` out");
            check.note(pass.span(), wrong);
            return None;
        }
        let (key, span) = match self.said().next() {
            None => return Some(()),
            Some(first) => first,
        };
        check.note(span, Wrong::new(format!("`{key}` beside `pass`: what passes the cache by is not stored")));
        None
    }

    fn storing(&self, head: Range<usize>, largest: Option<u64>, check: &mut Check<'_>) -> Option<Storing> {
        if self.said().next().is_none() {
            let wrong = Wrong::new("a cache policy that says nothing");
            check.note(head, wrong.advice("say what, such as ttl = \"1h\" or pass = true"));
            return None;
        }
        let times = self.times(check);
        let key = match &self.key {
            None => Some(Keying::default()),
            Some(written) => written.value.lower(written.span(), check),
        };
        let vary_ignore = match &self.vary {
            None => Some(Vec::new()),
            Some(written) => written.value.lower(check),
        };
        let tags = match &self.tags {
            None => Some(Vec::new()),
            Some(written) => check.list(&written.value, KEY_NAMES_MAX, tag_field),
        };
        let object_max = match &self.object_max {
            None => Some(None),
            Some(written) => check.value(written, |text| body(text, largest)).map(Some),
        };
        let slice = match &self.slice {
            None => Some(None),
            Some(written) => check.value(written, |text| slice(text, object_max.flatten().or(largest))).map(Some),
        };
        Some(Storing {
            times: times?,
            key: key?,
            vary_ignore: vary_ignore?,
            tags: tags?,
            object_max: object_max?,
            slice: slice?,
        })
    }
}

fn body(text: &str, largest: Option<u64>) -> Result<u64, Wrong> {
    match size(text)? {
        0 => Err(Wrong::new("no response is that small").advice("write pass = true to store none")),
        size if largest.is_some_and(|largest| size > largest) => {
            let wrong = Wrong::new(format!("`{}` is more than any `object_max` of [storage]", shown(text)));
            Err(wrong.advice("raise that one, or leave this one out"))
        }
        size => Ok(size),
    }
}

fn slice(text: &str, largest: Option<u64>) -> Result<u64, Wrong> {
    match size(text)? {
        size if !(SLICE_LEAST..=SLICE_MAX).contains(&size) => {
            let wrong = Wrong::new(format!("`{}` is no size of slices", shown(text)));
            Err(wrong.advice("slices have 64KiB to 64MiB, such as \"1MiB\""))
        }
        size if largest.is_some_and(|largest| size > largest) => {
            let wrong = Wrong::new(format!("`{}` is more than what is stored of one response", shown(text)));
            Err(wrong.advice("a slice is no larger than `object_max`"))
        }
        size => Ok(size),
    }
}

/// A field that carries tags is taken off what clients see, so it is none that they or caches need.
fn tag_field(text: &str) -> Result<String, Wrong> {
    const NEEDED: [&str; 13] = [
        "age",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "date",
        "etag",
        "location",
        "set-cookie",
        "transfer-encoding",
        "vary",
    ];
    let name = field_name(text)?;
    if NEEDED.contains(&name.as_str()) {
        return Err(Wrong::new(format!("`{name}` carries no tags: clients need it")));
    }
    if name == "cache-groups" {
        return Err(Wrong::new("`cache-groups` is read without being named here"));
    }
    Ok(name)
}
