//! The shortest and the longest times of a limit, and the edges of the calendar.

use jiff::Timestamp;
use selvedge_filters::Verdict;
use selvedge_state::Time;

use crate::support::{Ask, World};

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

fn limit(more: &str) -> String {
    format!("[[limit]]\nname = \"api\"\nkey = [\"client.net\"]\n{more}\n")
}

fn is_refused(world: &World) -> bool {
    matches!(world.decide(&Ask::default()).verdict, Verdict::Limited { .. })
}

#[test]
fn a_tenth_of_a_second_is_the_shortest_time() {
    let mut world = World::alone(&limit("rate = \"10/100ms\"\nburst = 10"));
    for _ in 0..3 {
        assert_eq!(world.passes(30, &Ask::default()), 10);
        assert!(is_refused(&world));
        let told = world.decide(&Ask::default()).quotas[0];
        assert_eq!((told.allowed.within.unwrap().as_millis(), told.reset.unwrap().as_millis()), (100, 10));
        world.wait(50);
        let half = world.passes(30, &Ask::default());
        assert!((5..=6).contains(&half), "{half}: ten milliseconds bring one, and hide no more than one");
        world.wait(100);
    }
    // Ten times a second of all there is, for ten seconds.
    let passed: usize = (0..10_000).map(|_| (world.wait(1), world.passes(1, &Ask::default())).1).sum();
    assert!((990..=1_012).contains(&passed), "{passed}");
}

#[test]
fn a_month_of_31_days_is_the_longest_time() {
    let mut world = World::alone(&limit("rate = \"31/31d\"\nburst = 2"));
    assert_eq!(world.passes(30, &Ask::default()), 2);
    assert!(is_refused(&world));
    let told = world.decide(&Ask::default()).quotas[0];
    assert_eq!(told.allowed.within.unwrap().as_secs(), 31 * 86_400);
    let wait = told.reset.unwrap().as_millis() as u64;
    assert!((DAY - 6 * HOUR..=DAY).contains(&wait), "{wait}: one a day, timed in slots of six hours");
    world.wait(wait - 60_000);
    assert!(is_refused(&world));
    world.wait(60_000);
    assert_eq!(world.passes(30, &Ask::default()), 1);
    let passed: usize = (0..31 * 24).map(|_| (world.wait(HOUR), world.passes(1, &Ask::default())).1).sum();
    assert!((30..=32).contains(&passed), "{passed} in 31 days");
    world.wait(100 * DAY);
    assert_eq!(world.passes(30, &Ask::default()), 2, "never more than the burst");
}

#[test]
fn a_quota_of_a_month_lasts_from_its_first_instant_to_its_last() {
    for (first, days) in [
        // Clocks are changed in two of them; not those of UTC.
        ("2027-01-01T00:00:00Z", 31),
        ("2027-02-01T00:00:00Z", 28),
        ("2027-03-01T00:00:00Z", 31),
        ("2027-04-01T00:00:00Z", 30),
        ("2027-10-01T00:00:00Z", 31),
        ("2027-12-01T00:00:00Z", 31),
        ("2028-02-01T00:00:00Z", 29),
    ] {
        let mut world = World::alone(&limit("quota = \"33/month\""));
        let begins = first.parse::<Timestamp>().unwrap().as_millisecond() as u64;
        for day in 0..days {
            world.now = Time(begins + day * DAY);
            assert_eq!(world.passes(1, &Ask::default()), 1, "{first} and {day} days");
        }
        world.now = Time(begins + days * DAY - 1);
        let left = world.passes(99, &Ask::default()) as u64;
        assert_eq!(left, 33 - days, "{first}: all days are of one month");
        let refused = world.decide(&Ask::default());
        assert_eq!(refused.quotas[0].reset.unwrap().as_millis(), 1);
        assert_eq!(refused.quotas[0].allowed.within.unwrap().as_millis() as u64, days * DAY);
        world.wait(1);
        assert_eq!(world.passes(1, &Ask::default()), 1, "{first}: the next one has begun");
    }
}
