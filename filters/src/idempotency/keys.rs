//! What is known of keys at the POP that answers for them: a machine that is told what happens, and says what becomes of a request.
//!
//! A key runs, is done, or is in doubt: it was begun, and nobody knows how it ended. From there no way leads back to a second run before its
//! lifetime is over; only what certainly did not reach the origin ([`Keys::void`]) is as if it had not been.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use selvedge_state::Time;

use super::refusal::Refusal;
use super::sha::{Name, Print};

/// The number of a run: greater than that of each one before at the same home, over restarts too. One that is greater than all that an origin has seen of
/// a key is the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fence(pub u64);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What becomes of a request. `P` is where its response is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<P> {
    /// It is the first: it runs, once that is written down.
    Run {
        /// Its number.
        fence: Fence,
        /// When its key means nothing any more.
        end: Time,
    },
    /// It was run, and answered with this.
    Again(P),
    /// It is not run.
    No(Refusal),
}

/// What was written down, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recalled<P> {
    /// It was about to be run.
    Intent(Run),
    /// It was answered with this.
    Done(Run, P),
    /// It was answered with this status, and more is not kept.
    Unkept(Run, u16),
    /// It was not run, or the origin said that it did nothing.
    Void(Name, Fence),
}

/// One run of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The key.
    pub name: Name,
    /// What was asked for.
    pub print: Print,
    /// Its number.
    pub fence: Fence,
    /// When the key means nothing any more.
    pub end: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State<P> {
    Running,
    Done(P),
    Unkept(u16),
    InDoubt,
}

#[derive(Debug, Clone, Copy)]
struct Entry<P> {
    print: Print,
    fence: Fence,
    end: Time,
    state: State<P>,
}

/// What is known.
#[derive(Debug)]
pub struct Keys<P> {
    entries: HashMap<Name, Entry<P>>,
    /// When each ends that does not run.
    ends: BTreeSet<(Time, Name)>,
    /// The greatest number that was given.
    fence: Fence,
    /// The most keys that are known at once.
    max: usize,
}

