//! What is said of one key of a limit at run time: at one POP, and so at every other.

use std::time::Duration;

use selvedge_filters::Verdict;
use selvedge_filters::limit::{Limit, Told, Whose};
use selvedge_state::{Key, Time};

use crate::pops::Pops;
use crate::support::Ask;

const LIMIT: &str = "[[limit]]\nname = \"api\"\nkey = [\"client.net\"]\nrate = \"60/1m\"\nburst = 3\n";

/// Eight windows of a minute, and the time in which the burst drains twice.
const MEMORY: u64 = 8 * 60_000 + 6_000;

const HOUR: u64 = 3_600_000;

/// One secret, as where none is rotated.
const ONE: [(u8, Option<u8>); 2] = [(7, None); 2];

/// The secret is rotated, and each POP has another one in force.
const ROTATED: [(u8, Option<u8>); 2] = [(7, Some(8)), (8, Some(7))];

fn limit(pops: &Pops, at: usize) -> &Limit {
    &pops.each[at].filters.limits()[0]
}

fn client(pops: &Pops, at: usize, text: &str) -> Whose {
    limit(pops, at).whose(&[text.to_owned()], &pops.each[at].store, pops.now).unwrap()
}

fn of(pops: &Pops, at: usize, key: Key) -> Option<Told> {
    limit(pops, at).overrides().of(key, &pops.each[at].store, pops.now)
}

fn set(pops: &Pops, at: usize, whose: &Whose, told: Told, until: Time) {
    limit(pops, at).overrides().set(whose, told, until, &pops.each[at].store, pops.now).unwrap();
}

/// How many of ten requests of a client pass at a POP.
fn passes(pops: &Pops, at: usize, client: &'static str) -> usize {
    let ask = Ask { client, ..Ask::default() };
    let passes = |_: &u32| {
        let decision = pops.each[at].filters.decide(&ask.head(), &pops.each[at].store, pops.now);
        matches!(decision.verdict, Verdict::Pass(_))
    };
    (0..10).filter(passes).count()
}

fn reset(pops: &Pops, at: usize, text: &str) {
    limit(pops, at).resets().reset(&client(pops, at, text), &pops.each[at].store, pops.now).unwrap();
}

#[test]
fn what_is_said_at_one_pop_holds_at_the_other_until_its_end() {
    let mut pops = Pops::new(LIMIT, ONE);
    let [near, far] = [0, 1].map(|at| client(&pops, at, "192.0.2.1"));
    let told = Told::rate(100, Duration::from_secs(60), 20).unwrap();
    assert_eq!(of(&pops, 0, near.key), None);
    let until = pops.now.plus(HOUR);
    set(&pops, 0, &near, told, until);
    assert_eq!((of(&pops, 0, near.key), of(&pops, 1, far.key)), (Some(told), None));
    pops.wait(100);
    assert_eq!((of(&pops, 1, far.key), of(&pops, 1, client(&pops, 1, "192.0.2.2").key)), (Some(told), None));
    let all = limit(&pops, 1).overrides().all(&pops.each[1].store, pops.now);
    let listed: Vec<_> = all.iter().map(|held| (held.whose.values.clone(), held.told, held.until)).collect();
    assert_eq!(listed, [(vec!["192.0.2.1".to_owned()], told, until)]);
    assert_eq!(all[0].made_by.pop.0, 1);
    // The last one is right, whoever says it.
    set(&pops, 1, &far, Told::Unlimited, until);
    pops.wait(100);
    assert_eq!((of(&pops, 0, near.key), of(&pops, 1, far.key)), (Some(Told::Unlimited), Some(Told::Unlimited)));
    pops.now = until;
    assert_eq!((of(&pops, 0, near.key), of(&pops, 1, far.key)), (None, None));
    assert_eq!(limit(&pops, 0).overrides().all(&pops.each[0].store, pops.now), []);
}

#[test]
fn what_was_said_is_taken_back_everywhere() {
    let mut pops = Pops::new(LIMIT, ONE);
    let [near, far] = [0, 1].map(|at| client(&pops, at, "192.0.2.1"));
    set(&pops, 0, &near, Told::Unlimited, pops.now.plus(HOUR));
    pops.wait(100);
    let clear = |pops: &Pops, key| limit(pops, 1).overrides().clear(key, &pops.each[1].store, pops.now);
    assert_eq!(clear(&pops, far.key), Ok(Some(Told::Unlimited)));
    assert_eq!(clear(&pops, far.key), Ok(None), "nothing is said any more");
    pops.wait(100);
    assert_eq!((of(&pops, 0, near.key), of(&pops, 1, far.key)), (None, None));
}

