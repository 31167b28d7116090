//! The servers behind the edge: where they are, how to speak to them, and when to leave one alone.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::affinity::{Affinity, RawAffinity};
use crate::finding::Check;
use crate::raw::{At, DurationText, Number, Text};
use crate::sections::{Section, at_most};
use crate::value::{Wrong, host_name, name, server, timeout};

/// `[origin.NAME]`: a group of servers that answer alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The name sites refer to: 1 to 64 characters of `[A-Za-z0-9._-]`.
    pub name: String,
    /// The servers, in file order; never empty, at most [`SERVERS_MAX`].
    pub servers: Vec<Server>,
    /// How TLS to the servers is checked.
    pub tls: OriginTls,
    /// The `Host` the servers see.
    pub host: HostHeader,
    /// How long each step may take.
    pub timeouts: OriginTimeouts,
    /// When a failing server is left out.
    pub eject: Eject,
    /// Whether what is to be stored is fetched through a POP of the roster that all the others share. Default false.
    pub shield: bool,
    /// How clients keep to a server; each try goes to the next one when absent.
    pub affinity: Option<Affinity>,
    /// The places of servers that get no new clients, in order; never all of them.
    pub drain: Vec<usize>,
}

/// One server of an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Whether the connection is TLS.
    pub scheme: Scheme,
    /// A host name in lower case or an address; an IPv6 address is without brackets.
    pub host: String,
    /// The port; 80 or 443 by scheme when the text gives none.
    pub port: u16,
}

/// The scheme of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

/// How TLS to an origin is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginTls {
    /// The name sent in the handshake and expected in the certificate; the server's own host when absent.
    pub sni: Option<String>,
    /// Whether the certificate is verified. Default true.
    pub verify: bool,
    /// A PEM file of authorities that replaces the public ones.
    pub ca: Option<PathBuf>,
}

/// The `Host` an origin sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// The client's own.
    Pass,
    /// The server's host, with its port when that is not the scheme's default.
    Origin,
    /// A fixed name.
    Name(String),
}

/// How long each step towards an origin may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginTimeouts {
    /// Connecting, TLS included. Default 3 s.
    pub connect: Duration,
    /// One read. Default 30 s.
    pub read: Duration,
    /// One write. Default 30 s.
    pub write: Duration,
    /// How long an unused connection is kept. Default 60 s.
    pub idle: Duration,
}

/// When a failing server is left out, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eject {
    /// Consecutive failures, 1 or more. Default 5.
    pub failures: u32,
    /// How long the server is left out. Default 10 s.
    pub duration: Duration,
}

/// The most servers of one origin.
pub const SERVERS_MAX: usize = 256;
/// The most origins of one config.
pub const ORIGINS_MAX: usize = 4096;

/// `[origin.NAME]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawOrigin {
    /// The servers, such as `["https://app.example.net:8443", "10.1.0.11:8000"]`. `${NAME}` is expanded.
    servers: At<Vec<At<Text>>>,
    /// How TLS to the servers is checked.
    #[serde(default)]
    tls: RawOriginTls,
    /// The `Host` the servers see: `pass` (the client's, the default), `origin` (the server's) or a name.
    host: Option<At<Text>>,
    /// Time to connect, TLS included. Default `3s`.
    connect_timeout: Option<At<DurationText>>,
    /// Time for one read. Default `30s`.
    read_timeout: Option<At<DurationText>>,
    /// Time for one write. Default `30s`.
    write_timeout: Option<At<DurationText>>,
    /// How long an unused connection is kept. Default `60s`.
    idle_timeout: Option<At<DurationText>>,
    /// When a failing server is left out, such as `{ failures = 5, for = "10s" }`.
    #[serde(default)]
    eject: RawEject,
    /// Whether POPs fetch what they store through one of them, the same at every POP. Default false: each fetches it from the servers itself.
    shield: Option<At<bool>>,
    /// How clients keep to one server, such as `{ cookie = "app-server", keys = ["affinity.key"] }` or `{ key = ["client.net"] }`. Default each try goes to the next one.
    affinity: Option<At<RawAffinity>>,
    /// Those of `servers` that get no new clients, such as `["10.1.0.11:8000"]`: what a cookie names still goes there. Default none.
    #[serde(default)]
    drain: Vec<At<Text>>,
}

/// `tls` of an origin as it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawOriginTls {
    /// The name sent in the handshake and expected in the certificate. Default the server's host.
    sni: Option<At<Text>>,
    /// Whether the certificate is verified. Default true.
    verify: Option<At<bool>>,
    /// A PEM file of authorities that replaces the public ones. `${NAME}` is expanded.
    ca: Option<At<Text>>,
}

/// `eject` of an origin as it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawEject {
    /// Consecutive failures, 1 to 1,000,000. Default 5.
    failures: Option<At<Number>>,
    /// How long the server is left out. Default `10s`.
    #[serde(rename = "for")]
    duration: Option<At<DurationText>>,
}

