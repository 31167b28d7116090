//! One log over several lives, and what is wrong with it.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;

use selvedge_filters::purge::lives::EarlierStanding;
use selvedge_state::{
    Actor, Dot, Incarnation, Key128, PopId, PurgeKey, SnapshotHead, Store, StoreBounds, StoreConfig, Time,
};
use tempfile::TempDir;

use super::record::RECORD;
use super::*;

pub(super) const NOW: Time = Time(1_800_000_000_000);

pub(super) fn head(life: u64) -> SnapshotHead {
    let actor = Actor { pop: PopId(1), node: 0 };
    SnapshotHead { cluster: "of two".to_owned(), secret_id: 7, actor, incarnation: Incarnation(life), at: NOW }
}

/// The store of a POP in a life.
pub(super) fn store(pop: u16, life: u64, marks_max: usize) -> Arc<Store> {
    let config = StoreConfig {
        me: Actor { pop: PopId(pop), node: 0 },
        incarnation: Incarnation(life),
        cluster: "of two".to_owned(),
        secret: [9; 16],
        secret_beside: None,
        salt: 0,
        keys_max: 10,
        bans_max: 10,
        roster: 2,
    };
    Arc::new(Store::with_bounds(config, StoreBounds { marks_max, ..StoreBounds::default() }))
}

pub(super) fn name(store: &Store, name: &str) -> PurgeKey {
    store.purge_key(&[name.as_bytes()])
}

pub(super) fn purge(store: &Store, of: PurgeKey) -> Dot {
    store.purge(of, NOW.plus(3_600_000), NOW).unwrap()
}

/// A life with an empty store.
struct Life {
    store: Arc<Store>,
    log: Arc<PurgeLog>,
}

impl Life {
    fn of(folder: &TempDir, life: u64, before: Before) -> Life {
        let store = store(1, life, 1_000);
        let opening = Opening { mine: &head(life), before, company: Company::Alone };
        Life { log: PurgeLog::open(folder.path(), &opening, &store), store }
    }

    fn begin(folder: &TempDir, life: u64) -> Life {
        Life::of(folder, life, Before::Unknown)
    }

    async fn purge(&self, of: &str) {
        purge(&self.store, name(&self.store, of));
        self.log.until_durable(self.store.fill().number()).await.unwrap();
    }

    /// What became of something with this name, filled then.
    fn standing(&self, of: &str, life: u64, number: u64) -> EarlierStanding {
        let names: Vec<Key128> = name(&self.store, of).each().collect();
        self.log.earlier().lives().standing(Incarnation(life), number, &names, &[])
    }

    fn forgotten(&self) -> Option<Forgotten> {
        self.log.earlier().forgotten().cloned()
    }
}

fn log(folder: &TempDir) -> PathBuf {
    folder.path().join("purges")
}

fn change(folder: &TempDir, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(log(folder)).unwrap();
    change(&mut bytes);
    std::fs::write(log(folder), bytes).unwrap();
}

use EarlierStanding::{Gone, Stale, Valid};

#[tokio::test]
async fn purges_of_earlier_lives_are_told_by_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let first = Life::begin(&folder, 1);
    assert_eq!((first.forgotten(), first.log.may_serve()), (Some(Forgotten::NoLog), true));
    assert_eq!(first.standing("a", 1, 9), Gone);
    first.purge("a").await;
    first.purge("b").await;
    assert!(first.log.durable() == 2 && first.log.standing().bytes > 2 * RECORD as u64);
    drop(first);

    let second = Life::begin(&folder, 2);
    assert_eq!(second.forgotten(), None);
    assert_eq!([0, 1, 2].map(|at| second.standing("a", 1, at)), [Gone, Valid, Valid]);
    assert_eq!([0, 1, 2].map(|at| second.standing("b", 1, at)), [Gone, Gone, Valid]);
    assert_eq!(second.standing("c", 1, 0), Valid);
    assert_eq!(second.standing("c", 2, 0), Gone, "no life before this one");
    // A soft name is as good as a hard one, and says when.
    let soft: Vec<Key128> = name(&second.store, "a").each().collect();
    let standing = |at| second.log.earlier().lives().standing(Incarnation(1), at, &[], &soft);
    assert_eq!((standing(0), standing(1)), (Stale(NOW), Valid));
    // They hold in this life, too, and are no news in the next one.
    assert_eq!((second.log.earlier().fill().number(), second.store.purges().len()), (2, 2));
    second.purge("c").await;
    drop(second);

    let third = Life::begin(&folder, 3);
    assert_eq!([0, 1].map(|at| third.standing("a", 1, at)), [Gone, Valid]);
    assert_eq!([0, 2].map(|at| third.standing("a", 2, at)), [Valid, Valid]);
    assert_eq!((third.standing("c", 1, 99), third.standing("c", 2, 2), third.standing("c", 2, 3)), (Gone, Gone, Valid));
}