#[test]
fn two_pops_that_said_different_things_apart_come_to_the_later_one() {
    let mut pops = Pops::new(LIMIT, ONE);
    pops.cut(true);
    let [near, far] = [0, 1].map(|at| client(&pops, at, "192.0.2.1"));
    let told = Told::rate(1, Duration::from_secs(1), 1).unwrap();
    set(&pops, 0, &near, Told::Unlimited, pops.now.plus(HOUR));
    pops.wait(100);
    set(&pops, 1, &far, told, pops.now.plus(HOUR));
    pops.wait(100);
    assert_eq!((of(&pops, 0, near.key), of(&pops, 1, far.key)), (Some(Told::Unlimited), Some(told)));
    pops.cut(false);
    pops.wait(5_000);
    assert_eq!((of(&pops, 0, near.key), of(&pops, 1, far.key)), (Some(told), Some(told)));
}

#[test]
fn a_reset_key_starts_afresh_at_every_pop_and_late_counts_do_not_matter() {
    let mut pops = Pops::new(LIMIT, ONE);
    assert_eq!(passes(&pops, 0, "192.0.2.1"), 3);
    pops.wait(100);
    assert_eq!(passes(&pops, 1, "192.0.2.1"), 0);
    // What is counted here now comes there after the reset.
    pops.cut(true);
    assert_eq!(passes(&pops, 1, "192.0.2.2"), 3);
    pops.wait(100);
    pops.cut(false);
    reset(&pops, 0, "192.0.2.1");
    reset(&pops, 0, "192.0.2.2");
    assert_eq!(passes(&pops, 0, "192.0.2.2"), 3);
    pops.wait(5_000);
    assert_eq!(passes(&pops, 1, "192.0.2.1"), 3);
    pops.wait(100);
    assert_eq!(passes(&pops, 0, "192.0.2.1"), 0, "what is counted in its second generation is counted together");
    let store = &pops.each[1].store;
    let whose = client(&pops, 1, "192.0.2.1");
    let counts = store.counts(limit(&pops, 1).table().unwrap(), whose.key, pops.now);
    assert_eq!(counts.iter().map(|(_, _, count)| count).sum::<u64>(), 3, "no count is lowered");
    let resets = limit(&pops, 1).resets().all(store, pops.now);
    let keys: Vec<_> = resets.iter().map(|reset| reset.whose.values[0].as_str()).collect();
    assert_eq!(keys, ["192.0.2.1", "192.0.2.2"]);
    // The name under which it is counted now leads back to it.
    let counted = resets[0].generation.of(whose.key, store);
    let by_hash = limit(&pops, 1).whose(&[format!("#{counted}")], store, pops.now).unwrap();
    assert_eq!(by_hash, whose);
}

#[test]
fn two_resets_at_once_are_one_and_another_one_follows() {
    let mut pops = Pops::new(LIMIT, ONE);
    pops.cut(true);
    (0..2).for_each(|at| reset(&pops, at, "192.0.2.1"));
    pops.wait(100);
    pops.cut(false);
    pops.wait(5_000);
    let names = |pops: &Pops| {
        [0, 1].map(|at| {
            let key = client(pops, at, "192.0.2.1").key;
            limit(pops, at).resets().named(key, &pops.each[at].store, pops.now)
        })
    };
    let [one, other] = names(&pops);
    assert_eq!(one, other);
    assert_eq!(passes(&pops, 0, "192.0.2.1"), 3);
    reset(&pops, 0, "192.0.2.1");
    pops.wait(100);
    let [again, other] = names(&pops);
    assert!(again == other && again != one);
    assert_eq!(passes(&pops, 1, "192.0.2.1"), 3);
}