/// Whether other POPs are described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    /// This one is alone.
    Alone,
    /// There is a roster.
    Cluster,
}

/// Checks all origins.
pub(crate) fn lower(sections: &[Section<RawOrigin>], company: Company, check: &mut Check<'_>) -> Option<Vec<Origin>> {
    let within = at_most(sections, ORIGINS_MAX, "origins", check);
    let origins: Vec<_> = sections
        .iter()
        .take(ORIGINS_MAX)
        .map(|section| {
            check.file = section.file;
            let named = name(&section.name).map_err(|wrong| check.note(section.head.clone(), wrong));
            let raw = section.raw.as_ref()?;
            raw.shielded_by(company, check)?;
            raw.lower(named.ok(), check)
        })
        .collect();
    within?;
    origins.into_iter().collect()
}

impl RawOrigin {
    /// Whether there can be a POP that shields it.
    fn shielded_by(&self, company: Company, check: &mut Check<'_>) -> Option<()> {
        let Some(shield) = self.shield.as_ref().filter(|shield| shield.value && company == Company::Alone) else {
            return Some(());
        };
        let wrong = Wrong::new("one POP alone has no other to fetch through");
        check.note(shield.span(), wrong.advice("`[cluster]` names the roster, and that the POPs that shield"));
        None
    }

    fn lower(&self, name: Option<String>, check: &mut Check<'_>) -> Option<Origin> {
        let written = &self.servers.value;
        if written.is_empty() {
            check.note(self.servers.span(), Wrong::new("an origin needs at least one server"));
        }
        let within = check.at_most(written, SERVERS_MAX);
        let servers: Vec<_> = written.iter().take(SERVERS_MAX).map(|one| check.expanded(one, server)).collect();
        let tls = self.tls.lower(check);
        let host = check.value_or(self.host.as_ref(), HostHeader::Pass, |text| match text {
            "pass" => Ok(HostHeader::Pass),
            "origin" => Ok(HostHeader::Origin),
            name => host_name(name).map(HostHeader::Name),
        });
        let connect = check.value_or(self.connect_timeout.as_ref(), Duration::from_secs(3), timeout);
        let read = check.value_or(self.read_timeout.as_ref(), Duration::from_secs(30), timeout);
        let write = check.value_or(self.write_timeout.as_ref(), Duration::from_secs(30), timeout);
        let idle = check.value_or(self.idle_timeout.as_ref(), Duration::from_secs(60), timeout);
        let drain = self.drained(&servers, check);
        let affinity = match &self.affinity {
            None => Some(None),
            Some(written) => written.value.lower(written.span(), check).map(Some),
        };
        let failures = check.number(self.eject.failures.as_ref(), 1..1_000_001, 5);
        let duration = check.value_or(self.eject.duration.as_ref(), Duration::from_secs(10), timeout);
        within?;
        Some(Origin {
            name: name?,
            servers: servers.into_iter().collect::<Option<_>>()?,
            tls: tls?,
            host: host?,
            timeouts: OriginTimeouts { connect: connect?, read: read?, write: write?, idle: idle? },
            eject: Eject { failures: failures?, duration: duration? },
            shield: self.shield.as_ref().is_some_and(|shield| shield.value),
            affinity: affinity?,
            drain: drain?,
        })
    }

    /// The places of the servers that get no new clients.
    fn drained(&self, servers: &[Option<Server>], check: &mut Check<'_>) -> Option<Vec<usize>> {
        let place = |server: &Server| servers.iter().position(|known| known.as_ref() == Some(server));
        let is_sound = servers.iter().all(Option::is_some);
        let mut drained = Vec::new();
        for one in &self.drain {
            let found = check.expanded(one, server)?;
            match place(&found) {
                Some(place) => drained.push(place),
                None if is_sound => {
                    check.note(one.span(), Wrong::new("`drain` names one that is not among `servers`"));
                    return None;
                }
                None => return None,
            }
        }
        drained.sort_unstable();
        drained.dedup();
        if let Some(last) = self.drain.last().filter(|_| is_sound && drained.len() == servers.len()) {
            let wrong = Wrong::new("all servers are drained, and none is left for new clients");
            check.note(last.span(), wrong);
            return None;
        }
        Some(drained)
    }
}

impl RawOriginTls {
    fn lower(&self, check: &mut Check<'_>) -> Option<OriginTls> {
        let sni = check.value_or(self.sni.as_ref(), None, |text| host_name(text).map(Some));
        let ca = match &self.ca {
            None => Some(None),
            Some(written) => check.path(written).map(Some),
        };
        Some(OriginTls { sni: sni?, verify: self.verify.as_ref().is_none_or(|verify| verify.value), ca: ca? })
    }
}
