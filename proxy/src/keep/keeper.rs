//! Who writes the snapshots, and what became of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use selvedge_state::{Estate, Inheritance, Restored, Snapshot, SnapshotHead, Store, Time};
use tokio::time::{MissedTickBehavior, interval};

use super::file;
use super::folder::{Folder, Found};
use super::purges::{Before, Company, Forgotten, LogStatus, Opening, PurgeLog};
use super::revocations::{RevocationLog, RevocationsStatus};
use super::runs::{Bounds, Runs, RunsStatus};
use crate::admin::report;
use crate::clock::Clock;
use crate::link::secret::SecretId;
use crate::node::Node;
use crate::observe::log;

/// The revision of a cluster's first roster.
const FOUNDED: u64 = 1;

/// Whose the folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// This process's.
    Me,
    /// That of a process that takes over, or is about to.
    Successor,
    /// Nobody's: what had to be kept is there.
    Nobody,
    /// That of a process that did not take over, if it still runs: taken back as soon as it can be.
    Wanted,
}

/// Keeps one node's state in its folder.
#[derive(Debug)]
pub struct Keeper {
    folder: Folder,
    every: Duration,
    /// What each snapshot says of itself; its time is set when it begins.
    head: SnapshotHead,
    /// Held while one is written: there is one file beside.
    writing: Mutex<Owner>,
    standing: Mutex<report::Kept>,
    /// What is written there of purges, where a tier of the cache on disk needs it.
    log: Option<Arc<PurgeLog>>,
    /// What was run under idempotency keys.
    runs: Option<Arc<Runs>>,
    /// What was revoked since the last snapshot.
    revocations: Option<Arc<RevocationLog>>,
}

impl Keeper {
    /// Of a folder, with what came of what was found there.
    fn new(folder: Folder, every: Duration, head: SnapshotHead, standing: report::Kept) -> Keeper {
        let (writing, standing) = (Mutex::new(Owner::Me), Mutex::new(standing));
        Keeper { folder, every, head, writing, standing, log: None, runs: None, revocations: None }
    }

    /// Logs purges in its folder from here on, see [`PurgeLog::open`]; without `company` no tier on disk needs that, and what is there is
    /// removed: purges of this life would be missing in it.
    pub fn log(&mut self, company: Option<Company>, before: Before, store: &Arc<Store>) -> Option<Arc<PurgeLog>> {
        let Some(company) = company else {
            if let Err(error) = PurgeLog::forget(self.folder.path()) {
                log::purges_remembered(self.folder.path(), &error);
            }
            return None;
        };
        let opening = Opening { mine: &self.head, before, company };
        self.log = Some(PurgeLog::open(self.folder.path(), &opening, store));
        self.log.clone()
    }

    /// Has what is run under idempotency keys written down in its folder from here on.
    pub fn keep_runs(&mut self, bounds: Bounds, clock: &Clock) {
        self.runs = Some(Runs::open(self.folder.path(), bounds, clock));
    }

    /// What was run under idempotency keys.
    pub(crate) fn runs(&self) -> Option<&Arc<Runs>> {
        self.runs.as_ref()
    }

    /// Takes what was revoked since the snapshot that was found into a store, and has what is revoked written down in its folder from here on.
    pub fn log_revocations(&mut self, beside: Option<SecretId>, store: &Arc<Store>, now: Time) {
        let secrets = (self.head.secret_id, beside.map(|id| id.0));
        self.revocations = Some(RevocationLog::open(self.folder.path(), secrets, store, now));
    }

    /// What was revoked since the last snapshot.
    pub(crate) fn revocations(&self) -> Option<&Arc<RevocationLog>> {
        self.revocations.as_ref()
    }

