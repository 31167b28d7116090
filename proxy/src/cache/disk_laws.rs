//! What the disk tier promises, tried through Pingora's own trait.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pingora::cache::Storage;
use pingora::cache::key::CacheHashKey;
use pingora::cache::storage::MissHandler;
use selvedge_state::{Actor, Incarnation, PopId, SnapshotHead, Store, Time};
use tempfile::TempDir;

use super::disk::{CHUNK, Disk, DiskSettings};
use super::laws::{MIB, body, empty_store, find, found, key, meta, read, sized, start, store, trace};
use super::storage::{EntryKey, Tiers};
use crate::keep::{Before, Company, Opening, PurgeLog};

/// A life of a node with a disk.
struct Life {
    tiers: &'static Tiers,
    purges: Arc<PurgeLog>,
    store: Arc<Store>,
}

/// The folders of a node.
struct Place {
    temp: TempDir,
    lives: u64,
}

impl Place {
    fn new() -> Place {
        Place { temp: tempfile::tempdir().expect("a folder"), lives: 0 }
    }

    fn cache(&self) -> PathBuf {
        self.temp.path().join("cache")
    }

    /// Begins a life with so much memory and disk.
    fn live(&mut self, memory: usize, disk: usize) -> Life {
        let store = empty_store();
        self.lives += 1;
        let incarnation = Incarnation(self.lives);
        let actor = Actor { pop: PopId(1), node: 0 };
        let head = SnapshotHead { cluster: String::new(), secret_id: 1, actor, incarnation, at: Time(1) };
        let before = match self.lives {
            1 => Before::Unknown,
            more => Before::Ended(Incarnation(more - 1)),
        };
        let opening = Opening { mine: &head, company: Company::Alone, before };
        let purges = PurgeLog::open(self.temp.path(), &opening, &store);
        let settings = DiskSettings { path: self.cache(), capacity: disk as u64, object_max: disk / 2 };
        let disk = Disk::open(&settings, Arc::clone(&purges), incarnation, Arc::clone(&store)).expect("a disk");
        let tiers: &'static Tiers =
            Box::leak(Box::new(Tiers::new(memory as u64, memory / 4, Some(disk), Arc::clone(&store))));
        tiers.disk().expect("a disk").start();
        let life = Life { tiers, purges, store };
        life.until(|stats| stats.is_on);
        life
    }

    /// All files of objects.
    fn files(&self) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.cache().join("objects")).expect("objects");
        let each = folders.flat_map(|folder| fs::read_dir(folder.expect("a folder").path()).expect("files"));
        each.map(|file| file.expect("a file").path()).collect()
    }

    fn bytes(&self) -> u64 {
        // Some may make room meanwhile.
        self.files().iter().filter_map(|file| Some(file.metadata().ok()?.len())).sum()
    }
}

impl Life {
    /// Waits until its disk is as it should be.
    fn until(&self, is_so: impl Fn(&super::DiskStats) -> bool) {
        let began = Instant::now();
        while !is_so(&self.tiers.stats().disk.expect("a disk")) {
            assert!(began.elapsed() < Duration::from_secs(20), "{:?}", self.tiers.stats());
            std::thread::yield_now();
        }
    }

    /// Ends as an ordered stop does.
    fn end(self) {
        self.purges.close();
        self.tiers.disk().expect("a disk").release();
    }
}

/// Writes a body in parts such as come from a network.
async fn write(writer: &mut MissHandler, body: &Bytes) {
    for at in (0..body.len()).step_by(60_000) {
        writer.write_body(body.slice(at..body.len().min(at + 60_000)), false).await.expect("written");
    }
}

