//! Tokens: what whoever knows a secret may have purged, from whichever address.

use std::ops::Range;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::finding::Check;
use crate::limit::Rate;
use crate::place::Place;
use crate::raw::{At, Choice, Number, RateText, Text, Word};
use crate::value::{Wrong, host_name, name, rate, shown};

/// One secret and what it is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeToken {
    /// Its name, for logs and for what is counted.
    pub name: String,
    /// The file that holds the secret.
    pub secret: PathBuf,
    /// What may be purged by it; at least one kind.
    pub kinds: Vec<PurgeKind>,
    /// The hosts that it is for, in lower case, with a port unless it is the scheme's own; empty for any.
    pub hosts: Vec<String>,
    /// The paths under which what it purges lies: `/`, or whole segments without a `/` behind them; empty for any.
    pub paths: Vec<String>,
    /// The tags that it is for; empty for any.
    pub tags: Vec<TagScope>,
    /// Whether it purges softly alone.
    pub soft: bool,
    /// How often, over all POPs; as often as it likes when absent.
    pub rate: Option<PurgeRate>,
    /// Where it is written.
    pub place: Place,
}

/// What something is purged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeKind {
    /// One URL.
    Url,
    /// A tag.
    Tag,
    /// A group of a host.
    Group,
    /// Leading segments of a path.
    Prefix,
    /// A host.
    Host,
    /// That it is stored.
    All,
}

/// A tag, or the beginning of some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagScope {
    /// This one.
    Exact(String),
    /// All that begin like this.
    Beginning(String),
}

/// How often something may be purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurgeRate {
    /// In the long run.
    pub rate: Rate,
    /// How many at once, at least 1.
    pub burst: u32,
}

/// The most tokens of a config.
pub const TOKENS_MAX: usize = 64;
/// The most hosts, paths and tags of one token, each.
pub const SCOPES_MAX: usize = 256;
/// The longest path or tag of a scope, bytes.
const TEXT_MAX: usize = 256;

impl Choice for PurgeKind {
    const WORDS: &'static [(&'static str, PurgeKind)] = &[
        ("url", PurgeKind::Url),
        ("tag", PurgeKind::Tag),
        ("group", PurgeKind::Group),
        ("prefix", PurgeKind::Prefix),
        ("host", PurgeKind::Host),
        ("all", PurgeKind::All),
    ];
}

/// `[[purge.token]]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPurgeToken {
    /// What it is called in logs and metrics.
    name: At<Text>,
    /// The file with the secret, 16 to 256 letters, digits and `-._~+/=`. `${NAME}` is expanded.
    secret: At<Text>,
    /// What it may purge by: `url`, `tag`, `group`, `prefix`, `host`, `all`. Default `["url"]`.
    kinds: Option<At<Vec<At<Word<PurgeKind>>>>>,
    /// The hosts that it is for, such as `["www.example.com"]`, with a port unless the scheme has it. Default any.
    hosts: Option<At<Vec<At<Text>>>>,
    /// The paths that it is for, and what lies under them, such as `["/news"]`. Default any.
    paths: Option<At<Vec<At<Text>>>>,
    /// The tags that it is for, such as `["article-*"]`; `*` stands at the end. Default any.
    tags: Option<At<Vec<At<Text>>>>,
    /// Whether it purges softly alone. Default `false`.
    soft: Option<bool>,
    /// How many purges in how long, over all POPs, such as `"60/1m"`. Default as many as it likes.
    rate: Option<At<RateText>>,
    /// How many purges at once. Default those of the rate.
    burst: Option<At<Number>>,
}

/// Checks all tokens.
pub(super) fn lower(written: &[At<RawPurgeToken>], check: &mut Check<'_>) -> Option<Vec<PurgeToken>> {
    let within = check.at_most(written, TOKENS_MAX);
    let mut names: Vec<&str> = Vec::new();
    let mut tokens = Vec::new();
    for token in written.iter().take(TOKENS_MAX) {
        let called = token.value.name.value.as_ref();
        let is_new = !names.contains(&called);
        if !is_new {
            let wrong = Wrong::new(format!("there is a token `{}` already", shown(called)));
            check.note(token.value.name.span(), wrong);
        }
        names.push(called);
        tokens.push(token.value.lower(token.span(), check).filter(|_| is_new));
    }
    within?;
    tokens.into_iter().collect()
}

impl RawPurgeToken {
    fn lower(&self, span: Range<usize>, check: &mut Check<'_>) -> Option<PurgeToken> {
        let name = check.value(&self.name, name);
        let secret = check.path(&self.secret);
        let kinds = self.kinds(check);
        let hosts = scopes(self.hosts.as_ref(), check, host);
        let paths = scopes(self.paths.as_ref(), check, path);
        let tags = scopes(self.tags.as_ref(), check, tag);
        let rate = self.rate(check);
        let place = check.place(span.start)?;
        let kinds = kinds?;
        self.fit(&kinds, check)?;
        Some(PurgeToken {
            name: name?,
            secret: secret?,
            kinds,
            hosts: hosts?,
            paths: paths?,
            tags: tags?,
            soft: self.soft.unwrap_or(false),
            rate: rate?,
            place,
        })
    }

