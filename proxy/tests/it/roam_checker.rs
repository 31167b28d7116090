//! A reference checker of what clients that roam were told, from the history of one run: it knows nothing of how sessions are kept.
//!
//! Each client has sessions of its own, one after the other, and one request at a time. So it is known exactly what each of them has to show: the last value of each
//! attribute and all that was counted, and never less than was shown before (read your writes, monotonic reads: Terry et al., "Session
//! guarantees for weakly consistent replicated data", 1994). Where something is said not to be fresh it may be older, but only if one of the
//! POPs that the client wrote at could not be reached since then. A session that was revoked is valid nowhere where that was heard of.

use std::collections::{BTreeMap, BTreeSet};

/// Attributes, and behind them what is counted.
pub(crate) const ITEMS: usize = 4;

/// The place of what is counted.
pub(crate) const CLICKS: usize = ITEMS - 1;

/// What a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A session, where it has none.
    Start,
    /// To look.
    Read,
    /// An attribute to be this: numbers of one client rise.
    Set(usize, u64),
    /// To count one more.
    Count,
    /// The session to go on under another id.
    Rotate,
    /// The session to be over.
    Revoke,
    /// To look with a cookie of its session of this number, which was revoked.
    Replay(u32),
}

/// What a request found its session to be, before anything was done that it asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) is_fresh: bool,
    pub(crate) items: [u64; ITEMS],
}

/// One request that was answered. Instants are numbers, each given once.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) client: usize,
    pub(crate) pop: usize,
    pub(crate) begin: u64,
    pub(crate) end: u64,
    pub(crate) asked: Asked,
    /// Nothing where it had no valid session.
    pub(crate) shown: Option<Shown>,
}

/// Two POPs between which something was wrong: from before it began until after both heard everybody again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outage {
    pub(crate) between: [usize; 2],
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// What was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// An item was called fresh and was less than this.
    Older(usize, u64),
    /// An item was more than this, all that anybody wrote.
    MadeUp(usize, u64),
    /// It was not called fresh, though whoever wrote it could be reached.
    NotFresh,
    /// It was not valid, though nobody revoked it.
    Lost,
    /// It was another session than before, or another client's.
    Another,
    /// It was valid, though it was revoked and this POP knew that.
    Revived,
}

/// An answer that nobody may get.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) wrong: Wrong,
    pub(crate) answer: Answer,
}

/// What is known of one client and its session.
#[derive(Debug, Default)]
struct Known {
    session: u32,
    id: Option<String>,
    /// What each item is at least and at most; they differ only after a rotation of something that was not fresh.
    bounds: [(u64, u64); ITEMS],
    /// When the client last wrote at each POP.
    wrote: BTreeMap<usize, u64>,
    /// Of its revoked sessions, where that was heard of.
    revoked: BTreeMap<u32, BTreeSet<usize>>,
}

/// All that is wrong in a history, whose answers of each client are in order.
pub(crate) fn check(history: &[Answer], outages: &[Outage]) -> Vec<Violation> {
    let mut clients: BTreeMap<usize, Known> = BTreeMap::new();
    let mut owners: BTreeMap<&str, (usize, u32)> = BTreeMap::new();
    let mut violations = Vec::new();
    for answer in history {
        let known = clients.entry(answer.client).or_default();
        let mut wrongs = known.judge(answer, outages);
        if let Some(shown) = answer.shown.as_ref().filter(|_| !matches!(answer.asked, Asked::Replay(_))) {
            let owner = (answer.client, known.session);
            if *owners.entry(&shown.id).or_insert(owner) != owner {
                wrongs.push(Wrong::Another);
            }
        }
        known.follow(answer);
        violations.extend(wrongs.into_iter().map(|wrong| Violation { wrong, answer: answer.clone() }));
    }
    violations
}

impl Known {
    /// What is wrong with an answer.
    fn judge(&mut self, answer: &Answer, outages: &[Outage]) -> Vec<Wrong> {
        let shown = match (&answer.asked, &answer.shown) {
            (Asked::Replay(session), shown) => return self.replayed(*session, answer.pop, shown.is_some()),
            (Asked::Start, None) => return Vec::new(),
            (Asked::Start, Some(_)) => return vec![Wrong::Another],
            (_, None) => return vec![Wrong::Lost],
            (_, Some(shown)) => shown,
        };
        let mut wrongs = Vec::new();
        if self.id.get_or_insert_with(|| shown.id.clone()) != &shown.id {
            wrongs.push(Wrong::Another);
        }
        for (item, (bounds, is)) in self.bounds.iter_mut().zip(shown.items).enumerate() {
            if is > bounds.1 {
                wrongs.push(Wrong::MadeUp(item, bounds.1));
            } else if shown.is_fresh && is < bounds.0 {
                wrongs.push(Wrong::Older(item, bounds.0));
            }
            if shown.is_fresh {
                *bounds = (is, is);
            }
        }
        if !shown.is_fresh && !self.is_excused(answer, outages) {
            wrongs.push(Wrong::NotFresh);
        }
        wrongs
    }

