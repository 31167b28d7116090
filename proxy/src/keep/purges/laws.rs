//! What the log is for, as a law: nothing that was stored on disk is served after a purge of it was applied at this node in whichever life,
//! if that purge was on the disk, or the snapshot or a peer tells of it. Two nodes, a few names, and lives that end at any
//! moment: the log loses what was not written and has a torn end, the snapshot may be old or gone.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use fastrand::Rng;
use selvedge_filters::purge::lives::{EarlierStanding, Record};
use selvedge_state::{Dot, Fill, Incarnation, Key128, PurgeKey, Snapshot, Store};
use tempfile::TempDir;

use super::opening::begin;
use super::record::{self, Head};
use super::tests::{NOW, head, name, purge, store};
use super::writer::Writer;
use super::*;

/// Each step may wait for the disk.
const SEEDS: u64 = 25;
const STEPS: usize = 100;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Something on disk.
struct Object {
    name: usize,
    life: Incarnation,
    fill: Fill,
    /// Purges of it that were made, or applied here, after it was filled: those of its hard and of its soft name.
    purged: [Vec<Dot>; 2],
}

/// How lives end, and how much is remembered.
#[derive(Debug, Clone, Copy)]
struct Trouble {
    /// Whether all that is applied is written before a life ends.
    is_careful: bool,
    marks_max: usize,
}

/// A node and its peer.
struct Model {
    rng: Rng,
    folder: TempDir,
    trouble: Trouble,
    life: u64,
    store: Arc<Store>,
    earlier: Earlier,
    writer: Writer,
    peer: Arc<Store>,
    /// The newest one last, and the life that wrote it.
    snapshots: Vec<(u64, Vec<Bytes>)>,
    objects: Vec<Object>,
    dots: Vec<(usize, usize, Dot)>,
}

/// The hard name of something, or the soft one.
fn of(store: &Store, nth: usize, reach: usize) -> PurgeKey {
    name(store, &format!("{} {reach}", NAMES[nth]))
}

fn keys(store: &Store, nth: usize, reach: usize) -> Vec<Key128> {
    of(store, nth, reach).each().collect()
}

fn open(folder: &TempDir, life: u64, before: Before, store: &Store) -> (Earlier, Writer) {
    let opening = Opening { mine: &head(life), before, company: Company::Alone };
    let (earlier, writer) = begin(folder.path(), &opening, store);
    store.journal_purges(Box::new(|| {}));
    (earlier, writer.unwrap())
}

impl Model {
    fn new(seed: u64, trouble: Trouble) -> Model {
        let folder = tempfile::tempdir().unwrap();
        let (here, peer) = (store(1, 1, trouble.marks_max), store(2, 1, 100));
        let (earlier, writer) = open(&folder, 1, Before::Unknown, &here);
        let rng = Rng::with_seed(seed);
        let (snapshots, objects, dots) = Default::default();
        Model { rng, folder, trouble, life: 1, store: here, earlier, writer, peer, snapshots, objects, dots }
    }

    fn step(&mut self) {
        match self.rng.u8(..100) {
            0..30 => self.fill(),
            30..50 => self.purge_here(),
            50..60 => self.purge_there(),
            60..70 => self.tell(),
            70..75 => drop(self.peer.restore_purges(self.store.purges(), NOW)),
            75..87 => self.writer.write(&self.store.take_journal()).unwrap(),
            87..94 => self.snapshots.push((self.life, Snapshot::new(&self.store, head(self.life)).collect())),
            _ => self.begin_anew(),
        }
        self.check();
    }

    fn fill(&mut self) {
        let (name, life, fill) = (self.rng.usize(..NAMES.len()), Incarnation(self.life), self.store.fill());
        self.objects.push(Object { name, life, fill, purged: [Vec::new(), Vec::new()] });
    }

    fn purge_here(&mut self) {
        let (nth, reach) = (self.rng.usize(..NAMES.len()), self.rng.usize(..2));
        let dot = purge(&self.store, of(&self.store, nth, reach));
        self.dots.push((nth, reach, dot));
        self.applied(nth, reach, dot);
    }

    fn purge_there(&mut self) {
        let (nth, reach) = (self.rng.usize(..NAMES.len()), self.rng.usize(..2));
        let dot = purge(&self.peer, of(&self.peer, nth, reach));
        self.dots.push((nth, reach, dot));
        self.applied(nth, reach, dot);
    }

    /// All that is stored under the name was filled before.
    fn applied(&mut self, nth: usize, reach: usize, dot: Dot) {
        let objects = self.objects.iter_mut().filter(|object| object.name == nth);
        objects.for_each(|object| object.purged[reach].push(dot));
    }

    fn knows(&self, nth: usize, reach: usize, dot: Dot) -> bool {
        self.store.purge_applied(of(&self.store, nth, reach), dot).is_some()
    }

