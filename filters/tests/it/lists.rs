//! Named lists against the plainest way to do the same.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::prelude::*;
use selvedge_conf::expr::ListKind;
use selvedge_filters::list::{List, PATTERNS_MAX, PATTERNS_SIZE_MAX};

fn list(networks: &[&str]) -> List {
    List::addresses(networks.iter().map(|network| network.parse().unwrap()).collect())
}

fn has(list: &List, address: &str) -> bool {
    list.has_address(address.parse().unwrap())
}

#[test]
fn the_ends_of_the_address_space() {
    let ends = list(&["0.0.0.0/32", "255.255.255.255/32", "::/128", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"]);
    assert_eq!(ends.len(), 4);
    for (address, expected) in [
        ("0.0.0.0", true),
        ("0.0.0.1", false),
        ("255.255.255.254", false),
        ("255.255.255.255", true),
        ("::", true),
        ("::1", false),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", false),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true),
    ] {
        assert_eq!(has(&ends, address), expected, "{address}");
    }
}

#[test]
fn everything_of_one_family_is_nothing_of_the_other() {
    let (v4, v6) = (list(&["0.0.0.0/0"]), list(&["::/0"]));
    for address in ["0.0.0.0", "192.0.2.1", "255.255.255.255", "::ffff:192.0.2.1"] {
        assert!(has(&v4, address) && !has(&v6, address), "{address}");
    }
    for address in ["::", "2001:db8::1", "ffff::"] {
        assert!(has(&v6, address) && !has(&v4, address), "{address}");
    }
}

#[test]
fn mapped_networks_are_ipv4_and_networks_around_them_are_not() {
    let mapped = list(&["::ffff:192.0.2.0/120"]);
    assert!(has(&mapped, "192.0.2.200") && has(&mapped, "::ffff:192.0.2.200") && !has(&mapped, "192.0.3.0"));
    let around = list(&["::/80"]);
    assert!(has(&around, "::1:0:1") && !has(&around, "192.0.2.1"));
}

#[test]
fn an_empty_list_has_nothing() {
    let nothing = list(&[]);
    assert!(nothing.is_empty() && !has(&nothing, "0.0.0.0") && !has(&nothing, "::"));
    let needles = List::needles(Vec::new()).unwrap();
    assert!(!needles.found_in("") && !needles.found_in("a"));
    assert!(!List::patterns(Vec::new()).unwrap().found_in("a"));
}

#[test]
fn strings_are_whole_needles_anywhere_patterns_as_they_say() {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let strings = List::strings(texts(&["/a", "/b", "/a"]));
    assert!(strings.has_string("/a") && !strings.has_string("/a/") && !strings.has_string("/A"));
    assert_eq!((strings.len(), strings.kind()), (2, ListKind::Strings));
    let needles = List::needles(texts(&["bot", "crawl"])).unwrap();
    assert!(needles.found_in("a robot") && !needles.found_in("a roBot"));
    let patterns = List::patterns(texts(&["^/a+$", "b{2}"])).unwrap();
    assert!(patterns.found_in("/aaa") && patterns.found_in("/xbb") && !patterns.found_in("/aab"));
}

#[test]
fn a_list_of_another_kind_says_no() {
    let strings = List::strings(vec!["192.0.2.1".to_owned()]);
    assert!(!has(&strings, "192.0.2.1") && !strings.found_in("192.0.2.1"));
    let addresses = list(&["192.0.2.1/32"]);
    assert!(!addresses.has_string("192.0.2.1") && !addresses.found_in("192.0.2.1"));
}

/// Each of these keeps states of its own alive to the end of a text: together they are more than one automaton's memory holds.
fn patterns_that_go_on(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("(?i)[a-z]+{n}[a-z]*=.*(select|union){n}")).collect()
}

#[test]
fn many_patterns_are_small_sets() {
    let list = List::patterns(patterns_that_go_on(PATTERNS_MAX)).unwrap();
    assert_eq!((list.len(), list.bytes()), (PATTERNS_MAX, PATTERNS_SIZE_MAX));
    // The first, one in between, the last; behind padding too.
    let padding = "/aa1".repeat(4096);
    for n in [0, 777, PATTERNS_MAX - 1] {
        assert!(list.found_in(&format!("/a{n}=x&UNION{n}")), "{n}");
        assert!(list.found_in(&format!("{padding}/a{n}=x&union{n}")), "{n}");
    }
    assert!(!list.found_in(&padding));
    let error = List::patterns(patterns_that_go_on(PATTERNS_MAX + 1)).unwrap_err();
    assert_eq!(error.to_string(), "2049 patterns in one list; at most 2048 are possible");
}

#[test]
fn unusable_patterns_are_refused() {
    let error = List::patterns(vec!["a".to_owned(), "(".to_owned()]).unwrap_err();
    assert!(error.to_string().contains("unclosed group"), "{error}");
    assert!(List::patterns(vec![r"(\w{1000}){1000}".to_owned()]).is_err(), "too large when compiled");
}

#[test]
fn many_networks_take_little_memory() {
    let networks = (0..100_000_u32).map(|n| IpNet::V4(Ipv4Net::new(Ipv4Addr::from_bits(n << 12), 24).unwrap()));
    let list = List::addresses(networks.collect());
    assert_eq!(list.len(), 100_000);
    assert!(list.bytes() <= 100_000 * 8 + (1 << 16) * 4 + 1024, "{}", list.bytes());
}

fn v4_networks() -> impl Strategy<Value = IpNet> {
    // Dense addresses, so that ranges overlap, touch and share their top bits; and any.
    let address =
        prop_oneof![any::<u32>(), (0_u32..4, 0_u32..512).prop_map(|(top, low)| top << 16 | low), Just(u32::MAX)];
    let length = prop_oneof![Just(32_u8), 0..=32_u8, 20..=32_u8];
    (address, length)
        .prop_map(|(address, length)| IpNet::V4(Ipv4Net::new(Ipv4Addr::from_bits(address), length).unwrap().trunc()))
}

fn v6_networks() -> impl Strategy<Value = IpNet> {
    let address =
        prop_oneof![any::<u128>(), (0_u128..4, 0_u128..512).prop_map(|(top, low)| top << 112 | low), Just(u128::MAX)];
    let length = prop_oneof![Just(128_u8), 0..=128_u8, 110..=128_u8];
    (address, length)
        .prop_map(|(address, length)| IpNet::V6(Ipv6Net::new(Ipv6Addr::from_bits(address), length).unwrap().trunc()))
}

/// Small networks all over.
fn scattered() -> impl Strategy<Value = IpNet> {
    let v4 = (any::<u32>(), 28..=32_u8)
        .prop_map(|(address, length)| IpNet::V4(Ipv4Net::new(Ipv4Addr::from_bits(address), length).unwrap().trunc()));
    let v6 = (any::<u128>(), 40..=128_u8)
        .prop_map(|(address, length)| IpNet::V6(Ipv6Net::new(Ipv6Addr::from_bits(address), length).unwrap().trunc()));
    prop_oneof![v4, v6]
}

/// The edges of every network and their neighbours, and some others.
fn questions(networks: &[IpNet], others: &[u128]) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for network in networks {
        match (network.network(), network.broadcast()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                let (first, last) = (first.to_bits(), last.to_bits());
                let near = [first, first.wrapping_sub(1), last, last.wrapping_add(1)];
                found.extend(near.map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))));
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                let (first, last) = (first.to_bits(), last.to_bits());
                let near = [first, first.wrapping_sub(1), last, last.wrapping_add(1)];
                found.extend(near.map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))));
            }
            _ => unreachable!("one network, one family"),
        }
    }
    for bits in others {
        found.push(IpAddr::V4(Ipv4Addr::from_bits(*bits as u32)));
        found.push(IpAddr::V6(Ipv6Addr::from_bits(*bits)));
    }
    found.extend(
        ["0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]
            .map(|text| text.parse::<IpAddr>().unwrap()),
    );
    found
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn ranges_are_a_scan(
        networks in prop_oneof![
            prop::collection::vec(prop_oneof![v4_networks(), v6_networks()], 0..12),
            prop::collection::vec(prop_oneof![v4_networks(), v6_networks()], 60..120),
            // Enough that do not touch, for the index.
            prop::collection::vec(scattered(), 3000..3300),
        ],
        others in prop::collection::vec(any::<u128>(), 0..8),
    ) {
        let list = List::addresses(networks.clone());
        let asked = &networks[..networks.len().min(100)];
        for address in questions(asked, &others) {
            let address = address.to_canonical();
            let scan = networks.iter().any(|network| network.contains(&address));
            prop_assert_eq!(list.has_address(address), scan, "{}", address);
        }
    }
}