    /// Takes what was found in a folder into a store whose tables are there, and keeps the store there from now on.
    pub fn start(folder: Folder, found: &Found, head: SnapshotHead, every: Duration, store: &Store) -> Keeper {
        let path = folder.path().to_owned();
        let (restored, refused) = match found {
            Found::Nothing => (None, None),
            Found::Refused(error) => (None, Some(error.to_string())),
            Found::Snapshot { head: found, .. } => match folder.restore(store, head.at) {
                Ok(Restored { taken, left }) => {
                    let (at, incarnation) = (found.at.0, found.incarnation.0);
                    (Some(report::Restored { at, incarnation, taken, left }), None)
                }
                Err(error) => (None, Some(error.to_string())),
            },
        };
        if let Some(restored) = &restored {
            log::restored(restored);
        }
        if let Some(cause) = &refused {
            log::snapshot_refused(&path, cause);
        }
        let standing = report::Kept { path, restored, refused, ..report::Kept::default() };
        Keeper::new(folder, every, head, standing)
    }

    /// Takes over what the life before had left of quotas, when its snapshot was taken and this process is about to serve. What is inherited is
    /// gone from the disk first. `roster` is the revision of the cluster's. Without a cluster any snapshot is as good as the last one; and with a cluster's
    /// first roster and a new folder there was no life before.
    pub fn inherit(&self, found: &Found, roster: Option<u64>, store: &Store, now: Time) {
        let left = self.folder.take_estate();
        let is_taken = self.lock().restored.is_some();
        let estate = match left {
            Err(error) => return log::estate_lost(self.folder.path(), &error),
            Ok(_) if roster == Some(FOUNDED) && self.folder.is_new() => Some(Estate::of_founder(now)),
            Ok(_) if roster.is_none() => Some(Estate::of_one_alone(found.life().filter(|_| is_taken))),
            Ok(left) => left.filter(|estate| is_taken && found.goes_with(estate)),
        };
        let mut standing = self.lock();
        match estate {
            Some(estate) => {
                let Inheritance { keys, left } = store.inherit(estate, now);
                standing.inherited = found.life().map(|_| report::Inherited { keys, left });
            }
            None => {
                let Inheritance { keys, left } = found.life().map(|life| store.left_by(life)).unwrap_or_default();
                standing.void = (keys > 0).then_some(report::Inherited { keys, left });
            }
        }
        log::inherited(&standing);
    }

    /// What became of the newest snapshot.
    pub fn status(&self) -> report::Kept {
        let purges = self.log.as_ref().map(|log| {
            let LogStatus { bytes, broken, durable: _ } = log.standing();
            let (error, forgotten) = (broken.as_ref(), log.earlier().forgotten());
            let forgotten = forgotten.filter(|forgotten| **forgotten != Forgotten::NoLog);
            report::PurgesKept {
                bytes,
                serves: log.may_serve(),
                forgotten: forgotten.map(ToString::to_string),
                error: error.map(ToString::to_string),
            }
        });
        let runs = self.runs.as_ref().map(|runs| {
            let RunsStatus { keys, bytes, error } = runs.status();
            report::RunsKept { keys, bytes, error }
        });
        let revocations = self.revocations.as_ref().map(|log| {
            let RevocationsStatus { durable: _, bytes, error, damaged } = log.status();
            report::RevocationsKept { bytes, error, damaged }
        });
        report::Kept { purges, runs, revocations, ..self.lock().clone() }
    }

    /// Leaves the folder to a process that takes over; nothing is written from here on.
    pub(crate) fn release(&self) {
        let mut owner = self.owner();
        // Whoever has the folder reads it, and begins another one.
        self.close_log();
        if let Some(runs) = &self.runs {
            runs.release();
        }
        if let Some(log) = &self.revocations {
            log.release();
        }
        match self.folder.release() {
            Ok(()) => *owner = Owner::Successor,
            Err(error) => log::snapshot_failed(self.folder.path(), &error),
        }
    }

    /// Takes it back from one that did not.
    pub(crate) fn retake(&self, now: Time) {
        let mut owner = self.owner();
        *owner = Owner::Wanted;
        self.look(&mut owner, now);
    }

