//! The link to the other POPs. A file without `[cluster]` describes one POP alone.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::finding::Check;
use crate::raw::{At, Choice, Number, Text, Word};
use crate::value::{Wrong, server, shown, socket};

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
    /// The number of this node among those of its POP. Default 0.
    pub node: u32,
    /// What carries state between nodes. Default the mesh.
    pub fabric: Fabric,
}

/// What carries state between nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fabric {
    /// A connection between each two POPs.
    Mesh,
    /// NATS.
    Nats(Nats),
}

/// `[cluster.nats]`: where NATS is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nats {
    /// Its servers; at least one.
    pub servers: Vec<String>,
    /// The file of this POP's credentials.
    pub credentials: Option<PathBuf>,
    /// The authorities of its servers' certificates, PEM; without them those of the system.
    pub ca: Option<PathBuf>,
}

/// The highest number of a node.
const NODE_MAX: u64 = 9999;
/// The most servers of NATS.
const SERVERS_MAX: usize = 16;

/// `fabric` as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FabricName {
    Mesh,
    Nats,
}

impl Choice for FabricName {
    const WORDS: &'static [(&'static str, FabricName)] = &[("mesh", FabricName::Mesh), ("nats", FabricName::Nats)];
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
    /// The number of this node among those of its POP, 0 to 9999. Default 0. A mesh links one node of each POP, over NATS
    /// there may be several.
    node: Option<At<Number>>,
    /// What carries state between nodes: `mesh` (the default) or `nats`.
    fabric: Option<At<Word<FabricName>>>,
    /// Where NATS is, with `fabric = "nats"`.
    nats: Option<At<RawNats>>,
}

/// `[cluster.nats]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawNats {
    /// Its servers, such as `["tls://nats.example.net:4222"]`; at most 16. Without TLS (`nats://`) only on this host.
    servers: At<Vec<At<Text>>>,
    /// The file of this POP's credentials, as `nsc` writes it. `${NAME}` is expanded.
    credentials: Option<At<Text>>,
    /// The authorities of its servers' certificates, a PEM file. Default those of the system. `${NAME}` is expanded.
    ca: Option<At<Text>>,
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
        let node = check.number(self.node.as_ref(), 0..NODE_MAX + 1, 0);
        let fabric = fabric(self.fabric.as_ref(), self.nats, check);
        Some(Cluster {
            listen: listen?,
            roster: roster?,
            certificate: certificate?,
            key: key?,
            node: node?,
            fabric: fabric?,
        })
    }
}

fn fabric(name: Option<&At<Word<FabricName>>>, nats: Option<At<RawNats>>, check: &mut Check<'_>) -> Option<Fabric> {
    match (check.word(name, FabricName::Mesh)?, nats) {
        (FabricName::Mesh, None) => Some(Fabric::Mesh),
        (FabricName::Nats, Some(nats)) => nats.value.lower(check).map(Fabric::Nats),
        (FabricName::Mesh, Some(nats)) => {
            let wrong = Wrong::new("NATS is not what carries state here").advice("with `fabric = \"nats\"` it is");
            check.note(nats.span(), wrong);
            None
        }
        (FabricName::Nats, None) => {
            let wrong = Wrong::new("NATS is not described").advice("`[cluster.nats]` says where its `servers` are");
            check.note(name.map(At::span).unwrap_or_default(), wrong);
            None
        }
    }
}

impl RawNats {
    fn lower(self, check: &mut Check<'_>) -> Option<Nats> {
        if self.servers.value.is_empty() {
            check.note(self.servers.span(), Wrong::new("an empty list: NATS has at least one server"));
            return None;
        }
        let servers = check.list(&self.servers.value, SERVERS_MAX, nats_server);
        let credentials = self.credentials.map(|path| check.path(&path));
        let ca = self.ca.map(|path| check.path(&path));
        let whole = |path: Option<Option<PathBuf>>| path.map_or(Some(None), |path| path.map(Some));
        Some(Nats { servers: servers?, credentials: whole(credentials)?, ca: whole(ca)? })
    }
}

/// A server of NATS. What leaves this host is encrypted.
fn nats_server(text: &str) -> Result<String, Wrong> {
    const EXAMPLE: &str = "write it as \"tls://nats.example.net:4222\"";
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let host = rest.rsplit_once(':').map_or("", |(host, _)| host);
    let here = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
    match scheme {
        "tls" => {}
        "nats" if here => {}
        "nats" => {
            let wrong = Wrong::new(format!("`{}` would carry state in plain text", shown(text)));
            return Err(wrong.advice("`tls://` encrypts; `nats://` is for a server on this host, such as a leaf node"));
        }
        _ => return Err(Wrong::new(format!("`{}` is not a server of NATS", shown(text))).advice(EXAMPLE)),
    }
    server(rest).map(|_| text.to_owned()).map_err(|wrong| wrong.advice(EXAMPLE))
}