impl<P: Copy> Keys<P> {
    /// Nothing, of so many keys at most.
    pub fn new(max: usize) -> Keys<P> {
        Keys { entries: HashMap::new(), ends: BTreeSet::new(), fence: Fence(0), max }
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The greatest number that was given.
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// No number up to this one is given any more.
    pub fn raise(&mut self, fence: Fence) {
        self.fence = self.fence.max(fence);
    }

    /// Whether something is known of a key.
    pub fn knows(&self, name: &Name, now: Time) -> bool {
        self.entries.get(name).is_some_and(|entry| !entry.is_over(now))
    }

    /// A request asks; `lifetime` is that of its key, ms, if it is the first.
    pub fn ask(&mut self, name: Name, print: Print, lifetime: u64, now: Time) -> Asked<P> {
        self.sweep(now);
        if let Some(entry) = self.entries.get(&name) {
            return match entry.state {
                _ if entry.print != print => Asked::No(Refusal::Other),
                State::Running => Asked::No(Refusal::Running),
                State::InDoubt => Asked::No(Refusal::InDoubt),
                State::Unkept(status) => Asked::No(Refusal::Unkept { status }),
                State::Done(place) => Asked::Again(place),
            };
        }
        if self.entries.len() >= self.max {
            return Asked::No(Refusal::Full);
        }
        // Node time comes back after a disk was lost, and a count alone would not.
        let fence = Fence(self.fence.0.saturating_add(1).max(now.0));
        let end = now.plus(lifetime);
        self.fence = fence;
        self.entries.insert(name, Entry { print, fence, end, state: State::Running });
        Asked::Run { fence, end }
    }

    /// A run is over, and its response is kept there.
    pub fn done(&mut self, name: Name, fence: Fence, place: P, now: Time) {
        self.settle(name, fence, State::Done(place), now);
    }

    /// A run is over, and its response is not kept.
    pub fn unkept(&mut self, name: Name, fence: Fence, status: u16, now: Time) {
        self.settle(name, fence, State::Unkept(status), now);
    }

    /// Nobody knows how a run ended.
    pub fn lost(&mut self, name: Name, fence: Fence, now: Time) {
        self.settle(name, fence, State::InDoubt, now);
    }

    /// A run did certainly nothing: it was not begun, or the origin says so.
    pub fn void(&mut self, name: &Name, fence: Fence) {
        if let Some(entry) = self.entries.get(name).filter(|entry| entry.fence == fence) {
            self.ends.remove(&(entry.end, *name));
            self.entries.remove(name);
        }
    }

    /// Takes in what was written down. What is known of the same run already stays; what this process runs, too.
    pub fn recall(&mut self, recalled: Recalled<P>, now: Time) {
        let (run, state) = match recalled {
            Recalled::Void(name, fence) => {
                self.raise(fence);
                let is_running = |entry: &Entry<P>| matches!(entry.state, State::Running);
                if !self.entries.get(&name).is_some_and(is_running) {
                    self.void(&name, fence);
                }
                return;
            }
            Recalled::Intent(run) => (run, State::InDoubt),
            Recalled::Done(run, place) => (run, State::Done(place)),
            Recalled::Unkept(run, status) => (run, State::Unkept(status)),
        };
        self.raise(run.fence);
        if run.end <= now {
            return;
        }
        let Run { name, print, fence, end } = run;
        if let Some(known) = self.entries.get(&name) {
            let is_news = match (known.state, state) {
                (State::Running, _) => false,
                (State::InDoubt, State::Done(_) | State::Unkept(_)) => known.fence <= fence,
                _ => known.fence < fence,
            };
            if !is_news {
                return;
            }
            self.ends.remove(&(known.end, name));
        }
        self.entries.insert(name, Entry { print, fence, end, state });
        self.ends.insert((end, name));
    }

    fn settle(&mut self, name: Name, fence: Fence, state: State<P>, now: Time) {
        let Some(entry) = self.entries.get_mut(&name).filter(|entry| entry.fence == fence) else { return };
        if !matches!(entry.state, State::Running) {
            return;
        }
        entry.state = state;
        let end = entry.end;
        if end <= now {
            self.entries.remove(&name);
        } else {
            self.ends.insert((end, name));
        }
    }

    /// Forgets what is over.
    fn sweep(&mut self, now: Time) {
        while let Some((end, name)) = self.ends.first().copied().filter(|(end, _)| *end <= now) {
            self.ends.remove(&(end, name));
            self.entries.remove(&name);
        }
    }
}

impl<P> Entry<P> {
    /// What still runs is not over, however long that takes.
    fn is_over(&self, now: Time) -> bool {
        self.end <= now && !matches!(self.state, State::Running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_800_000_000_000);
    const LIFETIME: u64 = 1_000;
    const END: Time = Time(NOW.0 + LIFETIME);
    const FIRST: Fence = Fence(NOW.0);

    fn name(text: &str) -> Name {
        Name::of([text.as_bytes()])
    }

    fn print(text: &str) -> Print {
        super::super::print("POST", "a", ["/", ""], b"", text.as_bytes())
    }

    fn run(fence: u64) -> Run {
        Run { name: name("k"), print: print("b"), fence: Fence(fence), end: END }
    }

    #[derive(Debug, Clone, Copy)]
    enum From {
        Unknown,
        Running,
        Done,
        Unkept,
        InDoubt,
    }

    const STATES: [From; 5] = [From::Unknown, From::Running, From::Done, From::Unkept, From::InDoubt];

    fn keys(state: From) -> Keys<u8> {
        let mut keys = Keys::new(10);
        if matches!(state, From::Unknown) {
            keys.raise(Fence(NOW.0));
            return keys;
        }
        assert_eq!(keys.ask(name("k"), print("b"), LIFETIME, NOW), Asked::Run { fence: FIRST, end: END });
        match state {
            From::Done => keys.done(name("k"), FIRST, 7, NOW),
            From::Unkept => keys.unkept(name("k"), FIRST, 201, NOW),
            From::InDoubt => keys.lost(name("k"), FIRST, NOW),
            From::Unknown | From::Running => {}
        }
        keys
    }

    /// What the next request with the key and the same body hears, in a word.
    fn heard(keys: &mut Keys<u8>, body: &str, now: Time) -> String {
        match keys.ask(name("k"), print(body), LIFETIME, now) {
            Asked::Run { fence, .. } => format!("run {}", fence.0 as i64 - NOW.0 as i64),
            Asked::Again(place) => format!("again {place}"),
            Asked::No(refusal) => refusal.text(),
        }
    }

    type Event = (&'static str, fn(&mut Keys<u8>));

    /// Each event in each state, and what the next request hears after it.
    #[test]
    fn every_event_in_every_state() {
        let events: [(Event, [&str; 5]); 17] = [
            (("nothing", |_| {}), ["run 1", "running", "again 7", "unkept 201", "in-doubt"]),
            (
                ("done", |keys| keys.done(name("k"), FIRST, 9, NOW)),
                ["run 1", "again 9", "again 7", "unkept 201", "in-doubt"],
            ),
            (
                ("another run done", |keys| keys.done(name("k"), Fence(1), 9, NOW)),
                ["run 1", "running", "again 7", "unkept 201", "in-doubt"],
            ),
            (
                ("unkept", |keys| keys.unkept(name("k"), FIRST, 500, NOW)),
                ["run 1", "unkept 500", "again 7", "unkept 201", "in-doubt"],
            ),
            (
                ("lost", |keys| keys.lost(name("k"), FIRST, NOW)),
                ["run 1", "in-doubt", "again 7", "unkept 201", "in-doubt"],
            ),
            (("void", |keys| keys.void(&name("k"), FIRST)), ["run 1"; 5]),
            (
                ("another run void", |keys| keys.void(&name("k"), Fence(1))),
                ["run 1", "running", "again 7", "unkept 201", "in-doubt"],
            ),
            (
                ("its intent read", |keys| keys.recall(Recalled::Intent(run(NOW.0)), NOW)),
                ["in-doubt", "running", "again 7", "unkept 201", "in-doubt"],
            ),
            (
                ("its outcome read", |keys| keys.recall(Recalled::Done(run(NOW.0), 8), NOW)),
                ["again 8", "running", "again 7", "unkept 201", "again 8"],
            ),
            (
                ("that it is unkept read", |keys| keys.recall(Recalled::Unkept(run(NOW.0), 204), NOW)),
                ["unkept 204", "running", "again 7", "unkept 201", "unkept 204"],
            ),
            (
                ("that it is void read", |keys| keys.recall(Recalled::Void(name("k"), FIRST), NOW)),
                ["run 1", "running", "run 1", "run 1", "run 1"],
            ),
            (
                ("an older intent read", |keys| keys.recall(Recalled::Intent(run(5)), NOW)),
                ["in-doubt", "running", "again 7", "unkept 201", "in-doubt"],
            ),
            (
                ("an older outcome read", |keys| keys.recall(Recalled::Done(run(5), 8), NOW)),
                ["again 8", "running", "again 7", "unkept 201", "in-doubt"],
            ),
            (
                ("a newer intent read", |keys| keys.recall(Recalled::Intent(run(NOW.0 + 50)), NOW)),
                ["in-doubt", "running", "in-doubt", "in-doubt", "in-doubt"],
            ),
            (
                ("a newer outcome read", |keys| keys.recall(Recalled::Done(run(NOW.0 + 50), 8), NOW)),
                ["again 8", "running", "again 8", "again 8", "again 8"],
            ),
            (
                ("an intent read that is over", |keys| {
                    keys.recall(Recalled::Intent(Run { end: NOW, ..run(NOW.0 + 50) }), NOW)
                }),
                ["run 51", "running", "again 7", "unkept 201", "in-doubt"],
            ),
            (
                ("a greater number read", |keys| keys.raise(Fence(NOW.0 + 9))),
                ["run 10", "running", "again 7", "unkept 201", "in-doubt"],
            ),
        ];
        for ((event, happen), expected) in events {
            for (state, expected) in STATES.into_iter().zip(expected) {
                let mut keys = keys(state);
                happen(&mut keys);
                assert_eq!(heard(&mut keys, "b", NOW), expected, "{event} in {state:?}");
            }
        }
    }

    #[test]
    fn another_body_under_a_key_is_another_request_in_every_state() {
        for (state, expected) in STATES.into_iter().zip(["run 1", "other", "other", "other", "other"]) {
            assert_eq!(heard(&mut keys(state), "c", NOW), expected, "{state:?}");
        }
    }

    #[test]
    fn a_key_that_is_over_means_nothing_and_one_that_runs_is_not_over() {
        for (state, before, after) in [
            (From::Done, "again 7", format!("run {LIFETIME}")),
            (From::Unkept, "unkept 201", format!("run {LIFETIME}")),
            (From::InDoubt, "in-doubt", format!("run {LIFETIME}")),
            (From::Running, "running", "running".to_owned()),
        ] {
            let mut keys = keys(state);
            assert_eq!(heard(&mut keys, "b", Time(END.0 - 1)), before);
            assert_eq!(keys.knows(&name("k"), END), matches!(state, From::Running));
            assert_eq!(heard(&mut keys, "b", END), after, "{state:?}");
        }
        let mut keys = keys(From::Running);
        keys.lost(name("k"), FIRST, END);
        assert!(keys.is_empty(), "its time was over when it ended");
    }

    #[test]
    fn numbers_only_grow() {
        let mut keys: Keys<u8> = Keys::new(100);
        let mut last = Fence(0);
        for (nth, now) in [NOW, NOW, Time(NOW.0 - 500), Time(NOW.0 + 7), Time(NOW.0 + 7)].into_iter().enumerate() {
            let Asked::Run { fence, .. } = keys.ask(name(&nth.to_string()), print(""), LIFETIME, now) else { panic!() };
            assert!(fence > last);
            last = fence;
        }
        assert_eq!((last, keys.fence()), (Fence(NOW.0 + 8), last));
    }

    #[test]
    fn what_is_known_is_bounded_and_what_is_read_is_never_left_out() {
        let mut keys: Keys<u8> = Keys::new(2);
        for nth in ["a", "b"] {
            assert!(matches!(keys.ask(name(nth), print(""), LIFETIME, NOW), Asked::Run { .. }));
        }
        assert_eq!(heard(&mut keys, "b", NOW), "full");
        keys.recall(Recalled::Intent(run(1)), NOW);
        assert_eq!((keys.len(), heard(&mut keys, "b", NOW)), (3, "in-doubt".to_owned()));
        keys.void(&name("a"), FIRST);
        assert_eq!((keys.len(), keys.ends.len()), (2, 1));
    }
}
