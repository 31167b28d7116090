//! Addresses and networks.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::{Wrong, shown};

/// An address and port to bind.
pub(crate) fn socket(text: &str) -> Result<SocketAddr, Wrong> {
    text.parse().map_err(|_| {
        let wrong = Wrong::new(format!("`{}` is not an address with a port", shown(text)));
        if !text.is_empty() && text.parse::<u16>().is_ok() {
            wrong.help(format!("write \"0.0.0.0:{text}\""))
        } else if text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()) {
            wrong.help(format!("write \"0.0.0.0{text}\""))
        } else {
            wrong.advice("write it as \"0.0.0.0:8080\" or \"[::]:8080\"")
        }
    })
}

/// One address.
pub(crate) fn ip(text: &str) -> Result<IpAddr, Wrong> {
    let address: IpAddr = text.parse().map_err(|_| {
        let wrong = Wrong::new(format!("`{}` is not an IP address", shown(text)));
        if text.contains('/') { wrong.advice("a network is written with `cidr`") } else { wrong }
    })?;
    unmapped(address, text)?;
    Ok(address)
}

/// A network without host bits; a bare address is the network of that address alone.
pub(crate) fn network(text: &str) -> Result<IpNet, Wrong> {
    let malformed = || {
        Wrong::new(format!("`{}` is not a network", shown(text)))
            .advice("write it as \"192.0.2.0/24\" or \"2001:db8::/32\"")
    };
    let net: IpNet = if text.contains('/') {
        text.parse().map_err(|_| malformed())?
    } else {
        IpNet::from(text.parse::<IpAddr>().map_err(|_| malformed())?)
    };
    unmapped(net.addr(), text)?;
    if net != net.trunc() {
        let wrong = Wrong::new(format!("`{}` has bits set behind its prefix", shown(text)));
        return Err(wrong.help(format!("write \"{}\"", net.trunc())));
    }
    Ok(net)
}

/// RFC 4291 section 2.5.5.2: `::ffff:192.0.2.1` is the IPv4 address in other clothes. Clients are known by the IPv4
/// form, so the mapped form would never match.
fn unmapped(address: IpAddr, text: &str) -> Result<(), Wrong> {
    let canonical = address.to_canonical();
    if canonical == address {
        return Ok(());
    }
    let wrong = Wrong::new(format!("`{}` is an IPv4 address in IPv6 form, which never matches", shown(text)));
    Err(wrong.help(format!("write it as IPv4: {canonical}")))
}
