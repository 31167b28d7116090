//! Hosts and the servers of an origin.

use std::net::{IpAddr, Ipv6Addr};

use super::{Wrong, shown};
use crate::origin::{Scheme, Server};

/// A host name (RFC 1123 section 2.1) or an IP address, in lower case; an IPv6 address without brackets.
pub(crate) fn host_name(text: &str) -> Result<String, Wrong> {
    let lower = text.to_ascii_lowercase();
    if lower.parse::<IpAddr>().is_ok() || is_name(&lower) {
        return Ok(lower);
    }
    Err(Wrong::new(format!("`{}` is not a host name", shown(text))))
}

/// RFC 1035 section 2.3.4 bounds a name at 253 characters and a label at 63. The underscore is in no host name of the
/// RFCs, and in many of real networks.
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// A server: `https://host:8443`, `http://host`, `host:8000` (plain text) or `[2001:db8::1]:8000`.
pub(crate) fn server(text: &str) -> Result<Server, Wrong> {
    let malformed = |help: &str| Wrong::new(format!("`{}` is not a server", shown(text))).advice(help);
    let (scheme, authority) = match text.split_once("://") {
        None => (Scheme::Http, text),
        Some(("http", rest)) => (Scheme::Http, rest),
        Some(("https", rest)) => (Scheme::Https, rest),
        Some(_) => return Err(malformed("the schemes are http and https")),
    };
    if authority.contains(['/', '?', '#', '@']) {
        return Err(malformed("a server is a scheme, a host and a port, without path, query or user"));
    }
    let (host, port) = split_port(authority).map_err(malformed)?;
    let host = host_name(host).map_err(|wrong| wrong.advice("write it as \"https://app.example.net:8443\""))?;
    let port = match (port, scheme) {
        (Some(port), _) => port,
        (None, Scheme::Http) => 80,
        (None, Scheme::Https) => 443,
    };
    Ok(Server { scheme, host, port })
}

/// The host, and the port if one is written. RFC 3986 section 3.2.2: an IPv6 address is in brackets.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("the `[` of the IPv6 address is not closed")?;
            host.parse::<Ipv6Addr>().map_err(|_| "between brackets stands an IPv6 address")?;
            match after.strip_prefix(':') {
                None if after.is_empty() => return Ok((host, None)),
                None => return Err("after the `]` comes `:` and a port, or nothing"),
                Some(port) => (host, port),
            }
        }
        None if authority.parse::<Ipv6Addr>().is_ok() => return Err("write an IPv6 address in brackets"),
        None => match authority.rsplit_once(':') {
            None => return Ok((authority, None)),
            Some(parts) => parts,
        },
    };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(port) if digits && port > 0 => Ok((host, Some(port))),
        _ => Err("the port is a number from 1 to 65535"),
    }
}
