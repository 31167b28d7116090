//! What tokens are good for, as tables.

use std::time::Duration;

use selvedge_filters::purge::{Beyond, Reach, Wanted};

use crate::support::World;

fn token(more: &str) -> World {
    World::alone(&format!("[[purge.token]]\nname = \"a\"\nsecret = \"a.key\"\n{more}\n"))
}

fn allows(world: &World, wanted: Wanted) -> Result<(), Beyond> {
    world.filters.passes()[0].allows(&wanted, Reach::Hard)
}

#[test]
fn a_token_is_for_its_kinds_hosts_paths_and_tags() {
    let url = |text| Wanted::url(text).unwrap();
    let (prefix, host, tag) =
        (|text| Wanted::prefix(text).unwrap(), |text| Wanted::host(text).unwrap(), |text| Wanted::tag(text).unwrap());
    let group = |host, name| Wanted::group(host, name).unwrap();
    let all_kinds = "kinds = [\"url\", \"tag\", \"group\", \"prefix\", \"host\", \"all\"]";
    let news =
        "kinds = [\"url\", \"prefix\"]\nhosts = [\"a.example\", \"b.example:8443\"]\npaths = [\"/news\", \"/x/y\"]";
    let tags = "kinds = [\"tag\"]\ntags = [\"front\", \"article-*\"]";
    let hosts = "kinds = [\"host\", \"group\"]\nhosts = [\"a.example\"]";
    for (scope, wanted, expected) in [
        ("", url("http://any.example/"), Ok(())),
        ("", tag("a"), Err(Beyond::Kind("tag"))),
        ("", Wanted::All, Err(Beyond::Kind("all"))),
        (all_kinds, Wanted::All, Ok(())),
        (all_kinds, tag("any"), Ok(())),
        (all_kinds, prefix("any.example/x"), Ok(())),
        (news, url("https://A.example/news?page=2"), Ok(())),
        (news, url("https://a.example/./news/today"), Ok(())),
        (news, url("https://a.example/newsroom"), Err(Beyond::Path)),
        (news, url("https://a.example/x"), Err(Beyond::Path)),
        (news, url("https://a.example/news/../x"), Err(Beyond::Path)),
        (news, url("https://b.example:8443/x/y/z"), Ok(())),
        (news, url("https://b.example/x/y"), Err(Beyond::Host)),
        (news, url("https://sub.a.example/news"), Err(Beyond::Host)),
        (news, prefix("a.example/news"), Ok(())),
        (news, prefix("a.example/"), Err(Beyond::Path)),
        (news, host("a.example"), Err(Beyond::Kind("host"))),
        ("paths = [\"/\"]", url("http://a.example/x"), Ok(())),
        (tags, tag("front"), Ok(())),
        (tags, tag("front-page"), Err(Beyond::Tag)),
        (tags, tag("article-"), Ok(())),
        (tags, tag("article-17"), Ok(())),
        (tags, tag("article"), Err(Beyond::Tag)),
        (hosts, host("a.example"), Ok(())),
        (hosts, host("b.example"), Err(Beyond::Host)),
        (hosts, group("a.example", "g"), Ok(())),
        (hosts, group("b.example", "g"), Err(Beyond::Host)),
    ] {
        assert_eq!(allows(&token(scope), wanted.clone()), expected, "{scope}: {wanted:?}");
    }
}

#[test]
fn a_soft_token_makes_nothing_go() {
    let world = token("soft = true");
    let (pass, wanted) = (&world.filters.passes()[0], Wanted::url("http://a.example/").unwrap());
    assert_eq!((pass.allows(&wanted, Reach::Soft), pass.allows(&wanted, Reach::Hard)), (Ok(()), Err(Beyond::Hard)));
}

#[test]
fn a_token_purges_no_more_than_its_rate() {
    let world = token("rate = \"60/1m\"\nburst = 5");
    let pass = &world.filters.passes()[0];
    let (store, now) = (&world.store, world.now);
    assert_eq!(pass.charge(6, store, now), Err(None), "never at once");
    assert_eq!(pass.charge(4, store, now), Ok(()));
    assert_eq!(pass.charge(2, store, now), Err(Some(Duration::from_secs(1))), "none of them counts");
    assert_eq!((pass.charge(1, store, now), pass.charge(1, store, now.plus(1_000))), (Ok(()), Ok(())));
    let free = token("");
    assert!((0..10_000).all(|_| free.filters.passes()[0].charge(1_000, &free.store, free.now).is_ok()));
}