#[tokio::test]
async fn what_was_stored_is_found_by_the_next_life() {
    let mut place = Place::new();
    let life = place.live(4 * MIB, 16 * MIB);
    let fields = [("ETag", "\"a\""), ("Vary", "x, y"), ("Content-Length", "1000")];
    let mut small = meta(&fields.map(|(name, value)| (name, String::from(value))));
    small.set_variance([3; 16]);
    small.set_epoch_override(small.created() - Duration::from_secs(5));
    let (a, b) = (body(1, 1000), body(2, 3 * CHUNK + 17));
    store(life.tiers, "small", &small, &a).await;
    store(life.tiers, "large", &sized(b.len()), &b).await;
    store(life.tiers, "empty", &sized(0), &body(0, 0)).await;
    life.until(|stats| stats.stored == 3);
    life.end();
    let next = place.live(4 * MIB, 16 * MIB);
    assert_eq!(next.tiers.stats().disk.expect("a disk").objects, 3);
    let (meta, mut hit) = find(next.tiers, "small").await.expect("found");
    assert_eq!(meta.headers(), small.headers());
    assert_eq!((meta.fresh_until(), meta.epoch()), (small.fresh_until(), small.epoch()));
    assert_eq!((meta.stale_while_revalidate_sec(), meta.stale_if_error_sec()), (7, 9));
    assert_eq!((meta.variance(), meta.provenance()), (small.variance(), small.provenance()));
    assert_eq!(read(&mut hit).await.expect("whole"), a);
    assert_eq!(found(next.tiers, "large").await.expect("found"), b);
    assert_eq!(found(next.tiers, "empty").await.expect("found"), b"");
    assert!(find(next.tiers, "other").await.is_none());
    let stats = next.tiers.stats();
    assert_eq!((stats.objects, stats.disk.expect("a disk").hits), (2, 3), "what fits a chunk is in memory again");
    assert_eq!(found(next.tiers, "small").await.expect("found"), a);
    assert_eq!(next.tiers.stats().disk.expect("a disk").hits, 3);
}

#[tokio::test]
async fn a_body_too_large_for_memory_is_followed_to_the_disk_and_read_from_there() {
    let mut place = Place::new();
    let life = place.live(4 * MIB, 64 * MIB);
    for declared in [true, false] {
        let name = if declared { "declared" } else { "not" };
        let all = body(7, 12 * MIB + 12345);
        let meta = if declared { sized(all.len()) } else { meta(&[]) };
        let (mut writer, mut first) = start(life.tiers, name, &meta).await;
        let parts: Vec<_> =
            (0..all.len()).step_by(50_000).map(|at| all.slice(at..all.len().min(at + 50_000))).collect();
        let (half, rest) = parts.split_at(parts.len() / 2);
        for part in half {
            writer.write_body(part.clone(), false).await.expect("written");
        }
        assert!(life.tiers.stats().bytes < 3 * MIB as u64, "{name}: {}", life.tiers.stats().bytes);
        let (_, mut second) = find(life.tiers, name).await.expect("its beginning is there");
        let following = tokio::spawn(async move { read(&mut second).await.expect("whole") });
        let reading = tokio::spawn(async move { read(&mut first).await.expect("whole") });
        for part in rest {
            writer.write_body(part.clone(), false).await.expect("written");
            tokio::task::yield_now().await;
        }
        assert!(find(life.tiers, name).await.is_some());
        writer.finish().await.expect("finished");
        assert_eq!(following.await.expect("read"), all);
        assert_eq!(reading.await.expect("read"), all);
        assert_eq!(found(life.tiers, name).await.expect("found"), all);
    }
    let stats = life.tiers.stats();
    assert_eq!((stats.objects, stats.disk.expect("a disk").objects, stats.outgrown), (0, 2, 0));
    life.end();
    let next = place.live(4 * MIB, 64 * MIB);
    assert_eq!(found(next.tiers, "declared").await.expect("found").len(), 12 * MIB + 12345);
}

#[tokio::test]
async fn a_range_reads_the_chunks_it_lies_in() {
    let mut place = Place::new();
    let life = place.live(4 * MIB, 64 * MIB);
    let all = body(3, 20 * MIB);
    let (mut writer, _) = start(life.tiers, "a", &sized(all.len())).await;
    write(&mut writer, &all).await;
    writer.finish().await.expect("finished");
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..50 {
        let from = random.usize(..all.len());
        let to = (from + CHUNK).min(all.len());
        let (_, mut hit) = find(life.tiers, "a").await.expect("found");
        hit.seek(from, Some(to)).expect("in the body");
        let mut parts = Vec::new();
        while let Some(part) = hit.read_body().await.expect("read") {
            parts.push(part);
        }
        assert!(parts.len() <= 2, "each is read as one chunk");
        assert_eq!(parts.concat(), all.slice(from..to));
    }
}