    fn replayed(&mut self, session: u32, pop: usize, is_valid: bool) -> Vec<Wrong> {
        let heard = self.revoked.entry(session).or_default();
        if is_valid && heard.contains(&pop) {
            return vec![Wrong::Revived];
        }
        if !is_valid {
            heard.insert(pop);
        }
        Vec::new()
    }

    /// Whether something was wrong with the way to a POP that the client wrote at, since it did.
    fn is_excused(&self, answer: &Answer, outages: &[Outage]) -> bool {
        let was_out = |(pop, since): (&usize, &u64)| {
            let between =
                |outage: &Outage| outage.between == [*pop, answer.pop] || outage.between == [answer.pop, *pop];
            outages.iter().any(|outage| between(outage) && outage.from <= answer.end && outage.to >= *since)
        };
        self.wrote.iter().any(was_out)
    }

    /// What an answer made of the session.
    fn follow(&mut self, answer: &Answer) {
        let at = (answer.pop, answer.begin);
        let is_stale = answer.shown.as_ref().is_some_and(|shown| !shown.is_fresh);
        if is_stale && !matches!(answer.asked, Asked::Replay(_)) {
            // Where something is missing the POP may note what it has shown.
            self.wrote.extend([at]);
        }
        match answer.asked {
            Asked::Read | Asked::Replay(_) => {}
            Asked::Set(item, value) => {
                self.bounds[item] = (value, value);
                self.wrote.extend([at]);
            }
            Asked::Count => {
                let (low, high) = self.bounds[CLICKS];
                self.bounds[CLICKS] = (low + 1, high + 1);
                self.wrote.extend([at]);
            }
            Asked::Start => {
                *self =
                    Known { session: self.session + 1, revoked: std::mem::take(&mut self.revoked), ..Known::default() };
                self.wrote.extend([at]);
            }
            Asked::Rotate => {
                self.revoked.insert(self.session, [answer.pop].into());
                // What was not known there did not come along.
                let stale = answer.shown.as_ref().filter(|shown| !shown.is_fresh);
                for (bounds, is) in self.bounds.iter_mut().zip(stale.map(|shown| shown.items).into_iter().flatten()) {
                    bounds.0 = is;
                }
                (self.session, self.id, self.wrote) = (self.session + 1, None, [at].into());
            }
            Asked::Revoke => drop(self.revoked.insert(self.session, [answer.pop].into())),
        }
    }
}

/// A history of one client, written down a line at a time.
#[derive(Default)]
struct Story(Vec<Answer>);

impl Story {
    fn then(mut self, pop: usize, asked: Asked, shown: Option<(&str, bool, [u64; ITEMS])>) -> Story {
        let begin = self.0.len() as u64 * 10;
        let shown = shown.map(|(id, is_fresh, items)| Shown { id: id.to_owned(), is_fresh, items });
        self.0.push(Answer { client: 0, pop, begin, end: begin + 5, asked, shown });
        self
    }

    #[track_caller]
    fn is(&self, outages: &[Outage], wrongs: &[Wrong]) {
        let found: Vec<Wrong> = check(&self.0, outages).into_iter().map(|violation| violation.wrong).collect();
        assert_eq!(found, wrongs);
    }
}

/// A session that was started and written at POP 0: `[1, 0, 0, 0]`, at instant 10.
fn begun() -> Story {
    Story::default().then(0, Asked::Start, None).then(0, Asked::Set(0, 1), Some(("i", true, [0; ITEMS])))
}

const CUT: Outage = Outage { between: [1, 0], from: 12, to: 30 };

#[test]
fn a_history_in_which_all_is_well_passes() {
    let story = begun()
        .then(1, Asked::Count, Some(("i", true, [1, 0, 0, 0])))
        .then(2, Asked::Rotate, Some(("i", true, [1, 0, 0, 1])))
        .then(0, Asked::Read, Some(("j", true, [1, 0, 0, 1])))
        .then(1, Asked::Replay(1), Some(("i", true, [1, 0, 0, 1])))
        .then(1, Asked::Replay(1), None)
        .then(0, Asked::Revoke, Some(("j", true, [1, 0, 0, 1])))
        .then(0, Asked::Start, None)
        .then(2, Asked::Read, Some(("k", true, [0; ITEMS])));
    story.is(&[], &[]);
}

