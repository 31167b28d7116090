//! `[session.NAME]` as it is written.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{SESSION_KEYS_MAX, SameSite, Session, attribute, cookie};
use crate::directory::Directory;
use crate::expr::span_of_time;
use crate::finding::Check;
use crate::place::Place;
use crate::raw::{At, DurationText, Entries, SizeText, Text, Word};
use crate::site;
use crate::value::{Wrong, duration, shown, size, some_time};

/// The longest name of a session: its cookie's name is made of it.
const NAME_LONGEST: usize = 32;
const IDLE_DEFAULT: Duration = Duration::from_secs(30 * 60);
const ABSOLUTE_DEFAULT: Duration = Duration::from_secs(12 * 3600);
const SEEN_EVERY_DEFAULT: Duration = Duration::from_secs(60);
/// What is told of times is told to the second.
const SHORTEST: Duration = Duration::from_secs(1);
const WAIT_DEFAULT: Duration = Duration::from_millis(20);
const WAIT_LONGEST: Duration = Duration::from_secs(2);
const FETCH_DEFAULT: Duration = Duration::from_millis(250);
const FETCH_LONGEST: Duration = Duration::from_secs(5);
const VALUE_DEFAULT: usize = 256;
const VALUE_MAX: u64 = 1024;

/// `[session.NAME]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSession {
    /// Required. Files with secrets of 32 bytes or more, 1 to 4, such as `["keys/session.key"]`: the first signs cookies, and each of them is believed. `${NAME}` is expanded.
    keys: At<Vec<At<Text>>>,
    /// The name of the cookie. Default the name of the session behind `__Host-`; behind `__Secure-` with a `domain`.
    pub(super) cookie: Option<At<Text>>,
    /// The domain whose hosts all get the cookie, such as `example.com`. Default the host alone that set it.
    pub(super) domain: Option<At<Text>>,
    /// With which requests that other sites cause it is sent: `strict`, `lax` (the default) or `none`.
    pub(super) same_site: Option<At<Word<SameSite>>>,
    /// Whether browsers send it over TLS alone. Default `true`; `false` is for tests over plain HTTP, and is warned of.
    pub(super) secure: Option<At<bool>>,
    /// Whether a cookie is good at the site alone that gave it. Default `false`: at all sites of this session.
    per_site: Option<bool>,
    /// After how long without a request a session is over. Default `30m`, or `absolute` where that is shorter.
    idle: Option<At<DurationText>>,
    /// After how long a session is over whatever happens, at most `366d`. Default `12h`.
    absolute: Option<At<DurationText>>,
    /// How often it is written down that a session was seen, shorter than `idle`. Default `1m`, or a quarter of `idle` where that is shorter.
    seen_every: Option<At<DurationText>>,
    /// What a session holds and the types: `string`, `int` or `bool`, such as `{ user = "string", age = "int" }`; at most 16.
    #[serde(default)]
    attributes: Entries<Text>,
    /// What a session counts, such as `["clicks"]`; at most 8.
    #[serde(default)]
    counters: Vec<At<Text>>,
    /// The longest string of an attribute, at most `1KiB`. Default `256B`.
    value_max: Option<At<SizeText>>,
    /// The attributes that origins are told, such as `["user"]`, in `Selvedge-Session-User`. Default none.
    #[serde(default)]
    headers: Vec<At<Text>>,
    /// The attribute that says whose a session is, such as `"user"`: a string or an int. All sessions of a user can be revoked at once then.
    user: Option<At<Text>>,
    /// The attribute that says of which tenant it is, a string or an int. All sessions of a tenant can be revoked at once then.
    tenant: Option<At<Text>>,
    /// Within what users and tenants have their names: those of sections with one realm are the same. Default the name of the session.
    realm: Option<At<Text>>,
    /// The sites it is for, by the host in their header; all when absent. A site has one session.
    sites: Option<At<Vec<At<Text>>>>,
    /// How long a request waits for what its client has written elsewhere and is not known here yet, at most `2s`. Default `20ms`.
    wait: Option<At<DurationText>>,
    /// How long it then waits for it to be fetched from the POP that wrote it, at most `5s`. Default `250ms`; `0ms` fetches nothing.
    fetch: Option<At<DurationText>>,
}

/// The name of a session.
pub(super) fn name(text: &str) -> Result<String, Wrong> {
    let name = crate::value::name(text)?;
    if name.len() <= NAME_LONGEST {
        return Ok(name);
    }
    Err(Wrong::new(format!("`{}` is too long for a session: at most {NAME_LONGEST} characters", shown(text))))
}