    fn kinds(&self, check: &mut Check<'_>) -> Option<Vec<PurgeKind>> {
        let Some(written) = &self.kinds else { return Some(vec![PurgeKind::Url]) };
        if written.value.is_empty() {
            check.note(written.span(), Wrong::new("at least one kind is needed, such as \"url\""));
            return None;
        }
        check.list(&written.value, PurgeKind::WORDS.len(), PurgeKind::parse)
    }

    /// Notes scopes that a kind goes beyond, and those that are for no kind: either is not what was meant.
    fn fit(&self, kinds: &[PurgeKind], check: &mut Check<'_>) -> Option<()> {
        let has = |kind: &PurgeKind| kinds.contains(kind);
        let (hosts, paths, tags) = (self.hosts.as_ref(), self.paths.as_ref(), self.tags.as_ref());
        let within = hosts.or(paths);
        let beyond = [
            (within, PurgeKind::All, "`all` is of all hosts and paths", "leave out `all`, or `hosts` and `paths`"),
            (
                within.filter(|_| tags.is_none()),
                PurgeKind::Tag,
                "a tag is of whichever host and path",
                "say which `tags`, or leave out the kind `tag`",
            ),
            (paths, PurgeKind::Host, "a host is all of its paths", "leave out `host`, or `paths`"),
            (paths, PurgeKind::Group, "a group is of all paths", "leave out `group`, or `paths`"),
        ];
        let mut fits = Some(());
        for (scope, _, wrong, advice) in beyond.into_iter().filter(|(_, kind, ..)| has(kind)) {
            if let Some(scope) = scope {
                check.note(scope.span(), Wrong::new(wrong).advice(advice));
                fits = None;
            }
        }
        let of_hosts = [PurgeKind::Url, PurgeKind::Prefix, PurgeKind::Host, PurgeKind::Group];
        for (key, scope, kinds) in
            [("hosts", hosts, &of_hosts[..]), ("paths", paths, &of_hosts[..2]), ("tags", tags, &[PurgeKind::Tag])]
        {
            if let Some(scope) = scope.filter(|_| !kinds.iter().any(has)) {
                check.note(scope.span(), Wrong::new(format!("`{key}` says nothing of these `kinds`")));
                fits = None;
            }
        }
        fits
    }

    fn rate(&self, check: &mut Check<'_>) -> Option<Option<PurgeRate>> {
        let Some(written) = &self.rate else {
            if let Some(burst) = &self.burst {
                check.note(burst.span(), Wrong::new("`burst` says nothing without `rate`"));
                return None;
            }
            return Some(None);
        };
        let rate = check.value(written, rate)?;
        let burst = check.number(self.burst.as_ref(), 1..u64::from(u32::MAX) + 1, rate.count)?;
        Some(Some(PurgeRate { rate, burst }))
    }
}

/// A list that, where it is written, says something: an empty one would be for everything.
fn scopes<T>(
    written: Option<&At<Vec<At<Text>>>>,
    check: &mut Check<'_>,
    parse: impl Fn(&str) -> Result<T, Wrong>,
) -> Option<Vec<T>> {
    let Some(written) = written else { return Some(Vec::new()) };
    if written.value.is_empty() {
        check.note(written.span(), Wrong::new("an empty list is for nothing").advice("leave it out to mean any"));
        return None;
    }
    check.list(&written.value, SCOPES_MAX, parse)
}

/// A host, with a port behind it or not.
fn host(text: &str) -> Result<String, Wrong> {
    let port = |port: &str| !port.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
    match text.rsplit_once(':') {
        Some((host, behind)) if port(behind) && !host.contains(':') => {
            host_name(host).map(|host| format!("{host}:{behind}"))
        }
        _ => host_name(text),
    }
}

/// Whole segments in normal form.
pub(super) fn path(text: &str) -> Result<String, Wrong> {
    let wrong = |advice: &str| Err(Wrong::new(format!("`{}` is no path here", shown(text))).advice(advice));
    if text.len() > TEXT_MAX {
        return wrong("at most 256 bytes are possible");
    }
    let Some(inside) = text.strip_prefix('/') else { return wrong("a path begins with `/`") };
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#%\\".contains(&byte);
    if text.contains('*') {
        return wrong("what lies under a path is meant with it: write it without `*`");
    }
    if !text.bytes().all(plain) {
        return wrong("write it without query, escapes and spaces");
    }
    let inside = inside.strip_suffix('/').unwrap_or(inside);
    if !inside.is_empty() && inside.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return wrong("write it without empty segments, `.` and `..`");
    }
    Ok(format!("/{inside}"))
}

fn tag(text: &str) -> Result<TagScope, Wrong> {
    let (tag, is_beginning) = text.strip_suffix('*').map_or((text, false), |tag| (tag, true));
    let fits = (1..=TEXT_MAX).contains(&tag.len()) && !tag.contains([' ', '\t', ',', '*']);
    if !fits {
        let wrong = Wrong::new(format!("`{}` is no tag of a scope", shown(text)));
        return Err(
            wrong.advice("1 to 256 bytes without spaces and commas; `*` only at the end, for all that begin like this")
        );
    }
    let tag = tag.to_owned();
    Ok(if is_beginning { TagScope::Beginning(tag) } else { TagScope::Exact(tag) })
}
