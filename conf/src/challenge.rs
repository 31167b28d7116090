//! `[challenge]`: puzzles that rules have clients solve, and the passes that they get for it.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::finding::Check;
use crate::place::Place;
use crate::raw::{At, DurationText, Number, Text};
use crate::value::{Wrong, duration, shown};

/// How clients are challenged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Files of secrets, 1 to [`CHALLENGE_KEYS_MAX`]: the first signs, and all are believed.
    pub keys: Vec<PathBuf>,
    /// The bits of a puzzle of which a rule says nothing, within [`BITS`].
    pub difficulty: u8,
    /// How long a puzzle may take, from when it was made.
    pub solve: Duration,
    /// How long a pass is good, from when its puzzle was made; at least `solve`.
    pub pass: Duration,
    /// The name of the cookie that passes are in.
    pub cookie: String,
    /// Whether browsers send it over TLS alone.
    pub secure: bool,
    /// Where it is written.
    pub place: Place,
}

/// The most secrets.
pub const CHALLENGE_KEYS_MAX: usize = 4;
/// Bits that a puzzle may have: one more doubles what it takes.
pub const BITS: Range<u64> = 8..27;
/// A quarter of a million hashes on the average.
pub(crate) const BITS_DEFAULT: u8 = 18;

const SOLVE_DEFAULT: Duration = Duration::from_secs(120);
const SOLVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));
const PASS_DEFAULT: Duration = Duration::from_secs(3600);
const PASS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(7 * 86_400));
/// The longest name of a cookie.
const NAME_LONGEST: usize = 64;

/// `[challenge]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawChallenge {
    /// Required. Files with secrets of 32 bytes or more, 1 to 4, such as `["keys/challenge.key"]`, the same at every POP: the first signs, and each of them is believed. `${NAME}` is expanded.
    keys: At<Vec<At<Text>>>,
    /// With how many zero bits the hash of a solution begins, 8 to 26: one more doubles what it takes. Default 18.
    difficulty: Option<At<Number>>,
    /// How long a puzzle may take, `10s` to `10m`. Default `2m`.
    solve: Option<At<DurationText>>,
    /// How long a pass is good, `1m` to `7d`. Default `1h`.
    pass: Option<At<DurationText>>,
    /// The name of the cookie with the pass. Default `__Host-selvedge-pass`; without `secure`, `selvedge-pass`.
    cookie: Option<At<Text>>,
    /// Whether browsers send it over TLS alone. Default `true`; `false` is for sites over plain HTTP, and is warned of.
    secure: Option<bool>,
}

impl Challenge {
    /// What is worth a word though nothing is wrong with it.
    pub fn note(&self) -> Option<String> {
        let why = "challenge: `secure = false`: a pass goes over plain HTTP, too, where others of the client's network may take it";
        (!self.secure).then(|| why.to_owned())
    }
}

impl RawChallenge {
    pub(crate) fn lower(&self, head: &Range<usize>, check: &mut Check<'_>) -> Option<Challenge> {
        let keys = self.keys(check);
        let difficulty = check.number(self.difficulty.as_ref(), BITS, BITS_DEFAULT);
        let solve = check.value_or(self.solve.as_ref(), SOLVE_DEFAULT, |text| within(text, SOLVE, "10s to 10m"));
        let pass = check.value_or(self.pass.as_ref(), PASS_DEFAULT, |text| within(text, PASS, "1m to 7d"));
        let secure = self.secure.unwrap_or(true);
        let cookie = self.cookie(secure, check);
        let place = check.place(head.start)?;
        let (solve, pass) = (solve?, pass?);
        if pass < solve {
            let at = self.pass.as_ref().or(self.solve.as_ref()).map_or_else(|| head.clone(), At::span);
            check.note(at, Wrong::new("`pass` is shorter than `solve`, so that it may be over when it is given"));
            return None;
        }
        Some(Challenge { keys: keys?, difficulty: difficulty?, solve, pass, cookie: cookie?, secure, place })
    }

    fn keys(&self, check: &mut Check<'_>) -> Option<Vec<PathBuf>> {
        let written = &self.keys.value;
        if written.is_empty() {
            check.note(self.keys.span(), Wrong::new("at least one key is needed, such as \"keys/challenge.key\""));
            return None;
        }
        let within = check.at_most(written, CHALLENGE_KEYS_MAX);
        let paths: Vec<_> = written.iter().take(CHALLENGE_KEYS_MAX).map(|path| check.path(path)).collect();
        within?;
        paths.into_iter().collect()
    }

    fn cookie(&self, secure: bool, check: &mut Check<'_>) -> Option<String> {
        let Some(written) = &self.cookie else {
            return Some(if secure { "__Host-selvedge-pass" } else { "selvedge-pass" }.to_owned());
        };
        check.value(written, |text| cookie(text, secure))
    }
}

fn within(text: &str, (least, most): (Duration, Duration), words: &str) -> Result<Duration, Wrong> {
    match duration(text)? {
        time if (least..=most).contains(&time) => Ok(time),
        _ => Err(Wrong::new(format!("`{}` is out of range: {words} is possible here", shown(text)))),
    }
}

/// RFC 6265 section 4.1.1: a token. What begins with two underscores promises `secure` (RFC 6265bis section 4.1.3), in any case.
fn cookie(text: &str, secure: bool) -> Result<String, Wrong> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !(1..=NAME_LONGEST).contains(&text.len()) || !text.bytes().all(token) {
        let wrong = Wrong::new(format!("`{}` cannot be the name of a cookie", shown(text)));
        return Err(wrong.advice("it has 1 to 64 letters, digits and characters such as `-` and `_`"));
    }
    let lower = text.to_ascii_lowercase();
    if !secure && (lower.starts_with("__host-") || lower.starts_with("__secure-")) {
        let wrong = Wrong::new("browsers take no cookie whose name begins so without `secure`");
        return Err(wrong.advice("leave `cookie` out for a name that fits, or choose another one"));
    }
    Ok(text.to_owned())
}
