//! A pass: what whoever knows a token's secret may have purged, and how often.

use std::time::Duration;

use selvedge_conf::{Config, PurgeKind, PurgeRate, PurgeToken, TagScope};
use selvedge_state::{Bucket, Charge, Key, Rung, Store, TableFull, TableId, TableSpec, Time};

use super::name::Reach;
use super::wanted::Wanted;

/// One token's.
#[derive(Debug, Clone)]
pub struct Pass {
    facts: PurgeToken,
    rate: Option<Counted>,
}

/// Where its purges are counted: one bucket, over all POPs.
#[derive(Debug, Clone, Copy)]
struct Counted {
    table: TableId,
    key: Key,
    bucket: Bucket,
}

/// Why something is beyond a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// It is not for this kind.
    Kind(&'static str),
    /// It is for other hosts.
    Host,
    /// It is for other paths.
    Path,
    /// It is for other tags.
    Tag,
    /// It is for soft purges alone.
    Hard,
}

impl std::fmt::Display for Beyond {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Beyond::Kind(kind) => write!(formatter, "this token purges nothing by {kind}"),
            Beyond::Host => formatter.write_str("this token is not for this host"),
            Beyond::Path => formatter.write_str("this token is not for this path"),
            Beyond::Tag => formatter.write_str("this token is not for this tag"),
            Beyond::Hard => formatter.write_str("this token purges softly alone"),
        }
    }
}

impl Pass {
    /// Those of a config, in file order; makes their tables.
    pub(crate) fn all(config: &Config, store: &Store) -> Result<Vec<Pass>, TableFull> {
        let tokens = config.purge.iter().flat_map(|purge| &purge.tokens);
        tokens.map(|token| Pass::new(token, store)).collect()
    }

    fn new(token: &PurgeToken, store: &Store) -> Result<Pass, TableFull> {
        let rate = token.rate.map(|rate| Counted::new(&token.name, rate, store)).transpose()?;
        Ok(Pass { facts: token.clone(), rate })
    }

    /// The config that it is of is in force: what peers count of its purges drains at its rate.
    pub(crate) fn begin(&self, store: &Store) {
        if let Some(Counted { table, bucket, .. }) = &self.rate {
            store.drains(*table, bucket.rate_per_ms);
        }
    }

    /// The token's name.
    pub fn name(&self) -> &str {
        &self.facts.name
    }

    /// Whether it is for this.
    ///
    /// # Errors
    /// [`Beyond`].
    pub fn allows(&self, wanted: &Wanted, reach: Reach) -> Result<(), Beyond> {
        let PurgeToken { kinds, soft, .. } = &self.facts;
        if !kinds.contains(&kind(wanted)) {
            return Err(Beyond::Kind(wanted.name().kind()));
        }
        if *soft && reach == Reach::Hard {
            return Err(Beyond::Hard);
        }
        match wanted {
            Wanted::All => Ok(()),
            Wanted::Tag(tag) => self.has_tag(tag),
            Wanted::Host(authority) | Wanted::Group { authority, .. } => self.has_host(authority),
            Wanted::Url { authority, path, .. } | Wanted::Prefix { authority, path } => {
                self.has_host(authority).and_then(|()| self.has_path(path))
            }
        }
    }

    fn has_host(&self, authority: &str) -> Result<(), Beyond> {
        let hosts = &self.facts.hosts;
        if hosts.is_empty() || hosts.iter().any(|host| host == authority) { Ok(()) } else { Err(Beyond::Host) }
    }

    fn has_path(&self, path: &str) -> Result<(), Beyond> {
        let is_under = |scope: &String| match path.strip_prefix(scope.as_str()) {
            Some(rest) => scope == "/" || rest.is_empty() || rest.starts_with('/'),
            None => false,
        };
        let paths = &self.facts.paths;
        if paths.is_empty() || paths.iter().any(is_under) { Ok(()) } else { Err(Beyond::Path) }
    }

    fn has_tag(&self, tag: &[u8]) -> Result<(), Beyond> {
        let is_in = |scope: &TagScope| match scope {
            TagScope::Exact(text) => tag == text.as_bytes(),
            TagScope::Beginning(text) => tag.starts_with(text.as_bytes()),
        };
        let tags = &self.facts.tags;
        if tags.is_empty() || tags.iter().any(is_in) { Ok(()) } else { Err(Beyond::Tag) }
    }

    /// Counts so many purges, all or none.
    ///
    /// # Errors
    /// They are too many now: after how long they are not, None where that never helps.
    pub fn charge(&self, purges: u32, store: &Store, now: Time) -> Result<(), Option<Duration>> {
        let Some(Counted { table, key, bucket }) = &self.rate else { return Ok(()) };
        match store.charge(*table, *key, bucket, purges, now) {
            Charge::Admitted { .. } => Ok(()),
            Charge::Refused { retry_after_ms: u64::MAX } | Charge::Full => Err(None),
            Charge::Refused { retry_after_ms } => Err(Some(Duration::from_millis(retry_after_ms))),
        }
    }
}

impl Counted {
    fn new(name: &str, PurgeRate { rate, burst }: PurgeRate, store: &Store) -> Result<Counted, TableFull> {
        let rate_per_ms = f64::from(rate.count) / (rate.per.as_millis() as f64).max(1.0);
        let bucket = Bucket { rate_per_ms, burst: f64::from(burst), queue: 0.0 };
        let table = store.table(&TableSpec {
            // No limit's name has a space.
            uid: format!("purge token {name}"),
            shape: "token".to_owned(),
            fine: Rung::fine_for(rate_per_ms, bucket.burst),
            coarse: Rung::coarse_for(rate.per),
            replicated: true,
        })?;
        Ok(Counted { table, key: store.key(&[b"purge token", name.as_bytes()]), bucket })
    }
}

fn kind(wanted: &Wanted) -> PurgeKind {
    match wanted {
        Wanted::All => PurgeKind::All,
        Wanted::Host(_) => PurgeKind::Host,
        Wanted::Url { .. } => PurgeKind::Url,
        Wanted::Prefix { .. } => PurgeKind::Prefix,
        Wanted::Tag(_) => PurgeKind::Tag,
        Wanted::Group { .. } => PurgeKind::Group,
    }
}
