//! What a decision may know of a request: borrowed, nothing of the connection but the client's address.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The head of one request, as every filter sees it.
///
/// The caller has cut the port from `host` and lowered its case, and has resolved `client` through the trusted proxies.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The method token, case kept (RFC 9110 section 9.1: methods are case-sensitive).
    pub method: &'a str,
    /// The host the client asked for: lower case, no port, no trailing dot.
    pub host: &'a str,
    /// The path as it came, starting with `/` (or `*`): two spellings of one resource are two paths.
    pub path: &'a str,
    /// What follows `?`, if anything does.
    pub query: Option<&'a str>,
    /// All header fields.
    pub headers: &'a HeaderMap,
    /// The client's address.
    pub client: IpAddr,
}

impl<'a> Head<'a> {
    /// The first value of a header field; `""` when it is missing or is not visible ASCII.
    pub fn header(&self, name: &str) -> &'a str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
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
