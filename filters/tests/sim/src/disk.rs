//! What outlives a life of a POP: files, the log of purges, a snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use selvedge_filters::purge::lives::{Earlier, Judged, LOGGED_MAX, Logged, Record};
use selvedge_filters::purge::{Renewal, Standing};
use selvedge_state::{Incarnation, Journal, Store, Time};

use crate::stored::{Asked, Stored};

/// A response on the disk, and the life in which it was asked for or validated last.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) stored: Stored,
    life: u64,
}

/// The disk of a POP.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) files: BTreeMap<usize, File>,
    /// What is to be written behind the requests' backs, the last of each thing.
    pub(crate) waiting: BTreeMap<usize, Stored>,
    log: Vec<Record>,
    /// The last life that wrote the log.
    last: Option<u64>,
    pub(crate) snapshot: Vec<Bytes>,
    /// What was known when this life began.
    earlier: Earlier,
    life: u64,
    /// The number of the application up to which all of this life are in the log.
    pub(crate) durable: u64,
    /// Whether this life has heard what others know.
    pub(crate) may_serve: bool,
}

/// What is found on the disk.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing,
    Gone(Asked),
    Usable(Stored),
}

impl Disk {
    /// An empty one, where a life begins.
    pub(crate) fn new(life: u64, store: &Store, now: Time) -> Disk {
        let (earlier, logged) = Logged::default().begin(None, Incarnation(life), store, now);
        let mut disk = Disk {
            files: BTreeMap::new(),
            waiting: BTreeMap::new(),
            log: Vec::new(),
            last: None,
            snapshot: Vec::new(),
            earlier,
            life,
            durable: 0,
            may_serve: false,
        };
        disk.go_on(logged, store);
        disk
    }

    /// The next life begins, whose store has what the snapshot knows.
    pub(crate) fn begin(&mut self, life: u64, store: &Store, now: Time) {
        let mut logged = Logged::default();
        self.log.iter().for_each(|record| logged.add(*record));
        let (earlier, logged) = logged.begin(self.last.map(Incarnation), Incarnation(life), store, now);
        (self.earlier, self.life) = (earlier, life);
        self.go_on(logged, store);
    }

    fn go_on(&mut self, logged: Logged, store: &Store) {
        self.log = logged.records(LOGGED_MAX);
        self.last = Some(self.life);
        self.durable = self.earlier.fill().number();
        self.may_serve = false;
        store.journal_purges(Box::new(|| {}));
    }

    /// What was applied is in the log from now on.
    pub(crate) fn write(&mut self, journal: &Journal) {
        self.append(journal, journal.applied.len());
        self.durable = journal.up_to;
    }

    /// A crash: so many of what was applied are in the log, of which nobody was told, and nothing else is written any more.
    pub(crate) fn crash(&mut self, journal: &Journal, written: usize) {
        self.append(journal, written);
        self.waiting.clear();
        self.may_serve = false;
    }

    fn append(&mut self, journal: &Journal, written: usize) {
        assert_eq!(journal.lost, None, "the log is read in time");
        let life = Incarnation(self.life);
        self.log.extend(journal.applied.iter().take(written).map(|applied| Record::Applied(life, *applied)));
    }

    /// What was stored in memory last is there from now on.
    pub(crate) fn write_behind(&mut self, thing: usize) {
        let Some(stored) = self.waiting.remove(&thing) else { return };
        let known = self.files.get(&thing).filter(|file| file.life == self.life);
        if known.is_none_or(|known| known.stored.stamped.gives_way_to(&stored.stamped)) {
            self.files.insert(thing, File { stored, life: self.life });
        }
    }

    fn judge(&self, file: &File, store: &Store) -> Judged {
        let stamp = file.stored.stamped.stamp().clone();
        let lives = (Incarnation(file.life), Incarnation(self.life));
        self.earlier.judge(stamp, lives, 0, store)
    }

    /// What is on the disk and may be used, as it is in memory.
    pub(crate) fn find(&mut self, thing: usize, store: &Store, now: Time) -> Found {
        let Some(file) = self.files.get(&thing).filter(|_| self.may_serve) else { return Found::Nothing };
        let up_to = store.fill().number();
        let Judged { stamped, standing, stale_since } = self.judge(file, store);
        let mut stored = Stored { stamped: Arc::new(stamped), ..file.stored.clone() };
        if let Some(at) = stale_since {
            stored.expire(at, now);
        }
        match standing {
            Standing::Gone => {
                let asked = stored.asked;
                self.files.remove(&thing);
                Found::Gone(asked)
            }
            Standing::Stale(applied) => Found::Usable(stored.stale(applied, up_to, now)),
            Standing::Valid => Found::Usable(stored),
        }
    }

    fn renewal(&self, file: &File, by: &Stored, store: &Store) -> Renewal {
        let Judged { stamped, standing, .. } = self.judge(file, store);
        if standing == Standing::Gone { Renewal::Gone } else { stamped.renewal(&by.stamped, store) }
    }

    /// A 304 came for what is there.
    pub(crate) fn renew(&mut self, thing: usize, by: &Stored, is_looked_at: bool, store: &Store) {
        let Some(file) = self.files.get(&thing).filter(|file| file.stored.etag == by.etag) else { return };
        if !self.may_serve {
            return;
        }
        let renewal = if is_looked_at { self.renewal(file, by, store) } else { Renewal::Renewed };
        match renewal {
            Renewal::Renewed => {
                let stored = Stored { body: file.stored.body, body_asked: file.stored.body_asked, ..by.clone() };
                self.files.insert(thing, File { stored, life: self.life });
            }
            Renewal::Newer => {}
            Renewal::Gone => drop(self.files.remove(&thing)),
        }
    }
}
