//! Who may have what is stored purged over the addresses of clients.

mod token;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::finding::Check;
use crate::raw::{At, Text};
use crate::value::{Wrong, network};
use token::RawPurgeToken;

pub use token::{PurgeKind, PurgeRate, PurgeToken, SCOPES_MAX, TOKENS_MAX, TagScope};

/// `[purge]`: `PURGE` requests, and batches at a path of their own, are the edge's, and do not go to origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    /// Clients that may send them; at most [`PURGERS_MAX`].
    pub from: Vec<IpNet>,
    /// Where a `POST` purges in batches, at each site; in normal form.
    pub path: Option<String>,
    /// Secrets by which others may, each for what it is for.
    pub tokens: Vec<PurgeToken>,
}

/// The most networks in `from`.
pub const PURGERS_MAX: usize = 1024;

/// `[purge]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPurge {
    /// Networks of the clients that may purge without a token, such as `["10.0.0.0/8"]`. Others get 403, or 401 where there are tokens.
    #[serde(default)]
    from: Vec<At<Text>>,
    /// A path, of each site, at which a `POST` with a token purges in batches, such as `/-/purge`. Default none.
    path: Option<At<Text>>,
    /// Secrets by which clients may purge, each within its scope.
    #[serde(default)]
    token: Vec<At<RawPurgeToken>>,
}

impl RawPurge {
    pub(crate) fn lower(self, check: &mut Check<'_>) -> Option<Purge> {
        let from = check.list(&self.from, PURGERS_MAX, network);
        let path = check.value_or(self.path.as_ref(), None, |text| token::path(text).and_then(batches));
        let tokens = token::lower(&self.token, check);
        if let Some(path) = self.path.as_ref().filter(|_| self.token.is_empty()) {
            let wrong = Wrong::new("batches need a token, and there is none");
            check.note(path.span(), wrong.advice("say who may purge: `[[purge.token]]` with `name` and `secret`"));
            return None;
        }
        Some(Purge { from: from?, path: path?, tokens: tokens? })
    }
}

/// Where batches go: a path that is nobody's front page.
fn batches(path: String) -> Result<Option<String>, Wrong> {
    match path.as_str() {
        "/" => {
            Err(Wrong::new("`/` is a page of each site").advice("take a path that no site has, such as \"/-/purge\""))
        }
        _ => Ok(Some(path)),
    }
}