#[tokio::test]
async fn what_is_damaged_is_a_miss() {
    let mut place = Place::new();
    let life = place.live(4 * MIB, 16 * MIB);
    for name in ["body", "head", "cut", "empty", "swapped"] {
        store(life.tiers, name, &sized(5000), &body(1, 5000)).await;
    }
    life.until(|stats| stats.stored == 5);
    life.end();
    let file = |name: &str| {
        let prefix = format!("{:032x}", EntryKey(u128::from_be_bytes(key(name).combined_bin())).0);
        let is_it = |file: &PathBuf| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
        place.files().into_iter().find(is_it).expect("its file")
    };
    let open = |path: &Path| fs::File::options().read(true).write(true).open(path).expect("opened");
    let flip = |path: &Path, at: u64| {
        let (file, mut byte) = (open(path), [0]);
        file.read_exact_at(&mut byte, at).expect("read");
        file.write_all_at(&byte.map(|byte| byte ^ 1), at).expect("written");
    };
    flip(&file("body"), 77);
    flip(&file("head"), 5010);
    let (cut, empty) = (open(&file("cut")), open(&file("empty")));
    cut.set_len(cut.metadata().expect("there").len() - 1).expect("cut");
    empty.set_len(0).expect("emptied");
    fs::copy(file("body"), file("swapped")).expect("copied");
    let next = place.live(4 * MIB, 16 * MIB);
    for name in ["body", "head", "cut", "empty", "swapped"] {
        assert!(find(next.tiers, name).await.is_none(), "{name}");
    }
    let disk = next.tiers.stats().disk.expect("a disk");
    assert_eq!((disk.damaged, disk.objects, disk.bytes), (5, 0, 0));
    assert_eq!(place.files(), Vec::<PathBuf>::new());
    store(next.tiers, "body", &sized(5000), &body(2, 5000)).await;
    assert_eq!(found(next.tiers, "body").await.expect("stored anew"), body(2, 5000));
}

#[tokio::test]
async fn what_breaks_off_or_is_cut_short_is_not_there() {
    let mut place = Place::new();
    let life = place.live(4 * MIB, 64 * MIB);
    let all = body(3, 6 * MIB);
    let (mut dropped, mut reader) = start(life.tiers, "dropped", &meta(&[])).await;
    write(&mut dropped, &all).await;
    drop(dropped);
    assert!(read(&mut reader).await.is_err(), "not taken for whole");
    let (mut short, _) = start(life.tiers, "short", &sized(all.len() + 1)).await;
    write(&mut short, &all).await;
    assert!(short.finish().await.is_err());
    let (mut alive, _) = start(life.tiers, "alive", &sized(all.len() + 1)).await;
    write(&mut alive, &all).await;
    // As after kill -9: nothing of this life ends.
    std::mem::forget(alive);
    life.purges.close();
    life.tiers.disk().expect("a disk").release();
    let next = place.live(4 * MIB, 64 * MIB);
    for name in ["dropped", "short", "alive"] {
        assert!(find(next.tiers, name).await.is_none(), "{name}");
    }
    assert_eq!(fs::read_dir(place.cache().join("drafts")).expect("drafts").count(), 0);
    assert_eq!(next.tiers.stats().disk.expect("a disk").bytes, 0);
}

#[tokio::test]
async fn the_cap_holds_in_memory_and_on_the_disk() {
    let mut place = Place::new();
    let (memory, capacity) = (2 * MIB, 16 * MIB);
    let life = place.live(memory, capacity);
    let mut random = fastrand::Rng::with_seed(11);
    for n in 0..300 {
        let len = match random.u32(..10) {
            0 => random.usize(..6 * MIB),
            1..4 => random.usize(..300_000),
            _ => random.usize(..20_000),
        };
        let (name, all) = (format!("{}", random.u32(..100)), body(n, len));
        let meta = if random.bool() { sized(len) } else { meta(&[]) };
        let (mut writer, _) = start(life.tiers, &name, &meta).await;
        for at in (0..len).step_by(60_000) {
            writer.write_body(all.slice(at..len.min(at + 60_000)), false).await.expect("written");
            let stats = life.tiers.stats();
            assert!(stats.bytes <= memory as u64, "{n}: {stats:?}");
            assert!(stats.disk.expect("a disk").bytes <= capacity as u64, "{n}: {stats:?}");
        }
        writer.finish().await.expect("finished");
        if let Some((_, mut hit)) = find(life.tiers, &name).await {
            assert_eq!(read(&mut hit).await.expect("whole"), all, "{n}");
        }
        assert!(place.bytes() <= capacity as u64);
    }
    let disk = life.tiers.stats().disk.expect("a disk");
    assert!(disk.evicted > 10 && disk.objects > 3, "{disk:?}");
}

#[tokio::test]
async fn what_is_taken_out_is_gone_for_all_lives() {
    let mut place = Place::new();
    let life = place.live(4 * MIB, 16 * MIB);
    for name in ["written", "waiting", "kept"] {
        store(life.tiers, name, &sized(1000), &body(1, 1000)).await;
        if name != "waiting" {
            let count = if name == "written" { 1 } else { 2 };
            life.until(|stats| stats.stored >= count);
        } else {
            assert!(life.tiers.take_out(EntryKey::of(&key(name))), "whether it is written or waits to be");
        }
    }
    assert!(life.tiers.take_out(EntryKey::of(&key("written"))));
    assert!(!life.tiers.take_out(EntryKey::of(&key("written"))));
    store(life.tiers, "last", &sized(10), &body(1, 10)).await;
    life.until(|stats| stats.objects == 2);
    life.end();
    let next = place.live(4 * MIB, 16 * MIB);
    for (name, is_there) in [("written", false), ("waiting", false), ("kept", true), ("last", true)] {
        assert_eq!(find(next.tiers, name).await.is_some(), is_there, "{name}");
    }
}

