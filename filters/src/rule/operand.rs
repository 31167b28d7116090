//! The values a condition compares: literals, and what the request holds. Reading one borrows, computes at most a length,
//! and cannot fail.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::head::Head;

/// A string.
#[derive(Clone, Debug)]
pub(super) enum Text {
    Literal(Box<str>),
    Method,
    Host,
    Path,
    /// By name, in lower case.
    Header(Box<str>),
}

/// An integer.
#[derive(Clone, Debug)]
pub(super) enum Number {
    Literal(i64),
    /// The number of characters.
    Size(Text),
}

/// An address. Literals are never IPv4 in IPv6 form, so the client's address is brought to the same form.
#[derive(Clone, Copy, Debug)]
pub(super) enum Address {
    Literal(IpAddr),
    Client,
}

/// A network.
#[derive(Clone, Copy, Debug)]
pub(super) enum Network {
    Literal(IpNet),
    Client,
}

impl Text {
    pub(super) fn read<'a>(&'a self, head: &Head<'a>) -> &'a str {
        match self {
            Text::Literal(text) => text,
            Text::Method => head.method,
            Text::Host => head.host,
            Text::Path => head.path,
            Text::Header(name) => head.header(name),
        }
    }
}

impl Number {
    pub(super) fn read(&self, head: &Head<'_>) -> i64 {
        match self {
            Number::Literal(number) => *number,
            Number::Size(text) => i64::try_from(text.read(head).chars().count()).unwrap_or(i64::MAX),
        }
    }
}

impl Address {
    pub(super) fn read(self, head: &Head<'_>) -> IpAddr {
        match self {
            Address::Literal(address) => address,
            Address::Client => head.client.to_canonical(),
        }
    }
}

impl Network {
    pub(super) fn read(self, head: &Head<'_>) -> IpNet {
        match self {
            Network::Literal(network) => network,
            Network::Client => head.client_net(),
        }
    }
}
