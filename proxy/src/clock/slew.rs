//! The rule by which node time follows the wall clock, as arithmetic alone. Between two looks at the wall clock node time is a
//! function of the monotonic clock: it goes on, and makes up for what it was found to be off by, at most [`PPM`] of what
//! has elapsed. So it never goes back, never steps, and stops following once it is there.

/// Node time gains or loses at most so many microseconds in a second. As much as `adjtime` (and so NTP) does to a system's clock.
const PPM: u64 = 500;

/// Node time since the wall clock was last looked at. All in microseconds: `node` and the wall clock since the Unix epoch, the monotonic clock
/// since any instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slew {
    /// The monotonic clock then.
    looked: u64,
    /// Node time then.
    node: u64,
    /// How far the wall clock was ahead of node time then.
    off: i64,
}

impl Slew {
    /// Node time that begins as the wall clock.
    pub(super) fn anchor(mono: u64, wall: u64) -> Slew {
        Slew { looked: mono, node: wall, off: 0 }
    }

    /// Node time. Of an instant before the look, that of the look.
    pub(super) fn at(&self, mono: u64) -> u64 {
        let elapsed = self.elapsed(mono);
        self.node.saturating_add(elapsed).saturating_add_signed(self.made_up(elapsed))
    }

    /// How far the wall clock is ahead of node time, if it has gone on evenly since it was looked at.
    pub(super) fn off(&self, mono: u64) -> i64 {
        self.off.saturating_sub(self.made_up(self.elapsed(mono)))
    }

    /// Goes on from another look at the wall clock.
    pub(super) fn look(&self, mono: u64, wall: u64) -> Slew {
        let node = self.at(mono);
        let most = |distance: u64| i64::try_from(distance).unwrap_or(i64::MAX);
        let off = if wall >= node { most(wall - node) } else { -most(node - wall) };
        Slew { looked: self.looked.max(mono), node, off }
    }

    /// Since the look.
    pub(super) fn elapsed(&self, mono: u64) -> u64 {
        mono.saturating_sub(self.looked)
    }

    /// What of the distance is made up for in so long.
    fn made_up(&self, elapsed: u64) -> i64 {
        let most = i64::try_from(elapsed / (1_000_000 / PPM)).unwrap_or(i64::MAX);
        self.off.clamp(-most, most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;
    const START: u64 = 1_800_000_000 * S;

    /// Looks once a second at a wall clock that is `wall(mono)`, from the monotonic second `from` on; node time at the end.
    fn follow(mut slew: Slew, from: u64, seconds: u64, wall: impl Fn(u64) -> u64) -> Slew {
        for second in from + 1..=from + seconds {
            slew = slew.look(second * S, wall(second * S));
        }
        slew
    }

    #[test]
    fn an_even_wall_clock_is_followed_exactly() {
        let slew = follow(Slew::anchor(0, START), 0, 100, |mono| START + mono);
        assert_eq!((slew.at(100 * S), slew.off(100 * S)), (START + 100 * S, 0));
    }

    #[test]
    fn a_step_forwards_is_made_up_for_at_half_a_millisecond_a_second() {
        let stepped = |mono| START + mono + 3600 * S;
        let slew = follow(Slew::anchor(0, START), 0, 101, stepped);
        // The step is seen at the first look, so 100 seconds have made up for 50 ms of it.
        assert_eq!(slew.at(101 * S), START + 101 * S + 50_000);
        assert_eq!(slew.off(101 * S), 3_599_950_000);
    }

    #[test]
    fn a_step_backwards_takes_nothing_back() {
        let slew = follow(Slew::anchor(0, START), 0, 101, |mono| START + mono - 3600 * S);
        assert_eq!(slew.at(101 * S), START + 101 * S - 50_000);
        assert_eq!(slew.off(101 * S), -3_599_950_000);
    }

    #[test]
    fn a_small_step_is_reached_and_not_passed() {
        // 100 ms at half a millisecond a second.
        let stepped = |mono| START + mono + 100_000;
        let slew = follow(Slew::anchor(0, START), 0, 200, stepped);
        assert_eq!(slew.off(200 * S), 500);
        assert_eq!((slew.at(201 * S), slew.off(201 * S)), (stepped(201 * S), 0));
        assert_eq!(slew.at(900 * S), stepped(900 * S), "also when nobody looks for a long time");
    }

    #[test]
    fn a_step_that_is_taken_back_leaves_little() {
        let off = follow(Slew::anchor(0, START), 0, 60, |mono| START + mono - 86_400 * S);
        let back = follow(off, 60, 61, |mono| START + mono);
        assert_eq!((back.at(121 * S), back.off(121 * S)), (START + 121 * S, 0));
    }

    #[test]
    fn a_drifting_monotonic_clock_is_followed() {
        // The wall clock, kept by NTP, gains 100 us a second on it.
        let wall = |mono| START + mono + mono / 10_000;
        let slew = follow(Slew::anchor(0, START), 0, 86_400, wall);
        assert_eq!(slew.off(86_400 * S), 100, "what a second brings");
    }

    #[test]
    fn a_suspended_machine_is_behind_and_says_by_how_much() {
        // The monotonic clock stood still for an hour, the wall clock did not.
        let before = follow(Slew::anchor(0, START), 0, 10, |mono| START + mono);
        let after = before.look(10 * S, START + 10 * S + 3600 * S);
        assert_eq!((after.at(10 * S), after.off(10 * S)), (START + 10 * S, 3_600_000_000));
    }

    #[test]
    fn a_wall_clock_of_nonsense_is_survived() {
        for wall in [0, u64::MAX] {
            let slew = Slew::anchor(5 * S, START).look(6 * S, wall);
            assert!(slew.at(6 * S) == START + S && slew.at(u64::MAX) > START, "{slew:?}");
            let slew = slew.look(7 * S, START + 2 * S);
            assert!(slew.at(7 * S).abs_diff(START + 2 * S) <= 500, "{slew:?}");
        }
        assert_eq!(Slew::anchor(0, u64::MAX).at(S), u64::MAX);
    }

    /// However the wall clock jumps and whenever it is looked at, any two instants are as far apart as the monotonic clock says,
    /// but for 500 us a second.
    #[test]
    fn its_rate_is_bounded_whatever_the_wall_clock_does() {
        for seed in 0..200 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut slew = Slew::anchor(0, START);
            let (mut mono, mut seen) = (0, vec![(0, START)]);
            for _ in 0..100 {
                mono += rng.u64(0..3 * S);
                let most = 1 << rng.u32(0..45);
                let wall = START.saturating_add(mono).saturating_add_signed(rng.i64(-most..=most));
                seen.push((mono, slew.at(mono)));
                slew = slew.look(mono, wall);
                assert_eq!(slew.at(mono), seen.last().unwrap().1, "seed {seed}: a look changes the present");
            }
            for (index, (from, node_then)) in seen.iter().enumerate() {
                for (to, node) in &seen[index..] {
                    let (elapsed, gone) = (to - from, node.checked_sub(*node_then).expect("never back"));
                    assert!(elapsed.abs_diff(gone) <= elapsed / 2000, "seed {seed}: {gone} us in {elapsed} us");
                }
            }
        }
    }
}