    /// Whether the folder is this process's; taken back if it is wanted.
    fn look(&self, owner: &mut Owner, now: Time) -> Owner {
        if *owner == Owner::Wanted {
            match self.folder.retake() {
                Ok(()) => {
                    *owner = Owner::Me;
                    if let Some(log) = &self.log {
                        log.lose("it was left to a process that did not take over");
                    }
                    if let Some(runs) = &self.runs {
                        runs.retake();
                    }
                    if let Some(log) = &self.revocations {
                        log.retake(now);
                    }
                }
                Err(error) => self.lock().error = Some(error.to_string()),
            }
        }
        *owner
    }

    fn owner(&self) -> std::sync::MutexGuard<'_, Owner> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a snapshot of now, where the folder is this process's. Blocks for as long as the disk takes.
    pub fn write(&self, node: &Node) {
        let mut owner = self.owner();
        if self.look(&mut owner, node.clock.now()) == Owner::Me {
            self.write_at(node, node.clock.now());
        }
    }

    /// Writes the last one, and what this life leaves: its rights are closed. Nothing is written after that.
    fn close(&self, node: &Node) {
        let mut owner = self.owner();
        let now = node.clock.now();
        if self.look(&mut owner, now) != Owner::Me {
            return;
        }
        *owner = Owner::Nobody;
        let is_written = self.write_at(node, now);
        // One that handed over has left it to its successor.
        let estate = node.store.estate(now).filter(|_| is_written && !node.has_handed_over());
        if let Some(Err(error)) = estate.map(|estate| self.folder.leave_estate(&estate)) {
            log::estate_lost(self.folder.path(), &error);
        }
        self.close_log();
        if let Some(log) = &self.revocations {
            log.release();
        }
    }

    fn close_log(&self) {
        if let Some(log) = &self.log {
            log.close();
        }
    }

    /// Whether it was written.
    fn write_at(&self, node: &Node, now: Time) -> bool {
        let began = Instant::now();
        let cut = self.revocations.as_ref().map(|log| log.cut());
        let written = file::write(&self.folder.snapshot(), Snapshot::new(&node.store, self.head_at(now)));
        let mut standing = self.lock();
        let is_written = written.is_ok();
        match written {
            Ok(bytes) => {
                standing.written_at = Some(now.0);
                standing.took_ms = Some(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
                standing.bytes = Some(bytes);
                standing.error = None;
                node.metrics.snapshot_written(now);
                if let Some((log, cut)) = self.revocations.as_ref().zip(cut) {
                    log.forget(cut);
                }
            }
            Err(error) => {
                // The first of a row is told; all are counted.
                if standing.error.is_none() {
                    log::snapshot_failed(&self.folder.snapshot(), &error);
                }
                standing.error = Some(error.to_string());
                node.metrics.snapshot_failed();
            }
        }
        is_written
    }

    fn head_at(&self, at: Time) -> SnapshotHead {
        SnapshotHead { at, ..self.head.clone() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, report::Kept> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a snapshot every so often, for ever.
pub(crate) async fn keep(node: Arc<Node>) {
    let Some(every) = node.keeper.as_ref().map(|keeper| keeper.every) else { return };
    let mut ticks = interval(every);
    // Never two at a time, and never one right after another because the disk was slow.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once, when there is nothing new to keep.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        on_disk(&node, Keeper::write).await;
    }
}

/// Writes the last one, and what this life leaves.
pub(crate) async fn close(node: &Arc<Node>) {
    on_disk(node, Keeper::close).await;
}

/// Writes on a thread that may wait for the disk.
async fn on_disk(node: &Arc<Node>, write: fn(&Keeper, &Node)) {
    let writing = Arc::clone(node);
    // A panic would only be in this snapshot: the next one may succeed.
    let _ = tokio::task::spawn_blocking(move || {
        if let Some(keeper) = &writing.keeper {
            write(keeper, &writing);
        }
    })
    .await;
}
