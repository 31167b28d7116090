//! Where clients connect, whom to believe about the client's address, and what one client may cost.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::finding::Check;
use crate::raw::{At, DurationText, Number, SizeText, Text};
use crate::value::{Wrong, network, size, socket, timeout};

/// `[listen]`: the addresses clients connect to. At least one of `http` and `https` holds an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Plain-text addresses; at most [`ADDRESSES_MAX`].
    pub http: Vec<SocketAddr>,
    /// TLS addresses; at most [`ADDRESSES_MAX`].
    pub https: Vec<Https>,
    /// Networks whose word about the client's address is believed; at most [`TRUSTED_MAX`].
    pub trusted_proxies: Vec<IpNet>,
    /// What one client connection may cost.
    pub bounds: ClientBounds,
    /// Worker threads; 0 means one per core.
    pub threads: usize,
}

/// One TLS address and the certificates it may present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Https {
    /// The address to bind.
    pub address: SocketAddr,
    /// PEM files, each with a certificate chain and its key; never empty, at most [`CERTIFICATES_MAX`].
    pub certificates: Vec<PathBuf>,
}

/// The bounds on one client connection. They are keys of `[listen]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientBounds {
    /// Time for one whole request head, from its first byte. Default 10 s.
    pub header_timeout: Duration,
    /// Time for one read of a request body. Default 30 s.
    pub read_timeout: Duration,
    /// Time for one write to the client. Default 30 s.
    pub write_timeout: Duration,
    /// How long a connection may wait for its next request. Default 60 s.
    pub idle_timeout: Duration,
    /// The longest request body, in bytes. Default 100 MiB.
    pub body_max: u64,
    /// Client connections held at once. Default 10,000.
    pub connections_max: usize,
}

/// The most addresses in one of `http` and `https`.
pub const ADDRESSES_MAX: usize = 64;
/// The most certificate files of one TLS address.
pub const CERTIFICATES_MAX: usize = 256;
/// The most networks in `trusted_proxies`.
pub const TRUSTED_MAX: usize = 1024;

/// `[listen]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawListen {
    /// Plain-text addresses, such as `["0.0.0.0:8080"]`.
    #[serde(default)]
    http: Vec<At<Text>>,
    /// TLS addresses with their certificates.
    #[serde(default)]
    https: Vec<At<RawHttps>>,
    /// Networks whose word about the client's address is believed, such as `["10.0.0.0/8"]`.
    #[serde(default)]
    trusted_proxies: Vec<At<Text>>,
    /// Time for one whole request head. Default `10s`.
    header_timeout: Option<At<DurationText>>,
    /// Time for one read of a request body, on HTTP/1. Default `30s`.
    read_timeout: Option<At<DurationText>>,
    /// Time for one write to the client. Default `30s`.
    write_timeout: Option<At<DurationText>>,
    /// How long a connection may wait for its next request. Default `60s`.
    idle_timeout: Option<At<DurationText>>,
    /// The longest request body. Default `100MiB`.
    body_max: Option<At<SizeText>>,
    /// Client connections held at once, 1 to 10,000,000. Default 10000.
    connections_max: Option<At<Number>>,
    /// Worker threads, 0 to 1024; 0, the default, means one per core.
    threads: Option<At<Number>>,
}

/// One element of `https` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHttps {
    /// The address, such as `0.0.0.0:8443`.
    address: At<Text>,
    /// PEM files, each with a certificate chain and its key. `${NAME}` is expanded.
    certificates: At<Vec<At<Text>>>,
}

impl RawListen {
    pub(crate) fn lower(self, head: Range<usize>, check: &mut Check<'_>) -> Option<Listen> {
        if self.http.is_empty() && self.https.is_empty() {
            let wrong =
                Wrong::new("[listen] has no address").advice("write at least one, such as http = [\"0.0.0.0:8080\"]");
            check.note(head, wrong);
        }
        let http = check.list(&self.http, ADDRESSES_MAX, socket);
        let within = check.at_most(&self.https, ADDRESSES_MAX);
        let https: Vec<_> = self.https.iter().take(ADDRESSES_MAX).map(|one| one.value.lower(check)).collect();
        let trusted_proxies = check.list(&self.trusted_proxies, TRUSTED_MAX, network);
        let header_timeout = check.value_or(self.header_timeout.as_ref(), Duration::from_secs(10), timeout);
        let read_timeout = check.value_or(self.read_timeout.as_ref(), Duration::from_secs(30), timeout);
        let write_timeout = check.value_or(self.write_timeout.as_ref(), Duration::from_secs(30), timeout);
        let idle_timeout = check.value_or(self.idle_timeout.as_ref(), Duration::from_secs(60), timeout);
        let body_max = check.value_or(self.body_max.as_ref(), 100 << 20, size);
        let connections_max = check.number(self.connections_max.as_ref(), 1..10_000_001, 10_000);
        let threads = check.number(self.threads.as_ref(), 0..1025, 0);
        within?;
        Some(Listen {
            http: http?,
            https: https.into_iter().collect::<Option<_>>()?,
            trusted_proxies: trusted_proxies?,
            bounds: ClientBounds {
                header_timeout: header_timeout?,
                read_timeout: read_timeout?,
                write_timeout: write_timeout?,
                idle_timeout: idle_timeout?,
                body_max: body_max?,
                connections_max: connections_max?,
            },
            threads: threads?,
        })
    }
}

impl RawHttps {
    fn lower(&self, check: &mut Check<'_>) -> Option<Https> {
        let address = check.value(&self.address, socket);
        let files = &self.certificates.value;
        if files.is_empty() {
            check.note(self.certificates.span(), Wrong::new("a TLS address needs at least one certificate"));
        }
        let within = check.at_most(files, CERTIFICATES_MAX);
        let certificates: Vec<_> = files.iter().take(CERTIFICATES_MAX).map(|file| check.path(file)).collect();
        within?;
        Some(Https { address: address?, certificates: certificates.into_iter().collect::<Option<_>>()? })
    }
}
