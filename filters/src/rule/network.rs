//! Membership: in lists and maps, of addresses in networks, and in the named lists of the config with what was put into them or
//! taken out at run time.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::context::Context;
use super::datum::{Datum, lookup};
use super::value::Value;
use crate::head::client_net;
use crate::list::List;

/// Networks known beforehand, few enough to be tried in turn or sorted into ranges.
#[derive(Clone, Debug)]
pub(super) enum Networks {
    Few { v4: Box<[(u32, u32)]>, v6: Box<[(u128, u128)]> },
    Many(std::sync::Arc<List>),
}

/// Up to so many of one family, trying each is quicker.
const FEW: usize = 8;

impl Networks {
    pub(super) fn new(networks: &[IpNet]) -> Networks {
        let mut v4 = Vec::new();
        let mut v6 = Vec::new();
        for network in networks {
            match network {
                IpNet::V4(net) => v4.push((net.network().to_bits(), net.netmask().to_bits())),
                IpNet::V6(net) => v6.push((net.network().to_bits(), net.netmask().to_bits())),
            }
        }
        if v4.len() > FEW || v6.len() > FEW {
            return Networks::Many(std::sync::Arc::new(List::addresses(networks.to_vec())));
        }
        Networks::Few { v4: v4.into(), v6: v6.into() }
    }

    #[inline]
    pub(super) fn contain(&self, address: IpAddr) -> bool {
        match (self, address) {
            (Networks::Few { v4, .. }, IpAddr::V4(address)) => {
                let bits = address.to_bits();
                v4.iter().any(|(network, mask)| bits & mask == *network)
            }
            (Networks::Few { v6, .. }, IpAddr::V6(address)) => {
                let bits = address.to_bits();
                v6.iter().any(|(network, mask)| bits & mask == *network)
            }
            (Networks::Many(list), _) => list.has_address(address),
        }
    }
}

/// `item in list`, `key in map`.
pub(super) fn member(item: Datum<'_>, set: Datum<'_>) -> bool {
    match set {
        Datum::List(elements) => elements.iter().any(|element| element.equals(item)),
        Datum::Map(entries) => lookup(entries, item).is_some(),
        _ => false,
    }
}

/// `ip in cidr`, `ip in [cidr, ...]`, `ip in [ip, ...]`.
pub(super) fn within(item: Datum<'_>, set: Datum<'_>) -> bool {
    let Datum::Scalar(Value::Ip(address)) = item else { return false };
    match set {
        Datum::Scalar(Value::Cidr(network)) => network.contains(&address.to_canonical()),
        Datum::List(elements) => elements
            .iter()
            .any(|element| element.equals(item) || matches!(element, Datum::Scalar(_)) && within(item, *element)),
        _ => false,
    }
}

/// `item in lists.NAME`: what happened to it at run time, or else whether the list was made with it. An IPv6 address counts by
/// itself and by its /64, since that is what one subscriber holds.
pub(super) fn listed(item: Datum<'_>, list: usize, context: &Context<'_>) -> bool {
    let base = context.tables.lists.get(list);
    let changed = context.reads.has_listed(list, context);
    match item {
        Datum::Scalar(Value::String(text)) => {
            let told = if changed { context.reads.listed(list, text, context) } else { None };
            told.unwrap_or_else(|| base.is_some_and(|base| base.has_string(text)))
        }
        Datum::Scalar(Value::Ip(address)) => {
            let told = if changed { told(address, list, context) } else { None };
            told.unwrap_or_else(|| base.is_some_and(|base| base.has_address(address)))
        }
        _ => false,
    }
}

/// What was said of an address at run time. The narrower network is more to the point.
fn told(address: IpAddr, list: usize, context: &Context<'_>) -> Option<bool> {
    let ask = |network: IpNet| {
        let mut text = NetText::default();
        write!(text, "{network}").ok()?;
        context.reads.listed(list, text.as_str(), context)
    };
    let address = address.to_canonical();
    ask(IpNet::from(address)).or_else(|| match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(_) => ask(client_net(address)),
    })
}

/// Room for the longest network in text: `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128`.
const NET_TEXT_MAX: usize = 50;

/// A network in text, on the stack.
struct NetText {
    bytes: [u8; NET_TEXT_MAX],
    len: usize,
}

impl Default for NetText {
    fn default() -> NetText {
        NetText { bytes: [0; NET_TEXT_MAX], len: 0 }
    }
}

impl NetText {
    fn as_str(&self) -> &str {
        self.bytes.get(..self.len).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("")
    }
}

impl Write for NetText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// An address as text says it. IPv4 in IPv6 form is the IPv4 address (RFC 4291 section 2.5.5.2), but not in dotted form, as the
/// CEL specification's network extension has it.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok()?;
    let canonical = address.to_canonical();
    if canonical != address && text.contains('.') { None } else { Some(canonical) }
}

/// A network as text says it, by the rules of the literals: no bits behind the prefix, no IPv4 in IPv6 form; a bare address is
/// the network of that address alone.
pub(super) fn network(text: &str) -> Option<IpNet> {
    let net: IpNet = if text.contains('/') { text.parse().ok()? } else { IpNet::from(text.parse::<IpAddr>().ok()?) };
    if net.addr().to_canonical() != net.addr() || net != net.trunc() { None } else { Some(net) }
}

/// Not the unspecified address, broadcast, loopback, multicast or link-local: private addresses are global unicast here, as in
/// the CEL specification's network extension.
pub(super) fn is_global_unicast(address: IpAddr) -> bool {
    let special = address.is_unspecified() || address.is_loopback() || address.is_multicast();
    !special && !is_link_local_unicast(address) && address != IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// 169.254.0.0/16 (RFC 3927) and fe80::/10 (RFC 4291).
pub(super) fn is_link_local_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// 224.0.0.0/24 (RFC 5771) and the link-local scope of IPv6 multicast, whatever its flags (RFC 4291 section 2.7).
pub(super) fn is_link_local_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => matches!(v4.octets(), [224, 0, 0, _]),
        IpAddr::V6(v6) => scope(v6) == 0xff02,
    }
}

fn scope(address: Ipv6Addr) -> u16 {
    let [first, ..] = address.segments();
    first & 0xff0f
}
