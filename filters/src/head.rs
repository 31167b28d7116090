//! What a decision may know of a request: borrowed, nothing of the connection but the client's address.

use std::borrow::Cow;
use std::net::IpAddr;

use http::HeaderMap;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::cache::Scheme;
use crate::form::Form;
use crate::session::Record;

/// The head of one request, as every filter sees it.
///
/// The caller has cut the port from `host` and lowered its case, and has resolved `client` through the trusted proxies.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The method token, case kept (RFC 9110 section 9.1: methods are case-sensitive).
    pub method: &'a str,
    /// The host the client asked for: lower case, no port, no trailing dot.
    pub host: &'a str,
    /// The path in normal form, starting with `/` (or `*`).
    pub path: &'a str,
    /// The path as it came.
    pub raw_path: &'a str,
    /// What follows `?`, if anything does, as it came.
    pub query: Option<&'a str>,
    /// The scheme the client used.
    pub scheme: Scheme,
    /// The protocol of the client's connection: `HTTP/1.0`, `HTTP/1.1`, `HTTP/2`.
    pub protocol: &'a str,
    /// All header fields.
    pub headers: &'a HeaderMap,
    /// The client's address.
    pub client: IpAddr,
    /// The form that it brings.
    pub form: Form<'a>,
    /// Its session, if it has a valid one.
    pub session: Option<&'a Record>,
    /// Whether it may wait for its turn under a limit: not where too many wait already.
    pub may_wait: bool,
}

impl<'a> Head<'a> {
    /// A head of its plainest parts: over HTTP/1.1 in plain text, the path in normal form already, no form; it may wait.
    pub fn plain(method: &'a str, host: &'a str, path: &'a str, headers: &'a HeaderMap, client: IpAddr) -> Head<'a> {
        Head {
            method,
            host,
            path,
            raw_path: path,
            query: None,
            scheme: Scheme::Http,
            protocol: "HTTP/1.1",
            headers,
            client,
            form: Form::None,
            session: None,
            may_wait: true,
        }
    }

    /// The first line of a header field as text: what is no UTF-8 in it becomes U+FFFD, and only then it is copied. `""` when it
    /// is missing.
    pub fn header(&self, name: &str) -> Cow<'a, str> {
        self.headers.get(name).map_or(Cow::Borrowed(""), |line| String::from_utf8_lossy(line.as_bytes()))
    }

    /// The line of a header field that has just one, as bytes; empty when it is missing or repeated. How keys read it.
    pub fn only_line(&self, name: &str) -> &'a [u8] {
        let mut lines = self.headers.get_all(name).iter();
        match (lines.next(), lines.next()) {
            (Some(line), None) => line.as_bytes(),
            _ => &[],
        }
    }

    /// The network a client counts as: an IPv4 address alone, an IPv6 address by its /64 (one subscriber holds at least that).
    pub fn client_net(&self) -> IpNet {
        client_net(self.client)
    }
}

/// The network of one client: /32 for IPv4 (mapped addresses included), /64 for IPv6.
pub fn client_net(client: IpAddr) -> IpNet {
    match client.to_canonical() {
        IpAddr::V4(address) => IpNet::V4(Ipv4Net::from(address)),
        IpAddr::V6(address) => match Ipv6Net::new(address, 64) {
            Ok(net) => IpNet::V6(net.trunc()),
            Err(_) => IpNet::V6(Ipv6Net::from(address)),
        },
    }
}
