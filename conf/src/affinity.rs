//! How what is asked for one client keeps going to one server of an origin.

use std::ops::Range;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::Phase;
use crate::finding::Check;
use crate::key::{self, KeyPart};
use crate::raw::{At, Text};
use crate::value::{Wrong, cookie_name};

/// `affinity` of an origin. Nothing is kept of anybody: the server follows from what the request says.
#[derive(Clone, Debug, PartialEq)]
pub enum Affinity {
    /// A cookie of the edge names the server that answered first.
    Cookie {
        /// Its name.
        name: String,
        /// Files of secrets that it is signed by, 1 to [`AFFINITY_KEYS_MAX`]: the first signs, and all are believed.
        keys: Vec<PathBuf>,
    },
    /// Requests of one key go to one server; one without a part of it to any.
    Key(Vec<KeyPart>),
}

/// The most secrets of one origin.
pub const AFFINITY_KEYS_MAX: usize = 4;

/// `affinity` of an origin as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAffinity {
    /// A cookie of the edge that names the server, such as `app-server`. Needs `keys`.
    cookie: Option<At<Text>>,
    /// Files of secrets of 32 bytes or more that the cookie is signed by: the first signs, all are believed. The same at all POPs. `${NAME}` is expanded.
    keys: Option<At<Vec<At<Text>>>>,
    /// Instead of a cookie: requests for which these are equal go to one server, the same from each POP, such as `["client.net"]`.
    key: Option<At<Vec<At<Text>>>>,
}

impl RawAffinity {
    pub(crate) fn lower(&self, head: Range<usize>, check: &mut Check<'_>) -> Option<Affinity> {
        let wrong = |wrong: &str| Wrong::new(wrong.to_owned());
        match (&self.cookie, &self.keys, &self.key) {
            (Some(cookie), Some(keys), None) => {
                let name = check.value(cookie, cookie_name);
                let within = check.at_most(&keys.value, AFFINITY_KEYS_MAX);
                if keys.value.is_empty() {
                    check.note(keys.span(), wrong("a cookie needs a key that it is signed by"));
                    return None;
                }
                let paths: Vec<_> = keys.value.iter().take(AFFINITY_KEYS_MAX).map(|key| check.path(key)).collect();
                within?;
                Some(Affinity::Cookie { name: name?, keys: paths.into_iter().collect::<Option<_>>()? })
            }
            (None, None, Some(key)) if key.value.is_empty() => {
                check.note(key.span(), wrong("a key without parts is the same for all requests"));
                None
            }
            (None, None, Some(key)) => key::lower(&key.value, Phase::Request, check).map(Affinity::Key),
            (Some(cookie), None, None) => {
                let advice = "name a file of 32 bytes or more: `keys = [\"affinity.key\"]`";
                check.note(cookie.span(), wrong("a cookie needs `keys` that it is signed by").advice(advice));
                None
            }
            (None, None, None) => {
                check.note(head, wrong("`affinity` is by `cookie` and `keys`, or by `key`"));
                None
            }
            (_, Some(keys), Some(_)) => {
                check.note(keys.span(), wrong("`keys` are for a cookie, and servers are chosen by `key` here"));
                None
            }
            (Some(cookie), None, Some(_)) => {
                check.note(cookie.span(), wrong("servers are chosen by a cookie or by `key`, not both"));
                None
            }
            (None, Some(keys), None) => {
                check.note(keys.span(), wrong("`keys` are for a cookie, which has no name: `cookie = \"NAME\"`"));
                None
            }
        }
    }
}
