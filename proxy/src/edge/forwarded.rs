//! Who the client is, and what origins are told about it.
//!
//! Forwarded headers are believed only from `trusted_proxies`: the client is the right-most address in `X-Forwarded-For` that
//! is not itself a trusted proxy. From anybody else they are removed, so that nobody chooses the address they are limited by.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use pingora::http::RequestHeader;
use selvedge_filters::cache::Scheme;

/// Header fields by which a client could pretend to be another or to ask for something else than rules and cache see; removed
/// unless a trusted proxy sent them. `X-Forwarded-*` go as well, and spellings with `_` that origins take for the same.
const CLAIMS: [&str; 7] =
    ["forwarded", "x-forwarded", "x-host", "x-http-method-override", "x-original-url", "x-real-ip", "x-rewrite-url"];

fn is_claim(name: &str) -> bool {
    let name = name.replace('_', "-");
    name.starts_with("x-forwarded-") || CLAIMS.contains(&name.as_str())
}

/// Whether the connection's other end is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// It is in `trusted_proxies`.
    Proxy,
    /// It is a client like any other.
    Client,
}

/// The client of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Client {
    /// Whom limits and bans count.
    pub address: IpAddr,
    /// Whether `address` comes from a header.
    pub via: Trust,
}

/// Finds the client behind a connection.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
    let peer = peer.to_canonical();
    let trusts = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if !trusts(&peer) {
        return Client { address: peer, via: Trust::Client };
    }
    let mut address = peer;
    let fields = headers.get_all("x-forwarded-for").iter().rev();
    for hop in fields.flat_map(|field| field.to_str().unwrap_or("").rsplit(',')) {
        // What cannot be read cannot be skipped either: the client is the last hop that could be.
        let Some(hop) = parse_hop(hop) else { break };
        address = hop;
        if !trusts(&hop) {
            break;
        }
    }
    Client { address, via: Trust::Proxy }
}

/// One element of `X-Forwarded-For`: an address, perhaps with a port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = hop.parse::<IpAddr>().ok();
    let with_port = || hop.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    bare.or_else(with_port).map(|address| address.to_canonical())
}

/// The scheme the client used: its connection's, or what a trusted proxy says of its own.
pub(super) fn scheme(client: Client, connection: Scheme, headers: &HeaderMap) -> Scheme {
    let said = headers.get_all("x-forwarded-proto").iter().next_back().and_then(|field| field.to_str().ok());
    match (client.via, said.and_then(|field| field.rsplit(',').next()).map(str::trim)) {
        (Trust::Proxy, Some("https")) => Scheme::Https,
        (Trust::Proxy, Some("http")) => Scheme::Http,
        _ => connection,
    }
}

/// Removes what a client that is not believed claims.
pub(super) fn drop_claims(request: &mut RequestHeader, client: Client) {
    if client.via == Trust::Proxy {
        return;
    }
    let claims: Vec<HeaderName> = request.headers.keys().filter(|name| is_claim(name.as_str())).cloned().collect();
    for claim in &claims {
        request.remove_header(claim);
    }
}

/// Tells the origin about the client, whose claims are gone: appends the connection's other end to `X-Forwarded-For` and states host and scheme.
///
/// # Errors
/// When a value is no valid header value, which addresses and checked hosts are not.
pub(super) fn describe(
    request: &mut RequestHeader,
    peer: IpAddr,
    client: Client,
    authority: &str,
    scheme: &'static str,
) -> pingora::Result<()> {
    let mut hops = String::new();
    if client.via == Trust::Proxy {
        for field in request.headers.get_all("x-forwarded-for") {
            hops.push_str(field.to_str().unwrap_or(""));
            hops.push_str(", ");
        }
    }
    hops.push_str(&peer.to_canonical().to_string());
    request.insert_header("x-forwarded-for", hops)?;
    request.insert_header("x-forwarded-host", authority)?;
    request.insert_header("x-forwarded-proto", scheme)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        client(peer.parse().unwrap(), &headers, &trusted).address.to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(found("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
    }

    #[test]
    fn behind_trusted_proxies_the_right_most_stranger_is_the_client() {
        assert_eq!(found("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(found("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.2.2.2"]), "198.51.100.7");
        assert_eq!(found("10.0.0.1", &["203.0.113.9", "198.51.100.7"]), "198.51.100.7");
        assert_eq!(found("::ffff:10.0.0.1", &["[2001:db8::1]:443"]), "2001:db8::1");
    }

    #[test]
    fn what_cannot_be_read_ends_the_search() {
        assert_eq!(found("10.0.0.1", &["198.51.100.7, unknown, 10.2.2.2"]), "10.2.2.2");
        assert_eq!(found("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn every_spelling_of_a_claim_is_known() {
        for claim in ["forwarded", "x-forwarded-for", "x_forwarded_for", "x-forwarded-scheme", "x-original-url"] {
            assert!(is_claim(claim), "{claim}");
        }
        assert!(!is_claim("x-request-id") && !is_claim("x-for"));
    }

    #[test]
    fn only_a_trusted_proxy_says_which_scheme_it_was() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-proto", "http, https".parse().unwrap());
        let client = |via| Client { address: "192.0.2.1".parse().unwrap(), via };
        assert_eq!(scheme(client(Trust::Proxy), Scheme::Http, &headers), Scheme::Https);
        assert_eq!(scheme(client(Trust::Client), Scheme::Http, &headers), Scheme::Http);
        assert_eq!(scheme(client(Trust::Proxy), Scheme::Https, &HeaderMap::new()), Scheme::Https);
    }
}
