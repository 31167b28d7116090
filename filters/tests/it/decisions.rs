//! The order of things: ban, site, limits.

use selvedge_filters::{SiteId, Verdict};
use selvedge_state::Time;

use crate::support::{Ask, World};

#[test]
fn a_host_leads_to_its_site_and_an_unknown_one_nowhere() {
    let world = World::alone("");
    assert_eq!(world.decide(&Ask::default()).verdict, Verdict::Pass(SiteId(0)));
    assert_eq!(world.decide(&Ask { host: "a.example.org", ..Ask::default() }).verdict, Verdict::Pass(SiteId(1)));
    assert_eq!(world.decide(&Ask { host: "example.net", ..Ask::default() }).verdict, Verdict::NoSite);
}

#[test]
fn a_ban_comes_before_everything_and_charges_nothing() {
    let world = World::alone("[[limit]]\nname = \"all\"\nkey = [\"client.net\"]\nrate = \"10/1s\"\nburst = 1\n");
    world.store.ban("192.0.2.1/32", Time(world.now.0 + 1000), 0, "test", world.now).unwrap();
    for host in ["www.example.com", "unknown.example"] {
        assert!(matches!(world.decide(&Ask { host, ..Ask::default() }).verdict, Verdict::Banned { .. }));
    }
    world.store.unban("192.0.2.1/32", world.now);
    assert_eq!(world.passes(5, &Ask::default()), 1, "the bucket is as full as ever");
}

#[test]
fn the_same_inputs_give_the_same_decisions() {
    let text = "[[limit]]\nname = \"all\"\nkey = [\"client.net\"]\nrate = \"10/1s\"\nburst = 3\n";
    let (one, other) = (World::alone(text), World::alone(text));
    for _ in 0..10 {
        assert_eq!(one.decide(&Ask::default()), other.decide(&Ask::default()));
    }
}