    /// The peer says what it knows. What a floor says already was made before the last that was heard of its author, and so before what
    /// was filled after that.
    fn tell(&mut self) {
        let is_new = |(nth, reach, dot): &(usize, usize, Dot)| !self.knows(*nth, *reach, *dot);
        let news: Vec<_> = self.dots.iter().copied().filter(is_new).collect();
        let before = self.store.fill().number();
        self.store.restore_purges(self.peer.purges(), NOW);
        for (nth, reach, dot) in news {
            let applied = self.store.purge_applied(of(&self.store, nth, reach), dot);
            if applied.is_some_and(|applied| applied.number > before) {
                self.applied(nth, reach, dot);
            }
        }
    }

    /// This life ends, and the next one begins with what is on the disk.
    fn begin_anew(&mut self) {
        let waits = self.store.take_journal();
        if self.trouble.is_careful {
            self.writer.write(&waits).unwrap();
        } else {
            self.tear(&waits);
        }
        // The newest one, the one before, or none.
        let lost = self.rng.usize(..3);
        self.snapshots.truncate(self.snapshots.len().saturating_sub(lost));
        self.life += 1;
        self.store = store(1, self.life, self.trouble.marks_max);
        let before = self.snapshots.last().map_or(Before::Unknown, |(life, _)| Before::Ended(Incarnation(*life)));
        for frame in self.snapshots.last().iter().flat_map(|(_, frames)| frames) {
            self.store.restore(frame, NOW);
        }
        (self.earlier, self.writer) = open(&self.folder, self.life, before, &self.store);
        assert_eq!(self.earlier.forgotten(), None);
    }

    /// Of what waits some is written, and the last of that not whole.
    fn tear(&mut self, waits: &selvedge_state::Journal) {
        let life = Incarnation(self.life);
        let path = file::path(self.folder.path());
        let selvedge_state::SnapshotHead { cluster, secret_id, actor, .. } = head(self.life);
        let (_, seed) = Head { cluster, secret_id, actor, life }.encode().unwrap();
        let mut bytes = Vec::new();
        let applied = waits.applied.iter().map(|applied| Record::Applied(life, *applied));
        applied.for_each(|record| record::encode(&record, seed, &mut bytes));
        bytes.truncate(self.rng.usize(..=bytes.len()));
        let file = std::fs::OpenOptions::new().append(true).open(path);
        file.unwrap().write_all(&bytes).unwrap();
    }

    /// Whether something is served as it was stored, or may be served stale.
    fn standing(&self, object: &Object) -> EarlierStanding {
        let [hard, soft] = [0, 1].map(|reach| keys(&self.store, object.name, reach));
        let (earlier, fill) = if object.life == Incarnation(self.life) {
            (EarlierStanding::Valid, object.fill)
        } else {
            (self.earlier.lives().standing(object.life, object.fill.number(), &hard, &soft), self.earlier.fill())
        };
        match (earlier, self.store.first_purge(&hard, fill), self.store.first_purge(&soft, fill)) {
            (EarlierStanding::Gone, ..) | (_, Some(_), _) => EarlierStanding::Gone,
            (EarlierStanding::Valid, None, Some(applied)) => EarlierStanding::Stale(applied.at),
            (earlier, ..) => earlier,
        }
    }

    fn check(&self) {
        for object in &self.objects {
            let standing = self.standing(object);
            let [hard, soft] =
                [0, 1].map(|reach| object.purged[reach].iter().any(|dot| self.knows(object.name, reach, *dot)));
            let is_right = match standing {
                EarlierStanding::Gone => true,
                EarlierStanding::Stale(_) => !hard,
                EarlierStanding::Valid => !hard && !soft,
            };
            let Object { name, life, fill, purged } = object;
            let told = || format!("{standing:?}: {} of {life:?} at {fill:?}, purged by {purged:?}", NAMES[*name]);
            assert!(is_right, "{}", told());
            let is_exact = self.trouble.is_careful && self.trouble.marks_max >= 2 * NAMES.len();
            let is_untouched = purged.iter().all(Vec::is_empty);
            assert!(!is_exact || !is_untouched || standing == EarlierStanding::Valid, "too much: {}", told());
        }
    }
}

fn run(trouble: Trouble) {
    for seed in 0..SEEDS {
        println!("seed {seed}: {trouble:?}");
        let mut model = Model::new(seed, trouble);
        (0..STEPS).for_each(|_| model.step());
    }
}

#[test]
fn nothing_purged_is_served_and_all_else_is_where_lives_end_in_order() {
    run(Trouble { is_careful: true, marks_max: 100 });
}

#[test]
fn nothing_purged_is_served_where_the_log_lost_its_end() {
    run(Trouble { is_careful: false, marks_max: 100 });
}

#[test]
fn nothing_purged_is_served_where_few_purges_are_remembered() {
    run(Trouble { is_careful: true, marks_max: 3 });
    run(Trouble { is_careful: false, marks_max: 3 });
}
