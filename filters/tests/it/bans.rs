//! Penalties: who runs into a limit too often is banned, longer each time.

use std::time::Duration;

use selvedge_filters::{BanOrigin, Decision, EffectRecord, RuleId, Undone, Verdict};

use crate::support::{Ask, World};

const LIMIT: &str = "[[limit]]\nname = \"login\"\nkey = [\"client.net\"]\nrate = \"60/1m\"\nburst = 1\n\
                     penalty = { after = 3, within = \"10m\", ban = [\"1m\", \"5m\"] }\n";

/// Sends requests until one is answered with a ban; says how many were refused before, and for how long the ban is.
fn until_banned(world: &World) -> (usize, Duration) {
    for refused in 0..20 {
        match world.decide(&Ask::default()).verdict {
            Verdict::Banned { remaining, origin, .. } => {
                assert_eq!(origin, BanOrigin::Penalty);
                return (refused - 1, remaining);
            }
            Verdict::Limited { .. } | Verdict::Pass(_) => {}
            other => panic!("{other:?}"),
        }
    }
    panic!("never banned")
}

#[test]
fn each_ban_needs_as_many_offences_as_the_first_and_is_longer() {
    let mut world = World::alone(LIMIT);
    assert_eq!(until_banned(&world), (3, Duration::from_secs(60)), "one passes, three are refused, then the ban");
    world.wait(61_000);
    assert_eq!(until_banned(&world), (3, Duration::from_secs(300)));
    world.wait(301_000);
    assert_eq!(until_banned(&world), (3, Duration::from_secs(300)), "the last step is kept");
}

#[test]
fn a_ban_made_by_a_penalty_holds_for_the_client_alone() {
    let world = World::alone(LIMIT);
    until_banned(&world);
    assert!(matches!(world.decide(&Ask { path: "/other", ..Ask::default() }).verdict, Verdict::Banned { .. }));
    assert!(matches!(world.decide(&Ask { client: "192.0.2.2", ..Ask::default() }).verdict, Verdict::Pass(_)));
}

#[test]
fn bans_of_others_are_no_step_of_a_penalty() {
    let mut world = World::alone(LIMIT);
    for (reason, level) in [("rule:trap", 0), ("limit:other", 3), ("by hand", 0)] {
        world.store.ban("192.0.2.1/32", world.now.plus(1_000), level, reason, world.now).unwrap();
        world.wait(2_000);
    }
    assert_eq!(until_banned(&world), (3, Duration::from_secs(60)), "the first step, after as many offences as ever");
}

#[test]
fn a_penalty_that_finds_no_room_is_not_told() {
    let world = World::alone(LIMIT);
    for n in 0..100 {
        world.store.ban(&format!("198.51.100.{n}/32"), world.now.plus(60_000), 0, "full", world.now).unwrap();
    }
    for _ in 0..9 {
        let verdict = world.decide(&Ask::default()).verdict;
        assert!(matches!(verdict, Verdict::Pass(_) | Verdict::Limited { penalty: None, .. }), "{verdict:?}");
    }
}

#[test]
fn an_operators_ban_says_so() {
    let world = World::alone(LIMIT);
    let until = selvedge_state::Time(world.now.0 + 5_000);
    world.store.ban("2001:db8::/64", until, 0, "scraper", world.now).unwrap();
    let verdict = world.decide(&Ask { client: "2001:db8::77", ..Ask::default() }).verdict;
    let Verdict::Banned { origin, remaining, ban, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!((origin, remaining, &*ban.reason), (BanOrigin::Operator, Duration::from_secs(5), "scraper"));
}

#[test]
fn where_no_more_bans_fit_the_explanation_says_what_will_come_of_it() {
    let rule =
        "[[rule]]\nname = \"r\"\nwhen = 'request.path == \"/trap\"'\ndo = { tag = \"t\", ban = { for = \"1m\" } }\n";
    let world = World::alone(&format!("{LIMIT}{rule}"));
    let trap = Ask::path("/trap");
    let effects = || world.explain(&trap, None).rules[0].effects.clone();
    let (done, no_room) = (EffectRecord::Done(None), EffectRecord::Undone(Undone::NoRoom));
    assert_eq!(effects(), [done.clone(), done.clone()]);
    for other in 0..100 {
        world.store.ban(&format!("198.51.100.{other}/32"), world.now.plus(60_000), 0, "full", world.now).unwrap();
    }
    assert_eq!(effects(), [no_room, done]);
    assert_eq!(world.decide(&trap).undone, [RuleId(0)], "and so it is");
    let penalty = |decision: Decision| match decision.verdict {
        Verdict::Limited { penalty, .. } => penalty,
        other => panic!("{other:?}"),
    };
    for _ in 0..5 {
        assert_eq!(penalty(world.explain(&Ask::default(), None).decision), None);
        assert_eq!(penalty(world.decide(&Ask::default())), None);
    }
}

#[test]
fn where_no_more_elements_fit_the_explanation_says_so() {
    let text = "[list.traps]\nkind = \"addresses\"\n[[rule]]\nname = \"r\"\nwhen = 'true'\n\
                do = { list_add = { list = \"traps\", value = 'client.ip', for = \"1m\" } }\n";
    let world = World::alone(text);
    let list = world.filters.list(0).unwrap();
    let mut added = 0;
    while world
        .store
        .list_set(list, &format!("10.{}.{}.1/32", added / 256, added % 256), true, world.now.plus(60_000), world.now)
        .is_ok()
    {
        added += 1;
    }
    assert_eq!(added, 50_000);
    let undone = EffectRecord::Undone(Undone::NoRoom);
    assert_eq!(world.explain(&Ask::default(), None).rules[0].effects, [undone]);
    assert_eq!(world.decide(&Ask::default()).undone, [RuleId(0)]);
}