#[tokio::test]
async fn a_validation_is_remembered_and_does_not_fill_the_disk() {
    let mut place = Place::new();
    let life = place.live(4 * MIB, 16 * MIB);
    store(life.tiers, "a", &sized(1000), &body(1, 1000)).await;
    life.until(|stats| stats.stored == 1);
    let renewed = meta(&[("Content-Length", String::from("1000")), ("X-Round", String::from("2"))]);
    assert!(life.tiers.update_meta(&key("a"), &renewed, &trace()).await.expect("no error"));
    life.end();
    let next = place.live(4 * MIB, 16 * MIB);
    let (meta_of, mut hit) = find(next.tiers, "a").await.expect("found");
    assert_eq!(meta_of.headers().get("x-round").map(|value| value.as_bytes()), Some(b"2".as_slice()));
    assert_eq!(meta_of.fresh_until(), renewed.fresh_until());
    assert_eq!(read(&mut hit).await.expect("whole"), body(1, 1000));
    let large = meta(&[("Content-Length", String::from("1000")), ("X-Large", "x".repeat(4000))]);
    for _ in 0..100 {
        next.tiers.update_meta(&key("a"), &large, &trace()).await.expect("no error");
    }
    assert!(place.bytes() < 80_000, "{}", place.bytes());
}

/// A purge is known to the log, whatever the store of the next life knows.
#[tokio::test]
async fn purges_hold_over_lives() {
    let mut place = Place::new();
    let life = place.live(4 * MIB, 16 * MIB);
    let soft = life.store.purge_key(&[b"soft"]).each().next().expect("a key");
    let tagged = |fill, name: &'static str| {
        let mut meta = meta(&[]);
        let hard = life.store.purge_key(&[name.as_bytes()]).each().next().expect("a key");
        let purged_by = selvedge_filters::purge::Stamp::restored((fill, fill), Arc::from([hard, soft]));
        meta.extensions_mut().insert(super::stamp::Stamp::restored(purged_by, super::stamp::Owner::default()));
        meta
    };
    store(life.tiers, "purged", &tagged(life.store.fill(), "a"), &body(1, 100)).await;
    store(life.tiers, "other", &tagged(life.store.fill(), "b"), &body(2, 100)).await;
    life.until(|stats| stats.stored == 2);
    let key_of_a = life.store.purge_key(&[b"a"]);
    life.store.purge(key_of_a, Time(u64::MAX / 2), Time(1)).expect("room");
    store(life.tiers, "later", &tagged(life.store.fill(), "a"), &body(3, 100)).await;
    life.until(|stats| stats.stored == 3);
    life.purges.until_durable(life.store.fill().number()).await.expect("on disk");
    life.end();
    let next = place.live(4 * MIB, 16 * MIB);
    assert!(find(next.tiers, "purged").await.is_none());
    assert_eq!(found(next.tiers, "other").await.expect("found"), body(2, 100));
    assert_eq!(found(next.tiers, "later").await.expect("asked for after it"), body(3, 100));
    next.store.purge(next.store.purge_key(&[b"b"]), Time(u64::MAX / 2), Time(1)).expect("room");
    assert!(find(next.tiers, "other").await.is_none(), "in this life");
}

/// A request that found something, and goes out after a purge of it, validates nothing.
#[tokio::test]
async fn what_was_purged_is_not_validated_on_the_disk() {
    let mut place = Place::new();
    let life = place.live(4 * MIB, 16 * MIB);
    let hard = life.store.purge_key(&[b"a"]);
    let stamped = |fill| {
        let keys: Vec<_> = hard.each().chain(life.store.purge_key(&[b"soft"]).each()).collect();
        let mut meta = meta(&[("ETag", String::from("\"1\""))]);
        let purged_by = selvedge_filters::purge::Stamp::restored((fill, fill), keys.into());
        meta.extensions_mut().insert(super::stamp::Stamp::restored(purged_by, super::stamp::Owner::default()));
        meta
    };
    store(life.tiers, "a", &stamped(life.store.fill()), &body(1, 100)).await;
    life.until(|stats| stats.stored == 1);
    life.store.purge(hard, Time(u64::MAX / 2), Time(1)).expect("room");
    let renewed = life.tiers.update_meta(&key("a"), &stamped(life.store.fill()), &trace()).await;
    assert!(!renewed.expect("no error") && find(life.tiers, "a").await.is_none());
    life.purges.until_durable(life.store.fill().number()).await.expect("on disk");
    life.end();
    assert!(find(place.live(4 * MIB, 16 * MIB).tiers, "a").await.is_none());
}

