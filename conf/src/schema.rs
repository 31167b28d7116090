//! The JSON Schema of a config file, made from the types it is read with.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use crate::admin::RawAdmin;
use crate::cache::RawCachePolicy;
use crate::challenge::RawChallenge;
use crate::cluster::RawCluster;
use crate::compression::RawCompression;
use crate::counter::RawCounter;
use crate::expr;
use crate::geoip::RawGeoIp;
use crate::idempotency::RawIdempotency;
use crate::jwt::RawJwt;
use crate::limit::RawLimit;
use crate::list::RawList;
use crate::listen::RawListen;
use crate::origin::RawOrigin;
use crate::pop::RawPop;
use crate::purge::RawPurge;
use crate::raw::{At, Text};
use crate::rule::RawRule;
use crate::session::RawSession;
use crate::site::RawSite;
use crate::storage::RawStorage;
use crate::test::RawTest;
use crate::unique::RawUnique;

/// A whole file. The loader reads it table by table, so that one mistake does not hide the next; this type exists for
/// its schema alone.
#[derive(JsonSchema)]
#[schemars(title = "Selvedge config", description = "A config file of Selvedge.", deny_unknown_fields)]
#[expect(dead_code, reason = "only the schema of it is used")]
pub(crate) struct RawFile {
    /// Further files, relative to this one; `*` in the name of a file stands for any text. Their lists append; an included
    /// file includes no further ones.
    #[schemars(default)]
    include: Vec<At<Text>>,
    /// Who this node is.
    pop: Option<RawPop>,
    /// Where clients connect. Needed once.
    listen: Option<RawListen>,
    /// How the node is watched and steered.
    admin: Option<RawAdmin>,
    /// How the node meets its peers; absent for one POP alone.
    cluster: Option<RawCluster>,
    /// What the node may keep.
    storage: Option<RawStorage>,
    /// Who may purge by request.
    purge: Option<RawPurge>,
    /// Which responses are compressed, and how.
    compression: Option<RawCompression>,
    /// How rules challenge clients.
    challenge: Option<RawChallenge>,
    /// The origins, by name.
    #[schemars(default)]
    origin: BTreeMap<String, RawOrigin>,
    /// The sites, by host: `www.example.com`, `*.example.com` or `*`.
    #[schemars(default)]
    site: BTreeMap<String, RawSite>,
    /// Named lists, which expressions ask: `client.ip in lists.NAME`.
    #[schemars(default)]
    list: BTreeMap<String, RawList>,
    /// Databases that know where clients are.
    geoip: Option<RawGeoIp>,
    /// Issuers of tokens, by name.
    #[schemars(default)]
    jwt: BTreeMap<String, RawJwt>,
    /// Kinds of sessions, by name.
    #[schemars(default)]
    session: BTreeMap<String, RawSession>,
    /// What rules can count.
    #[schemars(default)]
    counter: Vec<RawCounter>,
    /// What rules can count different values of.
    #[schemars(default)]
    unique: Vec<RawUnique>,
    /// Rules, in order of evaluation.
    #[schemars(default)]
    rule: Vec<RawRule>,
    /// Limits, in order of evaluation.
    #[schemars(default)]
    limit: Vec<RawLimit>,
    /// How responses are cached, in order: the first policy that is for a request decides.
    #[schemars(default)]
    cache: Vec<RawCachePolicy>,
    /// What is run once for each key that a client names, in order: the first policy that is for a request decides.
    #[schemars(default)]
    idempotency: Vec<RawIdempotency>,
    /// Tests of rules and limits.
    #[schemars(default)]
    test: Vec<RawTest>,
}

/// The JSON Schema (draft 2020-12) of a config file, for editors. It knows the keys and the types; names, ranges and
/// expressions are the loader's.
///
/// `x-expressions` has what expressions may name.
pub fn schema() -> serde_json::Value {
    let mut schema = keys();
    if let Some(root) = schema.as_object_mut() {
        root.insert("x-expressions".to_owned(), expr::schema());
    }
    schema
}

/// The schema alone: what the loader reads keys by.
pub(crate) fn keys() -> serde_json::Value {
    // One tree without references: shorter to follow, for people and for the check of the keys.
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<RawFile>().to_value()
}
