//! What the storage promises, tried through Pingora's own trait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use pingora::cache::key::CacheHashKey;
use pingora::cache::storage::{MissHandler, PurgeOutcome, PurgeTarget};
use pingora::cache::trace::{Span, SpanHandle};
use pingora::cache::{CacheKey, CacheMeta, HitHandler, HttpCache, PurgeType, Storage};
use pingora::http::ResponseHeader;
use selvedge_state::{Actor, Incarnation, PopId, Store, StoreConfig};

use super::disk::CHUNK;
use super::parts::{Cache, Settings};
use super::piece::PIECE;
use super::storage::Tiers;

pub(super) const MIB: usize = 1 << 20;

fn storage(capacity: usize, object_max: usize) -> &'static Tiers {
    Box::leak(Box::new(Tiers::new(capacity as u64, object_max, None, empty_store())))
}

/// An empty store, of one POP alone.
pub(super) fn empty_store() -> Arc<Store> {
    Arc::new(Store::new(StoreConfig {
        me: Actor { pop: PopId(1), node: 0 },
        incarnation: Incarnation(1),
        cluster: String::from("test"),
        secret: [3; 16],
        secret_beside: None,
        salt: 0,
        keys_max: 10,
        bans_max: 10,
        roster: 1,
    }))
}

pub(super) fn trace() -> SpanHandle {
    Span::inactive().handle()
}

pub(super) fn key(name: impl std::fmt::Display) -> CacheKey {
    CacheKey::new(name.to_string(), "")
}

