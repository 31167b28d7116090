//! What is revoked by a name: whose sessions and tokens are meant, which are not, and for how long it is remembered.

use std::time::Duration;

use selvedge_conf::{Named, Realm};
use selvedge_filters::revocation::{held, issued, revoke, revoked};
use selvedge_state::{Actor, FACT_LONGEST, Incarnation, PopId, RevokedBy, Store, StoreBounds, StoreConfig, Time};

const NOW: Time = Time(1_800_000_000_000);
const HOUR: u64 = 3_600_000;

fn store() -> Store {
    store_of(1_000)
}

/// With room for so many revocations.
fn store_of(revocations_max: usize) -> Store {
    let config = StoreConfig {
        me: Actor { pop: PopId(1), node: 0 },
        incarnation: Incarnation(NOW.0 << 16 | 1),
        cluster: "test".to_owned(),
        secret: [3; 16],
        secret_beside: None,
        salt: 0,
        keys_max: 10,
        bans_max: 10,
        roster: 2,
    };
    Store::with_bounds(config, StoreBounds { revocations_max, ..StoreBounds::default() })
}

fn realm(name: &str, longest: Option<Duration>) -> Realm {
    Realm { name: name.to_owned(), names: vec![Named::User, Named::Tenant, Named::Token], longest }
}

#[test]
fn a_name_is_that_of_one_thing_in_one_realm() {
    let (store, shop) = (store(), realm("shop", None));
    revoke(&store, (Named::User, &shop, "ann"), None, NOW);
    let is = |what, realm, name| revoked(&store, (what, realm, name), NOW.minus(1));
    assert_eq!(is(Named::User, "shop", "ann"), Some(RevokedBy::Name));
    let others = [(Named::Tenant, "shop", "ann"), (Named::Token, "shop", "ann"), (Named::User, "shop", "bob")];
    for (what, realm, name) in others.into_iter().chain([(Named::User, "sho", "pann"), (Named::User, "web", "ann")]) {
        assert_eq!(is(what, realm, name), None, "{what:?} {realm} {name}");
    }
}

/// Of a user those are meant that were issued before, of a token all.
#[test]
fn who_comes_afterwards_is_another_one() {
    let (store, shop) = (store(), realm("shop", None));
    for what in [Named::User, Named::Tenant, Named::Token] {
        assert_eq!(revoked(&store, (what, "shop", "x"), NOW), None);
        let before = revoke(&store, (what, &shop, "x"), None, NOW);
        assert!(revoked(&store, (what, "shop", "x"), before.minus(1)).is_some(), "{what:?}");
        assert_eq!(revoked(&store, (what, "shop", "x"), before).is_some(), what == Named::Token, "{what:?}");
    }
}

/// Where clocks differ, "afterwards" is what a node knows: who logs in where a revocation is known is let in, and one more revocation is of them.
#[test]
fn what_is_known_goes_before_what_a_clock_says() {
    let (store, shop) = (store(), realm("shop", None));
    let ann = (Named::User, "shop", "ann");
    assert_eq!(issued(&store, ann, NOW), NOW, "nothing is revoked");
    let revoke = |now| revoke(&store, (Named::User, &shop, "ann"), None, now);
    let first = revoke(NOW.plus(10_000));
    assert!(revoked(&store, ann, NOW).is_some(), "by a clock that goes after");
    let login = issued(&store, ann, NOW.plus(1));
    assert_eq!((login, revoked(&store, ann, login)), (first, None));
    let again = revoke(NOW.plus(2));
    assert!(again > login && revoked(&store, ann, login).is_some());
    assert_eq!(issued(&store, ann, NOW.plus(60_000)), NOW.plus(60_000), "its own clock, once that is later");
    assert!(revoke(NOW.plus(60_000)) >= NOW.plus(60_000));
}

#[test]
fn it_is_remembered_while_anything_of_it_may_be_valid() {
    let cases = [
        (realm("a", Some(Duration::from_secs(3600))), None, HOUR),
        (realm("b", None), None, FACT_LONGEST),
        (realm("c", None), Some(NOW.plus(2 * HOUR)), 2 * HOUR),
    ];
    for (realm, until, kept) in cases {
        let store = store();
        let name = (Named::User, realm.name.as_str(), "ann");
        revoke(&store, (Named::User, &realm, "ann"), until, NOW);
        store.sweep(NOW.plus(kept - 1));
        assert!(revoked(&store, name, NOW.minus(1)).is_some(), "{}", realm.name);
        // To the hour, and what clocks may differ by.
        (0..16).for_each(|_| store.sweep(NOW.plus(kept + 2 * HOUR)));
        assert!(revoked(&store, name, NOW.minus(1)).is_none(), "{}", realm.name);
    }
}

/// An operator has to see that more is over than was revoked.
#[test]
fn a_full_room_is_told_by_what_is_revoked() {
    let (store, shop) = (store_of(16), realm("shop", None));
    let look =
        |what: &str| held(&store).into_iter().find(|held| held.what == what).map(|held| (held.count, held.floor));
    revoke(&store, (Named::User, &shop, "ann"), None, NOW);
    assert_eq!([look("user"), look("token")], [Some((1, None)), Some((0, None))]);
    for nth in 0..40_u64 {
        revoke(&store, (Named::User, &shop, &nth.to_string()), None, NOW.plus(nth));
    }
    let (count, floor) = look("user").unwrap();
    assert!(count <= 17 && floor.is_some_and(|floor| floor > NOW), "{count} {floor:?}");
    assert_eq!(look("token"), Some((0, None)));
}