#[test]
fn what_is_called_fresh_is_the_last_that_was_written_and_shown() {
    begun().then(1, Asked::Read, Some(("i", true, [0; ITEMS]))).is(&[], &[Wrong::Older(0, 1)]);
    begun().then(1, Asked::Read, Some(("i", true, [2, 0, 0, 0]))).is(&[], &[Wrong::MadeUp(0, 1)]);
    let counted = begun().then(1, Asked::Count, Some(("i", true, [1, 0, 0, 0])));
    counted.then(2, Asked::Read, Some(("i", true, [1, 0, 0, 0]))).is(&[], &[Wrong::Older(CLICKS, 1)]);
    // An outage excuses what is not fresh, and not what is said to be.
    begun().then(1, Asked::Read, Some(("i", true, [0; ITEMS]))).is(&[CUT], &[Wrong::Older(0, 1)]);
}

#[test]
fn what_is_not_fresh_needs_an_excuse() {
    let stale = || begun().then(1, Asked::Read, Some(("i", false, [0; ITEMS])));
    stale().is(&[CUT], &[]);
    for useless in [Outage { between: [1, 2], ..CUT }, Outage { from: 26, ..CUT }, Outage { from: 2, to: 9, ..CUT }] {
        stale().is(&[useless], &[Wrong::NotFresh]);
    }
    begun().then(0, Asked::Read, Some(("i", false, [1, 0, 0, 0]))).is(&[], &[Wrong::NotFresh]);
    // What was shown where something was missing may be missing elsewhere.
    let twice = || stale().then(2, Asked::Read, Some(("i", false, [1, 0, 0, 0])));
    twice().is(&[CUT, Outage { between: [2, 1], from: 27, to: 40 }], &[]);
    twice().is(&[CUT], &[Wrong::NotFresh]);
    // Nor may it be more than anybody wrote.
    begun().then(1, Asked::Read, Some(("i", false, [0, 7, 0, 0]))).is(&[CUT], &[Wrong::MadeUp(1, 0)]);
}

#[test]
fn what_was_not_known_where_it_was_rotated_may_be_gone_and_nothing_else() {
    let rotated = || {
        let counted = begun().then(0, Asked::Count, Some(("i", true, [1, 0, 0, 0])));
        counted.then(1, Asked::Rotate, Some(("i", false, [1, 0, 0, 0])))
    };
    let cut = Outage { to: 50, ..CUT };
    for clicks in [0, 1] {
        rotated().then(2, Asked::Read, Some(("j", true, [1, 0, 0, clicks]))).is(&[cut], &[]);
    }
    rotated().then(2, Asked::Read, Some(("j", true, [0, 0, 0, 1]))).is(&[cut], &[Wrong::Older(0, 1)]);
    // Once it was shown it stays.
    let shown = rotated().then(2, Asked::Read, Some(("j", true, [1, 0, 0, 1])));
    shown.then(0, Asked::Read, Some(("j", true, [1, 0, 0, 0]))).is(&[cut], &[Wrong::Older(CLICKS, 1)]);
}

#[test]
fn a_session_is_valid_until_it_is_revoked_and_then_nowhere_where_that_is_known() {
    begun().then(1, Asked::Read, None).is(&[CUT], &[Wrong::Lost]);
    let revoked = || begun().then(0, Asked::Revoke, Some(("i", true, [1, 0, 0, 0])));
    let valid = Some(("i", true, [1, 0, 0, 0]));
    revoked().then(0, Asked::Replay(1), valid).is(&[], &[Wrong::Revived]);
    revoked().then(1, Asked::Replay(1), valid).is(&[], &[]);
    revoked().then(1, Asked::Replay(1), None).then(1, Asked::Replay(1), valid).is(&[], &[Wrong::Revived]);
    let rotated = begun().then(2, Asked::Rotate, valid);
    rotated.then(2, Asked::Replay(1), valid).is(&[], &[Wrong::Revived]);
}

#[test]
fn a_session_is_one_clients_and_stays_the_same() {
    begun().then(1, Asked::Read, Some(("x", true, [1, 0, 0, 0]))).is(&[], &[Wrong::Another]);
    begun().then(1, Asked::Start, Some(("i", true, [1, 0, 0, 0]))).is(&[], &[Wrong::Another]);
    let mut other = begun();
    let others = begun().0.into_iter().map(|answer| Answer { client: 1, ..answer });
    other.0.extend(others);
    other.is(&[], &[Wrong::Another]);
}