pub(super) fn meta(fields: &[(&'static str, String)]) -> CacheMeta {
    let mut header = ResponseHeader::build(200, None).expect("a header");
    for (name, value) in fields {
        header.append_header(*name, value.as_str()).expect("a field");
    }
    let now = SystemTime::now();
    CacheMeta::new(now + Duration::from_secs(60), now, 7, 9, header)
}

pub(super) fn sized(length: usize) -> CacheMeta {
    meta(&[("Content-Length", length.to_string())])
}

/// Bytes that tell their position and whose they are.
pub(super) fn body(seed: usize, len: usize) -> Bytes {
    (0..len).map(|n| ((n * 31 + n / 251 + seed * 7) % 253) as u8).collect()
}

pub(super) async fn start(storage: &'static Tiers, name: &str, meta: &CacheMeta) -> (MissHandler, HitHandler) {
    let writer = storage.get_miss_handler(&key(name), meta, &trace()).await.expect("admitted");
    let tag = writer.streaming_write_tag().map(<[u8]>::to_vec);
    let reader = storage.lookup_streaming_write(&key(name), tag.as_deref(), &trace()).await;
    (writer, reader.expect("no error").expect("its own reader").1)
}

pub(super) async fn store(storage: &'static Tiers, name: &str, meta: &CacheMeta, body: &Bytes) {
    let (mut writer, _) = start(storage, name, meta).await;
    writer.write_body(body.clone(), true).await.expect("written");
    writer.finish().await.expect("finished");
}

pub(super) async fn find(storage: &'static Tiers, name: &str) -> Option<(CacheMeta, HitHandler)> {
    storage.lookup(&key(name), &trace()).await.expect("no error")
}

pub(super) async fn read(hit: &mut HitHandler) -> pingora::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(part) = hit.read_body().await? {
        assert!(!part.is_empty() && part.len() <= CHUNK);
        all.extend_from_slice(&part);
    }
    Ok(all)
}

pub(super) async fn found(storage: &'static Tiers, name: &str) -> Option<Vec<u8>> {
    let (_, mut hit) = find(storage, name).await?;
    Some(read(&mut hit).await.expect("a whole body"))
}

#[tokio::test]
async fn what_is_stored_comes_back_whole() {
    let storage = storage(MIB, MIB);
    let mut stored = meta(&[("Content-Length", String::from("100000")), ("ETag", String::from("\"a\""))]);
    stored.set_epoch_override(stored.created() - Duration::from_secs(5));
    stored.set_variance([3; 16]);
    let all = body(1, 100_000);
    store(storage, "a", &stored, &all).await;
    let (meta, mut hit) = find(storage, "a").await.expect("stored");
    assert_eq!(read(&mut hit).await.expect("whole"), all);
    assert_eq!(meta.headers(), stored.headers());
    assert_eq!((meta.fresh_until(), meta.epoch()), (stored.fresh_until(), stored.epoch()));
    assert_eq!((meta.stale_while_revalidate_sec(), meta.stale_if_error_sec()), (7, 9));
    assert_eq!((meta.variance(), meta.provenance()), (stored.variance(), stored.provenance()));
    let stats = storage.stats();
    assert_eq!((stats.objects, stats.fills, stats.stored, stats.aborted), (1, 0, 1, 0));
    assert!(stats.bytes > 100_000 && stats.bytes < 110_000, "{}", stats.bytes);
}

#[tokio::test]
async fn readers_follow_a_fill_from_its_header_on() {
    let storage = storage(MIB, MIB);
    for declared in [true, false] {
        let all = body(2, 3 * PIECE + 5);
        let meta = if declared { sized(all.len()) } else { meta(&[]) };
        let (mut writer, mut own) = start(storage, "a", &meta).await;
        let (_, mut other) = find(storage, "a").await.expect("listed");
        let following = tokio::spawn(async move { read(&mut other).await });
        for part in all.chunks(10_000) {
            writer.write_body(all.slice_ref(part), false).await.expect("written");
            tokio::task::yield_now().await;
        }
        assert!(!following.is_finished(), "no end before the writer's");
        writer.finish().await.expect("finished");
        assert_eq!(following.await.expect("no panic").expect("whole"), all);
        assert_eq!(read(&mut own).await.expect("whole"), all);
        drop(own);
        let spare = storage.stats().bytes - all.len() as u64;
        assert!(spare < 2000, "{spare} bytes more than the body, declared: {declared}");
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_is_an_error_and_leaves_nothing() {
    let storage = storage(MIB, MIB);
    for meta in [sized(100_000), meta(&[])] {
        let (mut writer, mut own) = start(storage, "a", &meta).await;
        let (_, mut other) = find(storage, "a").await.expect("listed");
        writer.write_body(body(1, 50_000), false).await.expect("written");
        assert!(other.read_body().await.expect("a part").is_some());
        drop(writer);
        assert!(read(&mut own).await.is_err() && read(&mut other).await.is_err());
        assert!(find(storage, "a").await.is_none());
        drop((own, other));
        assert_eq!((storage.stats().bytes, storage.stats().fills), (0, 0));
    }
    assert_eq!(storage.stats().aborted, 2);
}

#[tokio::test]
async fn a_length_that_is_not_the_declared_one_is_not_stored() {
    let storage = storage(MIB, MIB);
    let (mut short, mut reader) = start(storage, "a", &sized(10)).await;
    short.write_body(body(1, 9), true).await.expect("written");
    assert!(short.finish().await.is_err());
    assert!(read(&mut reader).await.is_err());
    let (mut long, _reader) = start(storage, "a", &sized(10)).await;
    assert!(long.write_body(body(1, 11), true).await.is_err());
    drop(long);
    assert!(find(storage, "a").await.is_none());
    assert_eq!(storage.stats().aborted, 2);
}

#[tokio::test]
async fn a_purge_covers_what_is_on_its_way() {
    let storage = storage(MIB, MIB);
    store(storage, "a", &sized(3), &body(1, 3)).await;
    let (mut writer, mut own) = start(storage, "a", &sized(4)).await;
    let compact = key("a").to_compact();
    let purge = || storage.purge(PurgeTarget::Active(&compact), PurgeType::Invalidation, &TRACE);
    assert_eq!(purge().await.expect("no error"), PurgeOutcome::Purged(None));
    assert_eq!(purge().await.expect("no error"), PurgeOutcome::NotFound);
    assert!(find(storage, "a").await.is_none());
    writer.write_body(body(2, 4), true).await.expect("written");
    writer.finish().await.expect("its client is served");
    assert_eq!(read(&mut own).await.expect("whole"), body(2, 4));
    assert!(find(storage, "a").await.is_none(), "begun before the purge");
}

static TRACE: std::sync::LazyLock<SpanHandle> = std::sync::LazyLock::new(trace);

#[tokio::test]
async fn an_older_answer_never_replaces_a_newer_one() {
    let storage = storage(MIB, MIB);
    let (mut older, _a) = start(storage, "a", &sized(3)).await;
    let (mut newer, _b) = start(storage, "a", &sized(3)).await;
    for (writer, seed) in [(&mut newer, 2), (&mut older, 1)] {
        writer.write_body(body(seed, 3), true).await.expect("written");
    }
    newer.finish().await.expect("finished");
    older.finish().await.expect("finished");
    assert_eq!(found(storage, "a").await, Some(body(2, 3).to_vec()));
    assert_eq!(storage.stats().stored, 1);
}

#[tokio::test]
async fn what_outgrows_the_largest_object_passes_through() {
    let storage = storage(64 * MIB, 4 * PIECE);
    let all = body(5, 40 * PIECE);
    let (mut writer, mut own) = start(storage, "a", &meta(&[])).await;
    let (_, mut other) = find(storage, "a").await.expect("listed");
    let (mut first, mut second, mut most) = (Vec::new(), Vec::new(), 0);
    for part in all.chunks(PIECE / 2 + 1) {
        writer.write_body(all.slice_ref(part), false).await.expect("written");
        for (reader, read) in [(&mut own, &mut first), (&mut other, &mut second)] {
            while read.len() < writer_len(&all, part) {
                read.extend_from_slice(&reader.read_body().await.expect("no error").expect("more"));
            }
        }
        most = most.max(storage.stats().bytes);
    }
    writer.finish().await.expect("finished");
    assert!(own.read_body().await.expect("no error").is_none());
    assert!(other.read_body().await.expect("no error").is_none());
    assert!(first == all && second == all);
    assert!(most <= 6 * PIECE as u64, "held {most} at once");
    assert!(find(storage, "a").await.is_none());
    let stats = storage.stats();
    assert_eq!((stats.outgrown, stats.stored, stats.aborted), (1, 0, 0));
}

/// One part of it is longer than the largest object: whoever reads it gets it all the same.
#[tokio::test]
async fn a_part_that_outgrows_the_largest_object_passes_through() {
    let storage = storage(64 * MIB, 1024);
    let all = body(5, 100 * 1024);
    let (mut writer, mut own) = start(storage, "a", &meta(&[])).await;
    writer.write_body(all.clone(), true).await.expect("written");
    writer.finish().await.expect("finished");
    let mut read = Vec::new();
    while let Some(part) = own.read_body().await.expect("no error") {
        read.extend_from_slice(&part);
    }
    assert!(read == all, "{} of {} bytes", read.len(), all.len());
    assert_eq!((storage.stats().outgrown, storage.stats().stored), (1, 0));
}

/// How much is written once `part` of `all` is.
fn writer_len(all: &Bytes, part: &[u8]) -> usize {
    part.as_ptr() as usize - all.as_ptr() as usize + part.len()
}

#[tokio::test]
async fn a_reader_too_far_behind_gets_an_error_and_the_memory_is_bounded() {
    let storage = storage(64 * MIB, 8 * PIECE);
    let (mut writer, mut slow) = start(storage, "a", &meta(&[])).await;
    let mut written = 0;
    let error = loop {
        match writer.write_body(body(1, PIECE), false).await {
            Ok(()) => written += PIECE,
            Err(error) => break error,
        }
        assert!(storage.stats().bytes <= 18 * PIECE as u64);
    };
    assert_eq!(written, 16 * PIECE, "{error}");
    assert!(read(&mut slow).await.is_err());
    drop((writer, slow));
    assert_eq!((storage.stats().bytes, storage.stats().aborted), (0, 1));
}

#[tokio::test]
async fn without_room_a_response_is_not_admitted() {
    let storage = storage(10 * PIECE, 10 * PIECE);
    let declared = sized(9 * PIECE);
    let held = start(storage, "a", &declared).await;
    assert!(storage.get_miss_handler(&key("b"), &declared, &trace()).await.is_err());
    let large = sized(11 * PIECE);
    assert!(storage.get_miss_handler(&key("b"), &large, &trace()).await.is_err());
    assert!(!storage.admits(11 * PIECE) && storage.admits(9 * PIECE));
    assert_eq!(storage.stats().refused, 2);
    // Of unknown length: admitted, passed through when the room ends, given up when the room is needed by its reader.
    let (mut writer, mut reader) = start(storage, "b", &meta(&[])).await;
    assert!(writer.write_body(body(1, 2 * PIECE), false).await.is_err());
    assert!(read(&mut reader).await.is_err());
    drop((held, writer, reader));
    assert_eq!(storage.stats().bytes, 0);
}

#[tokio::test]
async fn bytes_that_are_still_read_stay_counted() {
    let storage = storage(10 * PIECE, 10 * PIECE);
    store(storage, "a", &sized(6 * PIECE), &body(1, 6 * PIECE)).await;
    let (_, mut slow) = find(storage, "a").await.expect("stored");
    assert!(storage.get_miss_handler(&key("b"), &sized(6 * PIECE), &trace()).await.is_err(), "its reader holds it");
    assert_eq!((storage.stats().objects, storage.stats().evicted), (0, 1));
    assert_eq!(read(&mut slow).await.expect("whole"), body(1, 6 * PIECE));
    drop(slow);
    store(storage, "b", &sized(6 * PIECE), &body(2, 6 * PIECE)).await;
    assert_eq!(found(storage, "b").await, Some(body(2, 6 * PIECE).to_vec()));
}

#[tokio::test]
async fn ranges_of_objects_and_of_declared_fills() {
    let storage = storage(MIB, MIB);
    let all = body(3, 2 * PIECE + 9);
    let (mut writer, _own) = start(storage, "a", &sized(all.len())).await;
    let (_, mut filling) = find(storage, "a").await.expect("listed");
    writer.write_body(all.clone(), true).await.expect("written");
    for complete in [false, true] {
        if complete {
            writer = {
                writer.finish().await.expect("finished");
                filling = find(storage, "a").await.expect("stored").1;
                start(storage, "other", &sized(1)).await.0
            };
        }
        assert!(filling.can_seek());
        for (from, to) in
            [(0, Some(1)), (5, Some(7)), (PIECE - 1, Some(PIECE + 1)), (2 * PIECE + 8, None), (1, Some(usize::MAX))]
        {
            filling.seek(from, to).expect("in the body");
            let want = &all[from..to.unwrap_or(usize::MAX).min(all.len())];
            assert_eq!(read(&mut filling).await.expect("whole"), want, "{from}..{to:?} {complete}");
        }
        assert!(filling.seek(all.len(), None).is_err());
    }
    let (_unknown, reader) = start(storage, "b", &meta(&[])).await;
    assert!(!reader.can_seek());
    store(storage, "empty", &sized(0), &Bytes::new()).await;
    let (_, mut empty) = find(storage, "empty").await.expect("stored");
    assert!(empty.seek(0, None).is_err());
    assert_eq!(read(&mut empty).await.expect("whole"), b"");
}

#[tokio::test]
async fn a_304_renews_what_is_there_and_nothing_else() {
    let storage = storage(MIB, MIB);
    let newer = meta(&[("ETag", String::from("\"b\"")), ("Content-Length", String::from("3"))]);
    assert!(!storage.update_meta(&key("a"), &newer, &trace()).await.expect("no error"), "nothing there, no panic");
    store(storage, "a", &sized(3), &body(1, 3)).await;
    assert!(storage.update_meta(&key("a"), &newer, &trace()).await.expect("no error"));
    let (meta, mut hit) = find(storage, "a").await.expect("stored");
    assert_eq!((meta.headers(), read(&mut hit).await.expect("whole")), (newer.headers(), body(1, 3).to_vec()));
    drop((meta, hit));
    let compact = key("a").to_compact();
    storage.purge(PurgeTarget::Active(&compact), PurgeType::Invalidation, &trace()).await.expect("no error");
    assert_eq!(storage.stats().bytes, 0, "header and body are each counted once");
}

#[tokio::test]
async fn an_expired_object_is_stale_and_keeps_its_body() {
    let storage = storage(MIB, MIB);
    let compact = key("a").to_compact();
    let expire = || storage.expire(PurgeTarget::Active(&compact), &TRACE);
    assert_eq!(expire().await.expect("no error"), PurgeOutcome::NotFound);
    store(storage, "a", &sized(3), &body(1, 3)).await;
    assert_eq!(expire().await.expect("no error"), PurgeOutcome::Expired);
    let (meta, _) = find(storage, "a").await.expect("still stored");
    assert!(!meta.is_fresh(SystemTime::now() + Duration::from_nanos(1)));
    assert_eq!(found(storage, "a").await, Some(body(1, 3).to_vec()));
}

#[tokio::test]
async fn variants_are_apart() {
    let storage = storage(MIB, MIB);
    let (primary, mut variant) = (key("a"), key("a"));
    variant.set_variance_key([1; 16]);
    assert_ne!(primary.combined_bin(), variant.combined_bin());
    store(storage, "a", &sized(3), &body(1, 3)).await;
    assert!(storage.lookup(&variant, &trace()).await.expect("no error").is_none());
}

#[tokio::test]
async fn a_scan_does_not_push_out_what_is_in_use() {
    let storage = storage(MIB, MIB);
    let hot: Vec<String> = (0..20).map(|n| format!("hot {n}")).collect();
    for name in &hot {
        store(storage, name, &sized(10_000), &body(1, 10_000)).await;
        assert!(found(storage, name).await.is_some());
    }
    for n in 0..2000 {
        store(storage, &format!("scan {n}"), &sized(10_000), &body(n, 10_000)).await;
        if n % 10 == 0 {
            for name in &hot {
                found(storage, name).await;
            }
        }
    }
    let mut kept = 0;
    for name in &hot {
        kept += u32::from(found(storage, name).await.is_some());
    }
    assert_eq!(kept, 20);
}

/// Fills of all sizes and ends, purges and lookups at random: the cap holds at each step, what is found is what was stored
/// last, and in the end nothing is left over.
#[tokio::test]
async fn at_random_the_cap_holds_and_nothing_is_mixed_up() {
    let seed =
        std::env::var("SELVEDGE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("SELVEDGE_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let storage = storage(MIB, MIB / 4);
    let mut last: HashMap<String, (usize, usize)> = HashMap::new();
    let mut slow: Vec<(HitHandler, (usize, usize))> = Vec::new();
    for step in 0..4000 {
        let name = random.usize(0..60).to_string();
        match random.u8(0..10) {
            0 => {
                let compact = key(&name).to_compact();
                storage
                    .purge(PurgeTarget::Active(&compact), PurgeType::Invalidation, &trace())
                    .await
                    .expect("no error");
                last.remove(&name);
            }
            1..=4 => {
                let len = if random.bool() { random.usize(0..2000) } else { random.usize(0..MIB / 3) };
                let meta = if random.bool() { sized(len) } else { meta(&[]) };
                let Ok(mut writer) = storage.get_miss_handler(&key(&name), &meta, &trace()).await else { continue };
                let mut written = true;
                for part in body(step, len).chunks(random.usize(1..=MIB / 4)) {
                    written &= written && writer.write_body(Bytes::copy_from_slice(part), false).await.is_ok();
                }
                if written && random.u8(0..8) > 0 && writer.finish().await.is_ok() && len <= MIB / 4 {
                    last.insert(name, (step, len));
                }
            }
            _ => {
                let Some((_, mut hit)) = find(storage, &name).await else { continue };
                let (step, len) = *last.get(&name).expect("nothing is stored that was not");
                if random.u8(0..10) == 0 {
                    slow.push((hit, (step, len)));
                } else {
                    assert_eq!(read(&mut hit).await.expect("whole"), body(step, len));
                }
            }
        }
        if slow.len() > 3 {
            let (mut hit, (step, len)) = slow.swap_remove(random.usize(..slow.len()));
            assert_eq!(read(&mut hit).await.expect("whole"), body(step, len));
        }
        let stats = storage.stats();
        assert!(stats.bytes <= stats.capacity, "step {step}");
        assert_eq!(stats.fills, 0);
    }
    drop(slow);
    for name in 0..60 {
        let compact = key(name).to_compact();
        storage.purge(PurgeTarget::Active(&compact), PurgeType::Invalidation, &trace()).await.expect("no error");
    }
    let stats = storage.stats();
    assert_eq!((stats.bytes, stats.objects), (0, 0));
    assert!(stats.evicted > 0 && stats.stored > 0 && stats.aborted > 0, "{stats:?}");
}

/// Pingora's own state machine, without a network: many requests miss one key at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_miss_together_one_leads() {
    let cache = Cache::leak(
        Settings { memory: 2 * MIB as u64, object_max: MIB, wait: Duration::from_secs(60) },
        None,
        empty_store(),
    );
    let leaders = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let all = body(1, 70_000);
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (all, leaders) = (all.clone(), leaders.clone());
        requests.spawn(async move {
            let mut http = HttpCache::new();
            http.enable(cache.storage, None, None, Some(&cache.collapse), Some(cache.collapse.overrides()));
            http.set_cache_key(key("a"));
            loop {
                if let Some((meta, handler)) = http.cache_lookup().await.expect("no error") {
                    http.cache_found(meta, handler, pingora::cache::HitStatus::Fresh);
                    return read(http.hit_handler()).await.expect("whole") == all;
                }
                if http.is_cache_locked() {
                    http.cache_lock_wait().await;
                    continue;
                }
                leaders.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                http.cache_miss();
                http.set_cache_meta(sized(all.len()));
                http.set_miss_handler().await.expect("admitted");
                for part in all.chunks(9000) {
                    tokio::task::yield_now().await;
                    http.miss_handler().expect("set").write_body(all.slice_ref(part), false).await.expect("written");
                }
                http.finish_miss_handler().await.expect("finished");
                return true;
            }
        });
    }
    while let Some(same) = requests.join_next().await {
        assert!(same.expect("no panic"));
    }
    assert_eq!(leaders.load(std::sync::atomic::Ordering::Relaxed), 1);
}
