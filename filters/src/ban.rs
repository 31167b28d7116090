//! Bans: a client network that is refused everywhere until an instant.
//!
//! A ban's subject is the text of a network (`192.0.2.9/32`), so that operators read what they wrote. The text is built on
//! the stack: this runs for every request.

use std::fmt::Write;
use std::time::Duration;

use ipnet::IpNet;
use selvedge_state::{Store, Time};

use crate::decision::{BanOrigin, Verdict};
use crate::site::SiteId;

/// What the reason of a ban made by a limit's penalty starts with. Operators may not write it.
pub const PENALTY_PREFIX: &str = "limit:";

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
        // Cannot fail: SUBJECT_MAX holds the longest network there is.
        let _ = write!(subject, "{net}");
        subject
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
    let origin = if ban.reason.starts_with(PENALTY_PREFIX) { BanOrigin::Penalty } else { BanOrigin::Operator };
    Some(Verdict::Banned { site, ban, remaining, origin })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_network_fits() {
        let net: IpNet = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128".parse().unwrap();
        assert_eq!(Subject::of(net).as_str(), net.to_string());
    }
}
