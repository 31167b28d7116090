//! Databases that the tests write themselves (MaxMind DB file format 2.0), and damaged ones.

use std::path::PathBuf;

use serde_json::json;

use super::*;
use mmdb::{database, v4};

#[path = "../../../tests/it/support/mmdb.rs"]
mod mmdb;

fn city() -> Vec<u8> {
    let fra = json!({ "city": { "names": { "de": "Frankfurt am Main", "en": "Frankfurt" } }, "continent": { "code": "EU" }, "country": { "iso_code": "DE" } });
    database(
        4,
        &[(&v4([192, 0, 2, 0], 24), fra), (&v4([198, 51, 100, 0], 24), json!({ "country": { "iso_code": 7 } }))],
    )
}

struct Files {
    folder: tempfile::TempDir,
    ledger: Ledger,
}

impl Files {
    fn new() -> Files {
        Files { folder: tempfile::tempdir().unwrap(), ledger: Ledger::default() }
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Option<PathBuf> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Some(path)
    }

    fn load(&self, facts: &GeoIp, old: Option<&Arc<Places>>) -> Result<Option<Arc<Places>>, Vec<Fault>> {
        Places::load(facts, &self.ledger, old)
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn places_are_found_and_what_is_not_known_is_empty() {
    let files = Files::new();
    let system = json!({ "autonomous_system_number": 64496, "autonomous_system_organization": "Example" });
    let asn = database(4, &[(&v4([192, 0, 2, 0], 24), system)]);
    let facts = GeoIp { country: None, city: files.put("city", &city()), asn: files.put("asn", &asn) };
    let places = files.load(&facts, None).unwrap().unwrap();
    assert_eq!(places.country(ip("192.0.2.9")), ("DE", "EU"));
    assert_eq!(places.city(ip("192.0.2.9")), "Frankfurt");
    assert_eq!(places.system(ip("192.0.2.9")), (64496, "Example"));
    assert_eq!(places.country(ip("203.0.113.9")), ("", ""));
    assert_eq!(places.country(ip("198.51.100.1")), ("", ""), "a country that is a number");
    assert_eq!(places.city(ip("2001:db8::1")), "", "an IPv6 address in a database of IPv4 ones");
    assert_eq!(places.system(ip("203.0.113.9")), (0, ""));
}

#[test]
fn an_ipv6_database_knows_ipv4_too() {
    let files = Files::new();
    let country = |code: &str| json!({ "country": { "iso_code": code } });
    // IPv4 lies under ::/96.
    let mapped = format!("{}{}", "0".repeat(96), v4([192, 0, 2, 0], 24));
    let v6 = format!("{:016b}{:016b}", 0x2001, 0x0db8);
    let bytes = database(6, &[(&mapped, country("DE")), (&v6, country("NL"))]);
    let facts = GeoIp { country: files.put("country", &bytes), ..GeoIp::default() };
    let places = files.load(&facts, None).unwrap().unwrap();
    assert_eq!(places.country(ip("192.0.2.1")).0, "DE");
    assert_eq!(places.country(ip("2001:db8::1")).0, "NL");
}

#[test]
fn no_databases_are_no_places_and_all_damaged_ones_are_named() {
    let files = Files::new();
    assert!(files.load(&GeoIp::default(), None).unwrap().is_none());
    let whole = city();
    let facts = GeoIp {
        country: Some(files.folder.path().join("missing")),
        city: files.put("half", &whole[..whole.len() / 2]),
        asn: files.put("text", b"not a database"),
    };
    let faults = files.load(&facts, None).unwrap_err();
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(faults.iter().all(|fault| fault.message.contains(&fault.file.display().to_string())), "{faults:?}");
}

#[test]
fn damage_anywhere_is_an_error_or_an_answer_and_never_a_panic() {
    let whole = city();
    let mut random = fastrand::Rng::with_seed(11);
    let files = Files::new();
    for _ in 0..500 {
        let mut bytes = whole.clone();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        let facts = GeoIp { city: files.put("city", &bytes), ..GeoIp::default() };
        if let Ok(Some(places)) = files.load(&facts, None) {
            for client in ["192.0.2.9", "198.51.100.1", "0.0.0.0", "255.255.255.255"] {
                let _ = (places.country(ip(client)), places.city(ip(client)), places.system(ip(client)));
            }
        }
    }
}

#[test]
fn the_same_database_is_not_read_twice() {
    let files = Files::new();
    let facts = GeoIp { city: files.put("city", &city()), ..GeoIp::default() };
    let first = files.load(&facts, None).unwrap().unwrap();
    let again = files.load(&facts, Some(&first)).unwrap().unwrap();
    assert!(Arc::ptr_eq(first.city.as_ref().unwrap(), again.city.as_ref().unwrap()));
    files.put("city", &database(4, &[(&v4([192, 0, 2, 0], 24), json!({}))]));
    let other = files.load(&facts, Some(&first)).unwrap().unwrap();
    assert!(!Arc::ptr_eq(first.city.as_ref().unwrap(), other.city.as_ref().unwrap()));
}
