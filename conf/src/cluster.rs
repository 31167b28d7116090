//! The link to the other POPs. A file without `[cluster]` describes one POP alone.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::finding::Check;
use crate::raw::{At, Text};
use crate::value::socket;

/// `[cluster]`: how this node meets its peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The address peers connect to.
    pub listen: SocketAddr,
    /// The list of POPs; the same file at every POP.
    pub roster: PathBuf,
    /// This node's certificate chain, PEM.
    pub certificate: PathBuf,
    /// The key of `certificate`, PEM.
    pub key: PathBuf,
}

/// `[cluster]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCluster {
    /// The address peers connect to, such as `0.0.0.0:7946`.
    listen: At<Text>,
    /// The list of POPs, the same file at every POP. `${NAME}` is expanded.
    roster: At<Text>,
    /// This node's certificate and key, such as `{ certificate = "fra.pem", key = "fra.key" }`.
    tls: RawClusterTls,
}

/// `tls` of `[cluster]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawClusterTls {
    /// This node's certificate chain, a PEM file. `${NAME}` is expanded.
    certificate: At<Text>,
    /// The key of the certificate, a PEM file. `${NAME}` is expanded.
    key: At<Text>,
}

impl RawCluster {
    pub(crate) fn lower(self, check: &mut Check<'_>) -> Option<Cluster> {
        let listen = check.value(&self.listen, socket);
        let roster = check.path(&self.roster);
        let certificate = check.path(&self.tls.certificate);
        let key = check.path(&self.tls.key);
        Some(Cluster { listen: listen?, roster: roster?, certificate: certificate?, key: key? })
    }
}