/// Nobody gets a fresh bucket because it is forgotten that a key was reset.
#[test]
fn a_key_stays_in_its_generation_while_it_is_charged_and_for_its_memory() {
    let mut pops = Pops::new(LIMIT, ONE);
    reset(&pops, 0, "192.0.2.1");
    pops.wait(100);
    let is_reset = |pops: &Pops, at: usize| {
        let key = client(pops, at, "192.0.2.1").key;
        limit(pops, at).resets().generation(key, &pops.each[at].store, pops.now).is_reset()
    };
    let end = pops.now.plus(10 * HOUR);
    while pops.now < end {
        assert!((0..2).all(|at| is_reset(&pops, at)));
        let _ = passes(&pops, 1, "192.0.2.1");
        pops.wait(100);
        pops.now = pops.now.plus(MEMORY - 1_000);
    }
    assert_eq!(limit(&pops, 0).resets().all(&pops.each[0].store, pops.now).len(), 1);
    pops.now = pops.now.plus(2 * MEMORY + HOUR);
    assert!((0..2).all(|at| !is_reset(&pops, at)), "nothing that was counted in it matters any more");
}

#[test]
fn both_hold_while_the_secret_is_rotated() {
    let mut pops = Pops::new(LIMIT, ROTATED);
    let [near, far] = [0, 1].map(|at| client(&pops, at, "192.0.2.1"));
    assert_ne!(near.key, far.key);
    set(&pops, 0, &near, Told::Unlimited, pops.now.plus(HOUR));
    reset(&pops, 1, "192.0.2.1");
    pops.wait(5_000);
    assert_eq!((of(&pops, 0, near.key), of(&pops, 1, far.key)), (Some(Told::Unlimited), Some(Told::Unlimited)));
    for at in 0..2 {
        let (limit, store) = (limit(&pops, at), &pops.each[at].store);
        assert_eq!(limit.overrides().all(store, pops.now).len(), 1, "it is listed once");
        assert_eq!(limit.resets().all(store, pops.now).len(), 1);
    }
    assert_eq!(passes(&pops, 0, "192.0.2.1"), 10);
    assert_eq!(limit(&pops, 1).overrides().clear(far.key, &pops.each[1].store, pops.now), Ok(Some(Told::Unlimited)));
    pops.wait(5_000);
    assert_eq!(of(&pops, 0, near.key), None);
    assert_eq!(passes(&pops, 0, "192.0.2.1"), 3);
    pops.wait(2_000);
    // At its rate two more are due.
    assert_eq!(passes(&pops, 1, "192.0.2.1"), 2, "they count together by either name");
}

#[test]
fn shares_of_a_key_that_was_reset_start_afresh() {
    let strict = LIMIT.replace("burst = 3", "burst = 6\nclass = \"strict\"");
    let mut pops = Pops::new(&strict, ONE);
    pops.wait(180_000);
    let all = |pops: &Pops| passes(pops, 0, "192.0.2.1") + passes(pops, 1, "192.0.2.1");
    assert_eq!(all(&pops), 6);
    assert_eq!(all(&pops), 0);
    reset(&pops, 1, "192.0.2.1");
    pops.wait(200);
    assert_eq!(all(&pops), 6);
    let explained =
        pops.each[0].filters.limits()[0].seen().values(client(&pops, 0, "192.0.2.1").key.each().next().unwrap());
    assert_eq!(explained, Some(vec!["192.0.2.1".to_owned()]), "who is refused is known by name");
}

#[test]
fn keys_that_are_none_are_told_why() {
    let pops = Pops::new(LIMIT, ONE);
    let store = &pops.each[0].store;
    let ask = |values: &[&str]| {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        limit(&pops, 0).whose(&values, store, pops.now)
    };
    let hash = ask(&["#0123456789abcdef"]).unwrap();
    assert_eq!((hash.key.to_string().as_str(), hash.values.len()), ("0123456789abcdef", 0));
    for (values, wrong) in [
        (&["#12"][..], "\"#12\" is no hash: # and sixteen hex digits"),
        (&["here"], "\"here\" is no address"),
        (&["192.0.2.1", "/"], "the key has 1 parts (client.net), not 2"),
    ] {
        assert_eq!(ask(values), Err(wrong.to_owned()));
    }
}

