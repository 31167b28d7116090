//! Bans: a client network that is refused everywhere until an instant.
//!
//! A ban's subject is the text of a network (`192.0.2.9/32`), so that operators read what they wrote. The text is built on
//! the stack: this runs for every request.

use std::fmt::Write;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use selvedge_state::{Store, TEXT_MAX, Time};

use crate::decision::{BanOrigin, Verdict};
use crate::site::SiteId;

/// What the reason of a ban made by a limit's penalty starts with. Operators may not write it.
pub const PENALTY_PREFIX: &str = "limit:";

/// What the reason of a ban made by a rule starts with. Operators may not write it either.
pub const RULE_PREFIX: &str = "rule:";

/// The longest text of a network: eight groups, seven colons, `/128`.
const SUBJECT_MAX: usize = 48;

/// The subject of a ban as text, on the stack.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    text: [u8; SUBJECT_MAX],
    len: usize,
}

impl Subject {
    /// The subject for a client network.
    pub fn of(net: IpNet) -> Subject {
        let mut subject = Subject { text: [0; SUBJECT_MAX], len: 0 };
        // Neither can fail: SUBJECT_MAX holds the longest network there is.
        let _ = match net {
            IpNet::V4(net) => subject.write_v4(net),
            IpNet::V6(net) => write!(subject, "{net}"),
        };
        subject
    }

    /// What `Display` writes, at a fraction of its price: most clients are IPv4, and each request asks.
    fn write_v4(&mut self, net: Ipv4Net) -> std::fmt::Result {
        for (nth, octet) in net.addr().octets().into_iter().enumerate() {
            if nth > 0 {
                self.write_char('.')?;
            }
            self.write_number(octet)?;
        }
        self.write_char('/')?;
        self.write_number(net.prefix_len())
    }

    fn write_number(&mut self, number: u8) -> std::fmt::Result {
        let digit = |digit: u8| char::from(b'0' + digit % 10);
        if number >= 100 {
            self.write_char(digit(number / 100))?;
        }
        if number >= 10 {
            self.write_char(digit(number / 10))?;
        }
        self.write_char(digit(number))
    }

    /// The text, `address/prefix`.
    pub fn as_str(&self) -> &str {
        self.text.get(..self.len).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or("")
    }
}

impl Write for Subject {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        let end = self.len + part.len();
        let room = self.text.get_mut(self.len..end).ok_or(std::fmt::Error)?;
        room.copy_from_slice(part.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// Whether a client network is banned now, and how to answer if it is.
pub(crate) fn banned(net: IpNet, site: Option<SiteId>, store: &Store, now: Time) -> Option<Verdict> {
    let ban = store.banned(Subject::of(net).as_str(), now)?;
    let remaining = Duration::from_millis(ban.until.0.saturating_sub(now.0));
    let made_by = |prefix| ban.reason.starts_with(prefix);
    let origin = match () {
        () if made_by(PENALTY_PREFIX) => BanOrigin::Penalty,
        () if made_by(RULE_PREFIX) => BanOrigin::Rule,
        () => BanOrigin::Operator,
    };
    Some(Verdict::Banned { site, ban, remaining, origin })
}

/// The reason of a ban that a limit or a rule makes. Names are cut to what a reason may hold: else those with the longest names
/// could not ban.
pub(crate) fn reason(prefix: &str, name: &str) -> Box<str> {
    let end = name.floor_char_boundary(TEXT_MAX - prefix.len());
    format!("{prefix}{}", name.get(..end).unwrap_or(name)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_network_fits() {
        let net: IpNet = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128".parse().unwrap();
        assert_eq!(Subject::of(net).as_str(), net.to_string());
    }

    #[test]
    fn a_network_is_written_as_everywhere() {
        for net in ["0.0.0.0/0", "10.20.30.4/8", "192.0.2.9/32", "255.100.99.10/32", "1.10.100.0/24", "2001:db8::/64"] {
            assert_eq!(Subject::of(net.parse().unwrap()).as_str(), net);
        }
    }

    #[test]
    fn the_longest_name_still_makes_a_reason() {
        let name = "n".repeat(64);
        assert_eq!(reason(PENALTY_PREFIX, &name).len(), TEXT_MAX);
        assert_eq!(&*reason(RULE_PREFIX, "short"), "rule:short");
    }
}
