//! The link to the other POPs. A file without `[cluster]` describes one POP alone.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

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
    /// Where other nodes reach this one itself, where its POP has several that are linked.
    pub address: Option<String>,
    /// The address at which other POPs fetch through this one. Default none: nobody does.
    pub shield: Option<SocketAddr>,
    /// What carries state between nodes. Default links.
    pub fabric: Fabric,
}

/// What carries state between nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fabric {
    /// A connection between each two POPs.
    Links,
    /// NATS.
    Nats(Nats),
}

impl Fabric {
    /// The files that it names.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let files = match self {
            Fabric::Links => [None, None],
            Fabric::Nats(nats) => [nats.credentials.as_deref(), nats.ca.as_deref()],
        };
        files.into_iter().flatten()
    }
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
/// The longest host of a node.
const HOST_MAX: usize = 96;
/// The most servers of NATS.
const SERVERS_MAX: usize = 16;

const SERVER_EXAMPLE: &str = "write it as \"tls://nats.example.net:4222\"";

/// `fabric` as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FabricName {
    Links,
    Nats,
}

impl Choice for FabricName {
    const WORDS: &'static [(&'static str, FabricName)] = &[("links", FabricName::Links), ("nats", FabricName::Nats)];
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
    /// The number of this node among those of its POP, 0 to 9999. Default 0.
    node: Option<At<Number>>,
    /// Where other nodes reach this one itself, such as `10.0.0.2:7946`; with links, for each node of a POP that has several. Default none:
    /// the roster's address leads to the only node.
    address: Option<At<Text>>,
    /// The address at which other POPs fetch through this one, such as `0.0.0.0:7947`. Default none: nobody does.
    shield: Option<At<Text>>,
    /// What carries state between nodes: `links` (a connection between each two POPs; the default) or `nats`.
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
    /// The file of this POP's credentials: as `nsc` writes it, or an NKey seed alone. `${NAME}` is expanded.
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
        let address = self.address.as_ref().map(|address| check.value(address, reached));
        let shield = self.shield.as_ref().map(|shield| check.value(shield, socket));
        if let (Some(1..), Some(Fabric::Links), None, Some(number)) = (node, &fabric, &address, &self.node) {
            let wrong = Wrong::new("one of several nodes, and the others do not know where it is");
            check.note(number.span(), wrong.advice("say where they reach it: `address = \"10.0.0.2:7946\"`"));
            return None;
        }
        Some(Cluster {
            listen: listen?,
            roster: roster?,
            certificate: certificate?,
            key: key?,
            node: node?,
            address: match address {
                Some(address) => Some(address?),
                None => None,
            },
            shield: match shield {
                Some(shield) => Some(shield?),
                None => None,
            },
            fabric: fabric?,
        })
    }
}

fn fabric(name: Option<&At<Word<FabricName>>>, nats: Option<At<RawNats>>, check: &mut Check<'_>) -> Option<Fabric> {
    match (check.word(name, FabricName::Links)?, nats) {
        (FabricName::Links, None) => Some(Fabric::Links),
        (FabricName::Nats, Some(nats)) => nats.value.lower(check).map(Fabric::Nats),
        (FabricName::Links, Some(nats)) => {
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
            let wrong = Wrong::new("an empty list: NATS has at least one server").advice(SERVER_EXAMPLE);
            check.note(self.servers.span(), wrong);
            return None;
        }
        let servers = check.list(&self.servers.value, SERVERS_MAX, nats_server);
        let credentials = self.credentials.map(|path| check.path(&path));
        let ca = self.ca.map(|path| check.path(&path));
        let whole = |path: Option<Option<PathBuf>>| path.map_or(Some(None), |path| path.map(Some));
        Some(Nats { servers: servers?, credentials: whole(credentials)?, ca: whole(ca)? })
    }
}

/// Where a node is reached: a host or an address, and a port.
fn reached(text: &str) -> Result<String, Wrong> {
    let wrong = || {
        let wrong = Wrong::new(format!("`{}` is not a host with a port", shown(text)));
        wrong.advice("write it as \"10.0.0.2:7946\"")
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let fits = !host.is_empty()
        && host.len() <= HOST_MAX
        && !host.contains(char::is_whitespace)
        && port.parse::<u16>().is_ok();
    if fits { Ok(text.to_owned()) } else { Err(wrong()) }
}

/// A server of NATS. What leaves this host is encrypted.
fn nats_server(text: &str) -> Result<String, Wrong> {
    let malformed = || Wrong::new(format!("`{}` is not a server of NATS", shown(text))).advice(SERVER_EXAMPLE);
    let (scheme, authority) = text.split_once("://").ok_or_else(malformed)?;
    let server = server(authority).ok().filter(|_| !authority.contains("://")).ok_or_else(malformed)?;
    match scheme {
        "tls" => Ok(text.to_owned()),
        "nats" if matches!(server.host.trim_matches(['[', ']']), "127.0.0.1" | "::1" | "localhost") => {
            Ok(text.to_owned())
        }
        "nats" => {
            let wrong = Wrong::new(format!("`{}` would carry state in plain text", shown(text)));
            Err(wrong.advice("`tls://` encrypts; `nats://` is for a server on this host, such as a leaf node"))
        }
        _ => Err(malformed()),
    }
}