#[test]
fn those_that_were_counted_most_are_told_by_name_whatever_was_said_of_them() {
    let mut pops = Pops::new(LIMIT, ONE);
    let slow = Told::rate(4, Duration::from_secs(3_600), 2).unwrap();
    set(&pops, 0, &client(&pops, 0, "192.0.2.1"), slow, pops.now.plus(HOUR));
    assert_eq!((passes(&pops, 0, "192.0.2.1"), passes(&pops, 0, "192.0.2.2")), (2, 3));
    let top = |pops: &Pops, at: usize| {
        let (limit, store) = (limit(pops, at), &pops.each[at].store);
        let told = |whose: Whose| {
            let count: u64 = limit.counted(&whose, store, pops.now).iter().map(|(_, _, count)| count).sum();
            (whose.values.concat(), count, limit.refuses(&whose, store, pops.now))
        };
        limit.top(9, store, pops.now).into_iter().map(told).collect::<Vec<_>>()
    };
    let told = |client: &str, count, refused| (client.to_owned(), count, refused);
    assert_eq!(top(&pops, 0), [told("192.0.2.2", 3, true), told("192.0.2.1", 2, true)]);
    pops.wait(100);
    // There one is known by what was said, the other one by its hash alone.
    assert_eq!(top(&pops, 1)[0], told("", 3, true));
    reset(&pops, 1, "192.0.2.2");
    assert_eq!(passes(&pops, 1, "192.0.2.2"), 3);
    pops.wait(100);
    assert_eq!(top(&pops, 0), [told("192.0.2.2", 3, true), told("192.0.2.1", 2, true)], "what was before is not told");
    assert!(limit(&pops, 0).has_one_bucket());
}

/// What a key may do that has a longer time of its own matters for longer than what others do.
#[test]
fn a_reset_is_remembered_as_long_as_what_is_counted_at_the_keys_own_rate() {
    const LONG: Duration = Duration::from_secs(31 * 86_400);
    let written = format!("{LIMIT}overrides = [{{ key = [\"192.0.2.1/32\"], rate = \"10/31d\", burst = 2 }}]\n");
    for (text, said) in [(written.as_str(), None), (LIMIT, Told::rate(10, LONG, 2))] {
        let mut pops = Pops::new(text, ONE);
        if let Some(told) = said {
            set(&pops, 0, &client(&pops, 0, "192.0.2.1"), told, pops.now.plus(100 * 24 * HOUR));
        }
        // Nothing was counted before, so what is forgotten would be a fresh start.
        reset(&pops, 0, "192.0.2.1");
        assert_eq!(passes(&pops, 0, "192.0.2.1"), 2);
        for _ in 0..3 {
            pops.now = pops.now.plus(2 * MEMORY + HOUR);
            assert_eq!(passes(&pops, 0, "192.0.2.1"), 0, "one comes in three days");
        }
    }
}

/// A rule reads what is counted now: of a key that was reset, what came since; of one that has a rate of its own, what came at that.
#[test]
fn rules_read_what_was_counted_since_the_reset() {
    let rule = "[[rule]]\nname = \"seen\"\nwhen = 'count(\"api\", \"1m\") >= 2'\ndo = { tag = \"seen\" }\n";
    let mut pops = Pops::new(&format!("{LIMIT}{rule}"), ONE);
    let seen = |pops: &Pops, at: usize| {
        let ask = Ask { client: "192.0.2.1", ..Ask::default() };
        !pops.each[at].filters.decide(&ask.head(), &pops.each[at].store, pops.now).tags.is_empty()
    };
    let twice = |pops: &mut Pops| {
        assert_eq!([seen(pops, 0), seen(pops, 0), seen(pops, 0)], [false, false, true]);
        pops.wait(100);
    };
    twice(&mut pops);
    assert!(seen(&pops, 1));
    for _ in 0..2 {
        reset(&pops, 0, "192.0.2.1");
        pops.wait(100);
        assert!(!seen(&pops, 1));
        reset(&pops, 1, "192.0.2.1");
        pops.wait(100);
        twice(&mut pops);
        assert!(seen(&pops, 1));
    }
    let told = Told::rate(500, Duration::from_secs(60), 50).unwrap();
    set(&pops, 0, &client(&pops, 0, "192.0.2.1"), told, pops.now.plus(HOUR));
    pops.wait(100);
    twice(&mut pops);
}

/// What a peer counts at a rate that was said is taken before the key is asked for here.
#[test]
fn a_rate_that_was_heard_of_is_counted_at_once() {
    let mut pops = Pops::new(LIMIT, ONE);
    let told = Told::rate(4, Duration::from_secs(3_600), 4).unwrap();
    set(&pops, 0, &client(&pops, 0, "192.0.2.1"), told, pops.now.plus(HOUR));
    let before = pops.each[1].store.registers_heard();
    pops.wait(100);
    assert!(pops.each[1].store.registers_heard() > before);
    pops.each[1].filters.heed(&pops.each[1].store, pops.now);
    assert_eq!(passes(&pops, 0, "192.0.2.1"), 4);
    pops.wait(100);
    assert_eq!(passes(&pops, 1, "192.0.2.1"), 0);
}

