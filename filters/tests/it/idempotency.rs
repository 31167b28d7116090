//! Idempotency policies: which one is for a request, and whose its key is.

use http::HeaderMap;
use selvedge_filters::SiteId;
use selvedge_filters::idempotency::{IdempotencyId, Keyed, Malformed, Name};

use crate::support::{Ask, World};

const STATE: &str = "[storage]\nstate = \"state\"\n";

fn world(policies: &str) -> World {
    World::alone(&format!("{STATE}{policies}"))
}

fn ask(method: &'static str, path: &'static str, fields: &[(&'static str, &str)]) -> Ask {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    Ask { method, path, headers, ..Ask::default() }
}

fn keyed(world: &World, ask: &Ask) -> Option<Keyed> {
    let site = world.filters.site(ask.host).unwrap();
    world.filters.keyed(&ask.head(), (site, &["vip".into()]), &world.store, world.now)
}

fn policy(world: &World, ask: &Ask) -> Option<usize> {
    keyed(world, ask).map(|keyed| keyed.policy.0)
}

fn name(world: &World, ask: &Ask) -> Name {
    keyed(world, ask).unwrap().name.unwrap().unwrap()
}

#[test]
fn the_first_policy_that_is_for_a_request_decides() {
    let world = world(
        "[[idempotency]]\nname = \"pay\"\nsites = [\"www.example.com\"]\nwhen = 'request.path == \"/pay\"'\n\
         [[idempotency]]\nname = \"vip\"\nwhen = '\"vip\" in request.tags && request.path == \"/vip\"'\n\
         [[idempotency]]\nname = \"all\"\n",
    );
    for (method, path, expected) in [
        ("POST", "/pay", Some(0)),
        ("PUT", "/pay", Some(0)),
        ("GET", "/pay", None),
        ("HEAD", "/pay", None),
        ("OPTIONS", "/pay", None),
        ("PUT", "/", None),
        ("POST", "/", Some(2)),
        ("PATCH", "/", Some(2)),
    ] {
        assert_eq!(policy(&world, &ask(method, path, &[])), expected, "{method} {path}");
    }
    let elsewhere = Ask { host: "a.example.org", ..ask("POST", "/pay", &[]) };
    assert_eq!(policy(&world, &elsewhere), Some(2));
    assert_eq!(world.filters.idempotency(IdempotencyId(0)).unwrap().facts().name, "pay");
    assert!(world.filters.idempotency(IdempotencyId(3)).is_none());
    assert_eq!(
        World::alone("").filters.keyed(&ask("POST", "/", &[]).head(), (SiteId(0), &[]), &world.store, world.now),
        None
    );
}

#[test]
fn a_key_is_that_of_one_client_at_one_site_under_one_policy() {
    let world =
        world("[[idempotency]]\nname = \"a\"\nwhen = 'request.path != \"/b\"'\n[[idempotency]]\nname = \"b\"\n");
    let of = |ask: &Ask| name(&world, ask);
    let key = ("idempotency-key", "k");
    let one = ask("POST", "/", &[key, ("authorization", "Bearer a")]);
    let again = Ask { client: "198.51.100.9", ..ask("POST", "/other", &[key, ("authorization", "Bearer a")]) };
    assert_eq!(of(&one), of(&again), "wherever the client is, and whatever it asks for");
    for other in [
        ask("POST", "/", &[("idempotency-key", "l"), ("authorization", "Bearer a")]),
        ask("POST", "/", &[key, ("authorization", "Bearer b")]),
        ask("POST", "/", &[key]),
        ask("POST", "/", &[key, ("authorization", "Bearer a"), ("authorization", "Bearer a")]),
        ask("POST", "/b", &[key, ("authorization", "Bearer a")]),
        Ask { host: "a.example.org", ..ask("POST", "/", &[key, ("authorization", "Bearer a")]) },
    ] {
        assert_ne!(of(&one), of(&other), "{other:?}");
    }
    let other_host = |host| Ask { host, ..ask("POST", "/", &[key, ("authorization", "Bearer a")]) };
    assert_eq!(of(&other_host("a.example.org")), of(&other_host("b.example.org")), "one site");
}

/// Without what tells clients apart a key would be everybody's.
#[test]
fn where_a_part_is_absent_the_network_stands_in() {
    let world = world("[[idempotency]]\nname = \"a\"\nkey = ['request.headers[\"x-user\"]', \"client.ip\"]\n");
    let default = World::alone(&format!("{STATE}[[idempotency]]\nname = \"a\"\n"));
    let of = |world: &World, client, fields: &[(&'static str, &str)]| {
        name(world, &Ask { client, ..ask("POST", "/", &[&[("idempotency-key", "\"k\"")], fields].concat()) })
    };
    assert_ne!(of(&default, "192.0.2.1", &[]), of(&default, "192.0.2.2", &[]));
    assert_eq!(of(&default, "2001:db8::1", &[]), of(&default, "2001:db8::2", &[]), "one subscriber");
    assert_ne!(of(&world, "192.0.2.1", &[]), of(&world, "192.0.2.1", &[("x-user", "7")]));
    assert_ne!(of(&world, "192.0.2.1", &[("x-user", "7")]), of(&world, "192.0.2.2", &[("x-user", "7")]));
}

#[test]
fn a_request_may_name_no_key_or_a_malformed_one() {
    let world = world("[[idempotency]]\nname = \"a\"\n");
    let found = |fields: &[(&'static str, &str)]| keyed(&world, &ask("POST", "/", fields)).unwrap().name;
    assert_eq!(found(&[]), Ok(None));
    assert_eq!(found(&[("idempotency-key", "a b")]), Err(Malformed));
}
