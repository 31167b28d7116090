//! Named lists as rules ask them: addresses as sorted ranges behind a /16 index, strings in a set, needles in one Aho-Corasick
//! automaton, patterns in small sets of regular expressions ([`patterns`]). Made once from the elements; what is added or removed at run time is
//! in the store and looked at beside.

mod element;
mod patterns;
mod ranges;

use std::collections::HashSet;
use std::net::IpAddr;

use aho_corasick::AhoCorasick;
use ipnet::IpNet;
use selvedge_conf::expr::ListKind;

pub use element::element;
use patterns::Patterns;
pub use patterns::{PATTERNS_MAX, PATTERNS_SIZE_MAX};
use ranges::Ranges;

/// One named list, ready to be asked. What another kind of list would know is not in it.
#[derive(Debug)]
pub struct List {
    kind: Kind,
    len: usize,
}

#[derive(Debug)]
enum Kind {
    Addresses { v4: Ranges<u32>, v6: Ranges<u128> },
    Strings(HashSet<Box<str>>),
    Needles(AhoCorasick),
    Patterns(Patterns),
}

/// Why a list cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable(String);

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unusable {}

impl List {
    /// A list of addresses and networks; overlapping and neighbouring ones become one range. IPv4 networks in IPv6 form
    /// (RFC 4291 section 2.5.5.2) count as IPv4.
    pub fn addresses(networks: Vec<IpNet>) -> List {
        let mut v4 = Vec::new();
        let mut v6 = Vec::new();
        let len = networks.len();
        for network in networks {
            let (first, last) = (network.network(), network.broadcast());
            match (first.to_canonical(), last.to_canonical()) {
                (IpAddr::V4(first), IpAddr::V4(last)) => v4.push((first.to_bits(), last.to_bits())),
                // A larger network around the mapped addresses is one of IPv6.
                _ => {
                    if let (IpAddr::V6(first), IpAddr::V6(last)) = (first, last) {
                        v6.push((first.to_bits(), last.to_bits()));
                    }
                }
            }
        }
        List { kind: Kind::Addresses { v4: Ranges::new(v4), v6: Ranges::new(v6) }, len }
    }

    /// A list of whole strings.
    pub fn strings(strings: Vec<String>) -> List {
        let set: HashSet<Box<str>> = strings.into_iter().map(String::into_boxed_str).collect();
        let len = set.len();
        List { kind: Kind::Strings(set), len }
    }

    /// A list of pieces of text, found anywhere; upper and lower case differ.
    ///
    /// # Errors
    /// When the automaton would be too large.
    pub fn needles(needles: Vec<String>) -> Result<List, Unusable> {
        let automaton = AhoCorasick::new(&needles).map_err(|error| Unusable(error.to_string()))?;
        Ok(List { kind: Kind::Needles(automaton), len: needles.len() })
    }

    /// A list of regular expressions, found anywhere; at most [`PATTERNS_MAX`], compiled to at most [`PATTERNS_SIZE_MAX`].
    ///
    /// # Errors
    /// When one is no regular expression, or all together are too many or too large.
    pub fn patterns(patterns: Vec<String>) -> Result<List, Unusable> {
        Ok(List { kind: Kind::Patterns(Patterns::new(&patterns)?), len: patterns.len() })
    }

    /// Elements it was made of; the same string twice is one.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it was made of none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What it holds.
    pub fn kind(&self) -> ListKind {
        match self.kind {
            Kind::Addresses { .. } => ListKind::Addresses,
            Kind::Strings(_) => ListKind::Strings,
            Kind::Needles(_) => ListKind::Needles,
            Kind::Patterns(_) => ListKind::Patterns,
        }
    }

    /// Memory it takes, in bytes, about: of patterns a bound that is at most twice what they take.
    pub fn bytes(&self) -> usize {
        match &self.kind {
            Kind::Addresses { v4, v6 } => v4.bytes() + v6.bytes(),
            Kind::Strings(set) => {
                set.capacity() * (size_of::<Box<str>>() + 1) + set.iter().map(|text| text.len()).sum::<usize>()
            }
            Kind::Needles(automaton) => automaton.memory_usage(),
            Kind::Patterns(patterns) => patterns.bytes(),
        }
    }

    /// Whether an address is in a list of addresses; IPv4 in IPv6 form counts as IPv4.
    pub fn has_address(&self, address: IpAddr) -> bool {
        match (&self.kind, address.to_canonical()) {
            (Kind::Addresses { v4, .. }, IpAddr::V4(address)) => v4.contains(address.to_bits()),
            (Kind::Addresses { v6, .. }, IpAddr::V6(address)) => v6.contains(address.to_bits()),
            _ => false,
        }
    }

    /// Whether a whole string is in a list of strings.
    pub fn has_string(&self, text: &str) -> bool {
        match &self.kind {
            Kind::Strings(set) => set.contains(text),
            _ => false,
        }
    }

    /// Whether a piece or a pattern of a list of needles or patterns is found in a text.
    pub fn found_in(&self, text: &str) -> bool {
        match &self.kind {
            Kind::Needles(automaton) => automaton.is_match(text),
            Kind::Patterns(patterns) => patterns.found_in(text),
            _ => false,
        }
    }
}