/// The log lost what was told to nobody, or the disk lied; a snapshot has it.
#[tokio::test]
async fn what_the_snapshot_alone_knows_came_last() {
    let folder = tempfile::tempdir().unwrap();
    let first = Life::begin(&folder, 1);
    first.purge("a").await;
    drop(first);
    let opening = Opening { mine: &head(2), before: Before::Ended(Incarnation(1)), company: Company::Alone };
    let (of_snapshot, again) = (store(1, 1, 100), store(1, 2, 100));
    for of in ["a", "b"] {
        purge(&of_snapshot, name(&of_snapshot, of));
    }
    again.restore_purges(of_snapshot.purges(), NOW);
    let second = Life { log: PurgeLog::open(folder.path(), &opening, &again), store: again };
    assert_eq!((second.standing("a", 1, 1), second.standing("b", 1, u64::MAX)), (Valid, Gone));
    drop(second);
    let third = Life::begin(&folder, 3);
    assert_eq!(third.standing("b", 1, u64::MAX), Gone, "and stays so");
    assert_eq!(third.standing("b", 2, 2), Valid);
}

#[tokio::test]
async fn a_torn_end_is_none_and_damage_before_the_end_purges_all_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let first = Life::begin(&folder, 1);
    for of in ["a", "b", "c"] {
        first.purge(of).await;
    }
    drop(first);
    let whole = std::fs::read(log(&folder)).unwrap();
    let begin = whole.len() - 3 * RECORD;
    // What a crash leaves of a write: a part, zeros, or something else.
    for tail in [&[0; 1][..], &[0; RECORD], &[7; RECORD + 5], &whole[begin..begin + RECORD - 1]] {
        change(&folder, |bytes| *bytes = [&whole, tail].concat());
        let life = Life::begin(&folder, 2);
        assert_eq!((life.forgotten(), life.standing("c", 1, 2), life.standing("c", 1, 3)), (None, Gone, Valid));
    }
    change(&folder, |bytes| *bytes = whole[..whole.len() - 1].to_vec());
    let life = Life::begin(&folder, 2);
    assert_eq!((life.standing("b", 1, 1), life.standing("c", 1, 2)), (Gone, Valid), "its end was told to nobody");
    drop(life);

    change(&folder, |bytes| {
        *bytes = whole;
        bytes[begin + RECORD + 3] ^= 1;
    });
    let life = Life::begin(&folder, 2);
    let at = (begin + RECORD) as u64;
    assert_eq!((life.forgotten(), life.standing("d", 1, 99)), (Some(Forgotten::Damaged(at)), Gone));
    assert_eq!(life.store.purges().len(), 2, "what can be read still goes to the others");
    drop(life);
    let life = Life::begin(&folder, 3);
    assert_eq!((life.forgotten(), life.standing("d", 1, 99), life.standing("d", 2, 2)), (None, Gone, Valid));
}

#[tokio::test]
async fn what_is_not_the_log_of_the_life_before_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = Life::begin(&folder, 5);
    first.purge("a").await;
    drop(first);
    let whole = std::fs::read(log(&folder)).unwrap();
    let open = |mine: SnapshotHead, before| {
        change(&folder, |bytes| bytes.clone_from(&whole));
        let store = store(1, mine.incarnation.0, 100);
        let opening = Opening { mine: &mine, before, company: Company::Alone };
        PurgeLog::open(folder.path(), &opening, &store).earlier().forgotten().cloned()
    };
    assert_eq!(open(head(6), Before::Ended(Incarnation(5))), None);
    assert_eq!(open(head(6), Before::Ended(Incarnation(4))), None, "it ended before its first snapshot");
    assert_eq!(open(head(7), Before::Running(Incarnation(6))), Some(Forgotten::Unlogged));
    assert_eq!(open(head(5), Before::Unknown), Some(Forgotten::Later));
    let other = SnapshotHead { secret_id: 8, ..head(6) };
    assert_eq!(open(other, Before::Unknown), Some(Forgotten::OtherSecret { theirs: 7, ours: 8 }));
    let other = SnapshotHead { cluster: "another".to_owned(), ..head(6) };
    assert_eq!(open(other, Before::Unknown), Some(Forgotten::OtherNode));
    change(&folder, |bytes| bytes.truncate(10));
    assert!(matches!(Life::begin(&folder, 6).forgotten(), Some(Forgotten::Unreadable(_))));
    PurgeLog::forget(folder.path()).unwrap();
    PurgeLog::forget(folder.path()).unwrap();
    assert_eq!(Life::begin(&folder, 7).forgotten(), Some(Forgotten::NoLog));
}

/// A log on a disk that is full.
fn unwritable(path: &Path, store: &Arc<Store>) -> PurgeLog {
    let opening = Opening { mine: &head(1), before: Before::Unknown, company: Company::Alone };
    let (earlier, writer) = opening::begin(path.parent().unwrap(), &opening, store);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    PurgeLog::start(path.to_owned(), (earlier, writer.map(|writer| writer.to(full))), 0, store)
}

