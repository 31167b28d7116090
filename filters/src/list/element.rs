//! An element of a list as an operator writes it, in the spelling under which rules look it up.

use std::net::IpAddr;

use ipnet::IpNet;
use selvedge_conf::expr::ListKind;
use selvedge_state::ELEMENT_MAX;

use crate::head::client_net;

/// The element that a text means in a list of this kind: addresses as the network of one address, IPv4 never in IPv6 form.
///
/// # Errors
/// In words, when it cannot be put into such a list, or taken out of it, while the program runs.
pub fn element(kind: ListKind, text: &str) -> Result<String, String> {
    match kind {
        ListKind::Needles => Err("a list of needles cannot be changed at run time: change its file".to_owned()),
        ListKind::Patterns => Err("a list of patterns cannot be changed at run time: change its file".to_owned()),
        ListKind::Strings if (1..=ELEMENT_MAX).contains(&text.len()) => Ok(text.to_owned()),
        ListKind::Strings => {
            Err(format!("an element of a list has 1 to {ELEMENT_MAX} bytes at run time, this one has {}", text.len()))
        }
        ListKind::Addresses => address(text),
    }
}

fn address(text: &str) -> Result<String, String> {
    let one = |address: IpAddr| IpNet::from(address.to_canonical()).to_string();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(one(address));
    }
    let net: IpNet = text.parse().map_err(|_| format!("{text:?} is neither an address nor a network"))?;
    if net.prefix_len() == net.max_prefix_len() {
        return Ok(one(net.addr()));
    }
    // The two networks that rules look up for a client (`rule::network`).
    let of_client = client_net(net.addr());
    if (of_client.prefix_len(), of_client.max_prefix_len()) == (net.prefix_len(), net.max_prefix_len()) {
        return Ok(of_client.to_string());
    }
    Err(format!(
        "{} is not the network of one client: at run time a list takes addresses and IPv6 networks of /64; others belong into its file",
        net.trunc()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_spelling() {
        for (text, spelt) in [
            ("192.0.2.9", "192.0.2.9/32"),
            ("192.0.2.9/32", "192.0.2.9/32"),
            ("::ffff:192.0.2.9", "192.0.2.9/32"),
            ("::ffff:192.0.2.9/128", "192.0.2.9/32"),
            ("2001:DB8::1", "2001:db8::1/128"),
            ("2001:db8::1/64", "2001:db8::/64"),
        ] {
            assert_eq!(element(ListKind::Addresses, text).as_deref(), Ok(spelt), "{text}");
        }
        for (text, wrong) in [
            ("192.0.2.0/24", "192.0.2.0/24 is not the network of one client"),
            ("2001:db8::/48", "2001:db8::/48 is not"),
            ("::ffff:192.0.2.9/64", "::/64 is not"),
            ("x", "\"x\" is neither"),
        ] {
            let error = element(ListKind::Addresses, text).unwrap_err();
            assert!(error.starts_with(wrong), "{error}");
        }
    }

    #[test]
    fn strings_are_bounded_and_other_kinds_refused() {
        assert_eq!(element(ListKind::Strings, "a b").as_deref(), Ok("a b"));
        for (kind, text) in [
            (ListKind::Strings, String::new()),
            (ListKind::Strings, "x".repeat(ELEMENT_MAX + 1)),
            (ListKind::Needles, "x".to_owned()),
            (ListKind::Patterns, "x".to_owned()),
        ] {
            assert!(element(kind, &text).is_err(), "{kind:?} {text}");
        }
    }
}