/// A time that a request may wait.
fn within(text: &str, longest: Duration) -> Result<Duration, Wrong> {
    match duration(text)? {
        wait if wait <= longest => Ok(wait),
        _ => {
            let most = span_of_time(longest);
            Err(Wrong::new(format!("`{}` is too long; at most {most} is possible here", shown(text))))
        }
    }
}

/// The times of a session.
struct Times {
    idle: Duration,
    absolute: Duration,
    seen_every: Duration,
}

impl RawSession {
    pub(super) fn lower(
        &self,
        head: &Range<usize>,
        name: Option<String>,
        place: Place,
        sites: &Directory,
        check: &mut Check<'_>,
    ) -> Option<Session> {
        let keys = self.keys(check);
        let cookie = cookie::cookie(self, name.as_deref(), head, check);
        let times = self.times(check);
        let attributes = attribute::attributes(&self.attributes, check);
        let counters = attribute::counters(&self.counters, check);
        let value_max = check.value_or(self.value_max.as_ref(), VALUE_DEFAULT, |text| match size(text)? {
            bytes @ 1..=VALUE_MAX => Ok(usize::try_from(bytes).unwrap_or(VALUE_DEFAULT)),
            _ => Err(Wrong::new(format!("`{}` is out of range: 1B to 1KiB is possible here", shown(text)))),
        });
        let headers = attribute::told(&self.headers, attributes.as_deref(), check);
        let owners = attribute::owners([self.user.as_ref(), self.tenant.as_ref()], attributes.as_deref(), check);
        let realm = check.value_or(self.realm.as_ref(), name.clone().unwrap_or_default(), crate::value::name);
        let sites = site::some_of(self.sites.as_ref(), "session", sites, check);
        let wait = check.value_or(self.wait.as_ref(), WAIT_DEFAULT, |text| within(text, WAIT_LONGEST));
        let fetch = check.value_or(self.fetch.as_ref(), FETCH_DEFAULT, |text| within(text, FETCH_LONGEST));
        let Times { idle, absolute, seen_every } = times?;
        let [user, tenant] = owners?;
        Some(Session {
            name: name?,
            keys: keys?,
            cookie: cookie?,
            per_site: self.per_site.unwrap_or(false),
            idle,
            absolute,
            seen_every,
            attributes: attributes?,
            counters: counters?,
            value_max: value_max?,
            headers: headers?,
            realm: realm?,
            user,
            tenant,
            sites: sites?,
            wait: wait?,
            fetch: fetch?,
            place,
        })
    }

    fn keys(&self, check: &mut Check<'_>) -> Option<Vec<PathBuf>> {
        let written = &self.keys.value;
        if written.is_empty() {
            check.note(self.keys.span(), Wrong::new("at least one file of a secret is needed"));
            return None;
        }
        check.at_most(written, SESSION_KEYS_MAX)?;
        written.iter().map(|path| check.path(path)).collect::<Vec<_>>().into_iter().collect()
    }

    fn times(&self, check: &mut Check<'_>) -> Option<Times> {
        let whole = |text: &str| match some_time(text)? {
            short if short < SHORTEST => Err(Wrong::new(format!("`{}` is too short; at least 1s", shown(text)))),
            length => Ok(length),
        };
        let absolute = check.value_or(self.absolute.as_ref(), ABSOLUTE_DEFAULT, whole);
        let longest = absolute.unwrap_or(Duration::MAX);
        let idle = check.value_or(self.idle.as_ref(), IDLE_DEFAULT.min(longest), |text| match whole(text)? {
            long if long > longest => Err(Wrong::new(format!("`{}` is longer than `absolute`", shown(text)))),
            idle => Ok(idle),
        });
        let longest = idle.unwrap_or(Duration::MAX);
        let seen_every = check.value_or(self.seen_every.as_ref(), SEEN_EVERY_DEFAULT.min(longest / 4), |text| {
            match some_time(text)? {
                long if long >= longest => {
                    let wrong = Wrong::new(format!("`{}` is not shorter than `idle`", shown(text)));
                    Err(wrong.advice("a session that is used would be over"))
                }
                seen_every => Ok(seen_every),
            }
        });
        Some(Times { idle: idle?, absolute: absolute?, seen_every: seen_every? })
    }
}