/// Who knows of purges that nobody here has heard of must not take an old body for a new one because its origin has the same `ETag` still.
#[tokio::test]
async fn a_304_makes_no_body_newer() {
    let mut place = Place::new();
    let life = place.live(4 * MIB, 16 * MIB);
    let stamped = |len: usize| {
        let fill = life.store.fill();
        let mut meta = meta(&[("ETag", String::from("\"1\"")), ("Content-Length", len.to_string())]);
        let purged_by = selvedge_filters::purge::Stamp::restored((fill, fill), Arc::from([]));
        meta.extensions_mut().insert(super::stamp::Stamp::restored(purged_by, super::stamp::Owner::default()));
        meta
    };
    let first = life.store.fill();
    let bodies = [("memory", 100), ("disk", 2 * MIB)];
    for (name, len) in bodies {
        store(life.tiers, name, &stamped(len), &body(1, len)).await;
    }
    life.until(|stats| stats.stored == 2);
    life.store.purge(life.store.purge_key(&[b"another"]), Time(u64::MAX / 2), Time(1)).expect("room");
    assert!(life.store.fill() > first);
    for (name, len) in bodies {
        assert!(life.tiers.update_meta(&key(name), &stamped(len), &trace()).await.expect("no error"), "{name}");
        let (_, hit) = find(life.tiers, name).await.expect("found");
        assert_eq!(super::filled(&hit), first, "{name}");
    }
}

/// A 304 that comes late, when another response has taken the place of the one that it speaks of.
#[tokio::test]
async fn another_response_is_not_validated() {
    let mut place = Place::new();
    let life = place.live(4 * MIB, 16 * MIB);
    let tagged = |tag: &str| meta(&[("ETag", format!("\"{tag}\"")), ("X-Of", tag.to_owned())]);
    store(life.tiers, "a", &tagged("new"), &body(2, 100)).await;
    life.until(|stats| stats.stored == 1);
    assert!(!life.tiers.update_meta(&key("a"), &tagged("old"), &trace()).await.expect("no error"));
    assert!(life.tiers.update_meta(&key("a"), &tagged("new"), &trace()).await.expect("no error"));
    assert!(!life.tiers.update_meta(&key("a"), &tagged("old"), &trace()).await.expect("no error"));
    let is_new = async |tiers| {
        let (meta, mut hit) = find(tiers, "a").await.expect("found");
        assert_eq!(meta.headers()["x-of"], "new");
        assert_eq!(read(&mut hit).await.expect("whole"), body(2, 100));
    };
    is_new(life.tiers).await;
    life.end();
    is_new(place.live(4 * MIB, 16 * MIB).tiers).await;
}

#[tokio::test]
async fn a_disk_that_takes_nothing_is_turned_off_and_nobody_notices() {
    let mut place = Place::new();
    let life = place.live(4 * MIB, 64 * MIB);
    store(life.tiers, "before", &sized(1000), &body(1, 1000)).await;
    life.until(|stats| stats.stored == 1);
    fs::remove_dir(place.cache().join("drafts")).expect("removed");
    let all = body(3, 3 * MIB);
    let (mut writer, mut reader) = start(life.tiers, "large", &sized(all.len())).await;
    let reading = tokio::spawn(async move { read(&mut reader).await.expect("whole") });
    for at in (0..all.len()).step_by(100_000) {
        writer.write_body(all.slice(at..all.len().min(at + 100_000)), false).await.expect("written");
        tokio::task::yield_now().await;
    }
    writer.finish().await.expect("finished");
    assert_eq!(reading.await.expect("read"), all);
    assert!(!life.tiers.stats().disk.expect("a disk").is_on);
    assert!(find(life.tiers, "large").await.is_none(), "passed through");
    assert_eq!(found(life.tiers, "before").await.expect("in memory"), body(1, 1000));
    store(life.tiers, "after", &sized(1000), &body(2, 1000)).await;
    assert_eq!(found(life.tiers, "after").await.expect("in memory"), body(2, 1000));
    assert_eq!(io::Result::ok(fs::read_dir(place.cache().join("drafts"))).map(Iterator::count), None);
}