#[tokio::test]
async fn a_log_that_cannot_be_written_is_removed_and_nothing_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(1, 1, 100);
    let unlogged = unwritable(&log(&folder), &store);
    assert!(unlogged.may_serve() && unlogged.broken().is_none() && log(&folder).exists());
    purge(&store, name(&store, "a"));
    let Err(Broken::Erased(cause)) = unlogged.until_durable(1).await else { panic!("it is written") };
    assert!(cause.contains("No space left"), "{cause}");
    assert!(!unlogged.may_serve() && !log(&folder).exists());
    assert_eq!((unlogged.durable(), unlogged.until_durable(0).await), (0, Ok(())));
    assert_eq!(unlogged.until_safe(1).await, Ok(()), "what is stored is gone with it");
    drop(unlogged);
    assert_eq!(Life::begin(&folder, 2).forgotten(), Some(Forgotten::NoLog));
}

#[tokio::test]
async fn one_that_cannot_be_removed_either_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(1, 1, 100);
    let unlogged = unwritable(&log(&folder), &store);
    std::fs::remove_file(log(&folder)).unwrap();
    std::fs::create_dir(log(&folder)).unwrap();
    purge(&store, name(&store, "a"));
    assert!(matches!(unlogged.until_durable(1).await, Err(Broken::Stuck(_))));
    assert!(matches!(unlogged.until_safe(1).await, Err(Broken::Stuck(_))));
    assert!(!unlogged.may_serve());
}

#[tokio::test]
async fn one_that_cannot_be_begun_is_none() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(log(&folder)).unwrap();
    let life = Life::begin(&folder, 1);
    assert!(matches!(life.forgotten(), Some(Forgotten::Unwritable(_))));
    assert!(!life.log.may_serve() && matches!(life.log.broken(), Some(Broken::Stuck(_))));
}

#[tokio::test]
async fn it_is_served_from_disk_when_all_others_were_heard() {
    let folder = tempfile::tempdir().unwrap();
    let open = |life, before, company| {
        let store = store(1, life, 100);
        PurgeLog::open(folder.path(), &Opening { mine: &head(life), before, company }, &store)
    };
    let log = open(1, Before::Unknown, Company::Peers);
    assert!(!log.may_serve());
    log.heard_peers();
    assert!(log.may_serve());
    drop(log);
    let log = open(2, Before::Running(Incarnation(1)), Company::Peers);
    log.heard_peers();
    assert!(!log.may_serve());
    log.heard_before();
    assert!(log.may_serve());
    log.close();
    assert!(!log.may_serve());
    assert_eq!(log.until_durable(u64::MAX).await, Err(Broken::Closed));
    drop(log);
    let log = open(3, Before::Running(Incarnation(2)), Company::Alone);
    assert!(!log.may_serve());
    log.lose("it is gone");
    log.heard_before();
    assert!(!log.may_serve() && !super::file::path(folder.path()).exists());
    assert_eq!(log.broken(), Some(Broken::Erased("it is gone".to_owned())));
}

/// Handed over to a process that did not take over.
#[tokio::test]
async fn one_that_was_closed_can_still_be_lost() {
    let folder = tempfile::tempdir().unwrap();
    let life = Life::begin(&folder, 1);
    life.purge("a").await;
    life.log.close();
    life.log.close();
    purge(&life.store, name(&life.store, "b"));
    assert_eq!(life.log.until_durable(1).await, Ok(()));
    assert_eq!(life.log.until_durable(2).await, Err(Broken::Closed));
    life.log.lose("nobody took it");
    assert_eq!(life.log.until_durable(2).await, Err(Broken::Erased("nobody took it".to_owned())));
    assert!(!log(&folder).exists());
}

#[tokio::test]
async fn a_long_log_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(1, 1, 100);
    let opening = Opening { mine: &head(1), before: Before::Unknown, company: Company::Alone };
    let (earlier, writer) = opening::begin(folder.path(), &opening, &store);
    let writer = writer.map(|writer| writer.anew_at(8 * RECORD as u64));
    let life = Life { log: Arc::new(PurgeLog::start(log(&folder), (earlier, writer), 0, &store)), store };
    for nth in 0..100 {
        life.purge(["a", "b", "c"][nth % 3]).await;
    }
    let length = std::fs::metadata(log(&folder)).unwrap().len();
    assert_eq!(life.log.standing().bytes, length);
    assert!(length < 16 * RECORD as u64, "{length} bytes");
    drop(life);
    let life = Life::begin(&folder, 2);
    for (of, last) in [("a", 100), ("b", 98), ("c", 99)] {
        assert_eq!([last - 1, last].map(|at| life.standing(of, 1, at)), [Gone, Valid]);
    }
}

/// Who is told that something is on the disk is told so after it is.
#[tokio::test]
async fn what_is_durable_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let life = Life::begin(&folder, 1);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (store, folder) = (&life.store, &folder);
            let log = &life.log;
            scope.spawn(move || {
                for nth in 0..50 {
                    let dot = purge(store, store.purge_key(&[&[thread, nth]]));
                    let durable = log.durable();
                    let read = file::read(&file::path(folder.path())).unwrap();
                    let numbers = read.logged.purges().map(|applied| applied.number);
                    assert!(numbers.filter(|number| *number <= durable).count() as u64 == durable, "{dot:?}");
                }
            });
        }
    });
    life.log.until_durable(200).await.unwrap();
}