const PLACES: &str = "[[limit]]\nname = \"api\"\nkey = [\"client.net\"]\nin_flight = 2\n";

#[test]
fn another_number_at_once_is_said_of_a_key_and_holds_at_every_pop() {
    let mut pops = Pops::new(PLACES, ONE);
    let near = client(&pops, 0, "192.0.2.1");
    let heeds = |pops: &Pops, told: Told| limit(pops, 0).heeds(told, &pops.each[0].store, pops.now);
    let rate = Told::rate(1, Duration::from_secs(1), 1).unwrap();
    let no_rate = "limit \"api\" (2 in flight) has no rate; a key of it can have another number in flight";
    assert_eq!((heeds(&pops, Told::InFlight(5)), heeds(&pops, rate)), (Ok(()), Err(no_rate.to_owned())));
    assert_eq!(passes(&pops, 0, "192.0.2.1"), 2);
    set(&pops, 0, &near, Told::InFlight(5), pops.now.plus(HOUR));
    pops.wait(100);
    assert_eq!((passes(&pops, 1, "192.0.2.1"), passes(&pops, 1, "192.0.2.2")), (3, 2));
    set(&pops, 1, &near, Told::InFlight(0), pops.now.plus(HOUR));
    pops.wait(100);
    assert_eq!(passes(&pops, 0, "192.0.2.1"), 0);
    pops.now = pops.now.plus(HOUR);
    assert_eq!(of(&pops, 0, near.key), None);
    let other = Pops::new(LIMIT, ONE);
    let no_places = "limit \"api\" (60/1m burst 3) is not of what is in flight";
    assert_eq!(heeds(&other, Told::InFlight(5)), Err(no_places.to_owned()));
}

/// What a POP that fell silent said last is shown, and told from what counts.
#[test]
fn what_is_in_flight_at_a_pop_that_is_not_heard_counts_nothing_and_is_told_so() {
    let mut pops = Pops::new(PLACES, ONE);
    assert_eq!(passes(&pops, 1, "192.0.2.1"), 2);
    pops.wait(100);
    let look = |pops: &Pops| {
        let (whose, store) = (client(pops, 0, "192.0.2.1"), &pops.each[0].store);
        let rows = limit(pops, 0).counted(&whose, store, pops.now);
        let [(actor, life, count)] = rows[..] else { panic!("{rows:?}") };
        (count, limit(pops, 0).misses((actor, life), store), limit(pops, 0).level(&whose, store, pops.now))
    };
    assert_eq!(look(&pops), (2, false, 2.0));
    pops.cut(true);
    pops.wait(10_000);
    assert_eq!(look(&pops), (2, true, 0.0));
}

/// Rates that are in force no more make room for others; one too many is refused, and says so.
#[test]
fn so_many_rates_are_heeded_at_a_time() {
    let mut pops = Pops::new(LIMIT, ONE);
    let rate = |count: u32| Told::rate(count, Duration::from_secs(3_600), 1).unwrap();
    let heeds = |pops: &Pops, count: u32| limit(pops, 0).heeds(rate(count), &pops.each[0].store, pops.now);
    let until = pops.now.plus(HOUR);
    for count in 1..=64 {
        heeds(&pops, count).unwrap();
        set(&pops, 0, &client(&pops, 0, &format!("192.0.2.{count}")), rate(count), until);
    }
    let full =
        "keys of limit \"api\" have 64 different rates by what was said of them already, the most that are heeded";
    assert_eq!(heeds(&pops, 65), Err(full.to_owned()));
    assert_eq!(
        (heeds(&pops, 64), limit(&pops, 0).heeds(Told::Unlimited, &pops.each[0].store, pops.now)),
        (Ok(()), Ok(()))
    );
    assert_eq!(passes(&pops, 0, "192.0.2.64"), 1);
    pops.now = until;
    assert_eq!(heeds(&pops, 65), Ok(()));
    set(&pops, 0, &client(&pops, 0, "192.0.2.65"), rate(65), until.plus(HOUR));
    assert_eq!(passes(&pops, 0, "192.0.2.65"), 1);
}
