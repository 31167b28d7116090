//! The cache on the disk, seen from outside: over stops, crashes, purges and damage.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::edge::Folder;
use crate::support::{Answer, DEADLINE, Edge, Origin, eventually, get, get_with, ok, talk};

/// So little memory that a body of some hundred KiB does not fit it.
const CONFIG: &str = r#"
[storage]
memory = "1MiB"
state = "state"
state_every = "1h"
disk = { path = "cache", size = "64MiB" }

[purge]
from = ["127.0.0.0/8"]
"#;

/// Answers each request with its path, how many there were before, and as many bytes as the path says.
async fn numbered() -> (Origin, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let origin = Origin::start(move |request| {
        let nth = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            let path = request.path().to_owned();
            let length: usize = path.rsplit('/').next().and_then(|length| length.parse().ok()).unwrap_or(10);
            let mut body = format!("{path} {nth} ").into_bytes();
            body.resize(body.len().max(length), b'.');
            ok("Cache-Control: max-age=3600\r\nSurrogate-Key: all of-this\r\nETag: \"x\"\r\n", &body)
        }
    });
    (origin.await, count)
}

async fn edge(origin: &Origin) -> Edge {
    Edge::before(&origin.url(), CONFIG).await
}

/// Waits until so many objects are on the disk, and are served from there: a process that takes over reads first what was purged.
async fn stored(edge: &Edge, objects: u64) {
    eventually(DEADLINE, async || {
        let status = edge.status().await;
        let (disk, purges) = (status.cache.disk.expect("a disk"), status.kept.and_then(|kept| kept.purges));
        let serves = purges.as_ref().is_some_and(|purges| purges.serves);
        if disk.on && disk.objects == objects && serves { Ok(()) } else { Err(format!("{disk:?} {purges:?}")) }
    })
    .await;
}

async fn text(edge: &Edge, path: &str) -> String {
    get(edge.address(), "test", path).await.text().trim_end_matches('.').to_owned()
}

async fn send(edge: &Edge, method: &str, path: &str) -> u16 {
    let said = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    Answer::parse(&talk(edge.address(), said.as_bytes()).await).expect("an answer").status
}

#[tokio::test]
async fn what_is_stored_outlives_a_stop_and_a_crash() {
    let (origin, count) = numbered().await;
    let mut edge = edge(&origin).await;
    stored(&edge, 0).await;
    for path in ["/small", "/large/500000"] {
        get(edge.address(), "test", path).await;
    }
    stored(&edge, 2).await;
    for crash in [false, true] {
        let folder = if crash { edge.kill().await } else { edge.stop().await };
        edge = Edge::start(folder).await;
        stored(&edge, 2).await;
        let answer = get(edge.address(), "test", "/small").await;
        assert!(answer.header("cache-status").contains("; hit; ttl="), "{}", answer.header("cache-status"));
        assert_eq!(answer.text(), "/small 0 .");
        let answer = get(edge.address(), "test", "/large/500000").await;
        assert_eq!(answer.body.len(), 500_000);
        assert!(answer.text().starts_with("/large/500000 1 "));
        let part = get_with(edge.address(), "test", "/large/500000", "Range: bytes=200000-200009\r\n").await;
        assert_eq!((part.status, part.text().as_str()), (206, ".........."));
        assert_eq!(part.header("content-range"), "bytes 200000-200009/500000");
        let parts = get_with(edge.address(), "test", "/large/500000", "Range: bytes=0-4,499995-\r\n").await;
        assert_eq!(parts.status, 206);
        assert!(parts.text().contains("/larg") && parts.text().contains("499995-499999/500000"), "{}", parts.text());
    }
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn purges_and_changes_outlive_a_crash() {
    let (origin, _) = numbered().await;
    let first = edge(&origin).await;
    stored(&first, 0).await;
    for path in ["/a", "/b", "/c", "/d"] {
        get(first.address(), "test", path).await;
    }
    stored(&first, 4).await;
    assert_eq!(send(&first, "PURGE", "/a").await, 200);
    assert_eq!(first.command(&["purge", "--url", "http://test/b", "--wait", "5s"]).await.0, 0);
    assert_eq!(send(&first, "POST", "/c").await, 200);
    // A receipt speaks of all purges before it.
    assert_eq!(first.command(&["purge", "--url", "http://test/other", "--wait", "5s"]).await.0, 0);
    let next = Edge::start(first.kill().await).await;
    stored(&next, 3).await;
    assert_eq!(text(&next, "/d").await, "/d 3 ");
    for (path, anew) in [("/a", "/a 5 "), ("/b", "/b 6 "), ("/c", "/c 7 ")] {
        assert_eq!(text(&next, path).await, anew);
    }
    assert_eq!(next.command(&["purge", "--tag", "of-this"]).await.0, 0);
    assert_eq!(text(&next, "/d").await, "/d 8 ");
}

#[tokio::test]
async fn a_soft_purge_is_validated_after_a_restart() {
    let validated = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&validated);
    let origin = Origin::start(move |request| {
        let is_validation = request.header("if-none-match").is_some();
        seen.fetch_add(is_validation.into(), Ordering::SeqCst);
        async move {
            match is_validation {
                true => b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nCache-Control: max-age=60\r\n\r\n".to_vec(),
                false => ok("Cache-Control: max-age=60\r\nETag: \"x\"\r\n", b"once"),
            }
        }
    })
    .await;
    let first = edge(&origin).await;
    stored(&first, 0).await;
    get(first.address(), "test", "/").await;
    stored(&first, 1).await;
    assert_eq!(first.command(&["purge", "--url", "http://test/", "--soft", "--wait", "5s"]).await.0, 0);
    let next = Edge::start(first.stop().await).await;
    stored(&next, 1).await;
    assert_eq!(get(next.address(), "test", "/").await.text(), "once");
    assert_eq!((origin.seen().len(), validated.load(Ordering::SeqCst)), (2, 1));
    assert_eq!(get(next.address(), "test", "/").await.text(), "once");
    assert_eq!(origin.seen().len(), 2, "fresh again");
}

#[tokio::test]
async fn another_folder_or_one_in_use_is_told() {
    let (origin, _) = numbered().await;
    let first = edge(&origin).await;
    let folder = first.stop().await;
    let cache = folder.path().join("cache");
    std::fs::remove_dir_all(&cache).expect("removed");
    std::fs::create_dir(&cache).expect("made");
    std::fs::write(cache.join("letter.txt"), "dear").expect("written");
    let config = folder.path().join("selvedge.toml");
    let run = crate::support::program().args(["run", "--config"]).arg(&config).output().await.expect("run");
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(!run.status.success() && said.contains("it holds other files"), "{said}");
    assert!(cache.join("letter.txt").exists());
}

#[tokio::test]
async fn a_disk_that_fails_is_turned_off_and_requests_go_on() {
    let (origin, _) = numbered().await;
    let edge = edge(&origin).await;
    stored(&edge, 0).await;
    std::fs::remove_dir_all(edge.folder.path().join("cache/drafts")).expect("removed");
    assert_eq!(text(&edge, "/large/500000").await, "/large/500000 0 ");
    eventually(DEADLINE, async || {
        let disk = edge.status().await.cache.disk.expect("a disk");
        if disk.on { Err(format!("{disk:?}")) } else { Ok(()) }
    })
    .await;
    assert_eq!(text(&edge, "/large/500000").await, "/large/500000 1 ", "not stored");
    assert_eq!(text(&edge, "/small").await, "/small 2 ");
    assert_eq!(text(&edge, "/small").await, "/small 2 ", "in memory");
    let log = std::fs::read_to_string(edge.folder.path().join("log")).expect("a log");
    assert_eq!(log.matches("the cache on the disk is off").count(), 1, "{log}");
    let (_, page, _) = edge.command(&["status"]).await;
    assert!(page.contains("OFF"), "{page}");
}

#[tokio::test]
async fn a_successor_takes_the_disk_over() {
    let (origin, count) = numbered().await;
    let mut first = edge(&origin).await;
    stored(&first, 0).await;
    for path in ["/a", "/b"] {
        get(first.address(), "test", path).await;
    }
    stored(&first, 2).await;
    assert_eq!(first.command(&["purge", "--url", "http://test/b", "--wait", "5s"]).await.0, 0);
    let next = first.successor().await;
    first.ended().await;
    stored(&next, 2).await;
    assert_eq!(text(&next, "/a").await, "/a 0 ");
    assert_eq!(text(&next, "/b").await, "/b 2 ");
    assert_eq!(count.load(Ordering::SeqCst), 3);
    let Folder::Shared(_) = next.folder else { panic!("of the first") };
}

/// Objects that are asked for, of 0 to some 600,000 bytes.
const OBJECTS: u32 = 60;

/// What the origin answers a path with: bytes that tell whose they are.
fn expected(path: &str) -> Vec<u8> {
    let seed: u32 = path.bytes().fold(7, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    let length = (seed % 7).pow(3) as usize * 3_000 + (seed % 1000) as usize;
    let line = format!("{path} {seed} ");
    line.bytes().cycle().take(length).collect()
}

/// A process that is killed at any instant under load leaves nothing that is served for what it is not. `SELVEDGE_KILLS` says how often.
#[tokio::test]
async fn kills_leave_no_corrupt_and_no_foreign_body() {
    let kills: u32 = std::env::var("SELVEDGE_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(6);
    let seed = std::env::var("SELVEDGE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(fastrand::u64(..));
    println!("SELVEDGE_SEED={seed} SELVEDGE_KILLS={kills}");
    let origin =
        Origin::start(|request| async move { ok("Cache-Control: max-age=3600\r\n", &expected(request.path())) }).await;
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut edge, mut hits) = (edge(&origin).await, 0);
    for _ in 0..kills {
        let (address, requests) = (edge.address(), Arc::new(AtomicUsize::new(0)));
        let mut load = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let (mut random, requests) = (fastrand::Rng::with_seed(random.u64(..)), Arc::clone(&requests));
            load.spawn(async move {
                let mut hits = 0;
                loop {
                    let path = format!("/{}", random.u32(..OBJECTS));
                    let said = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
                    let Ok(mut stream) = tokio::net::TcpStream::connect(address).await else { return hits };
                    let mut answer = Vec::new();
                    let spoken = async {
                        stream.write_all(said.as_bytes()).await?;
                        stream.read_to_end(&mut answer).await
                    };
                    // A connection that breaks off is no answer, and says so by its length.
                    let Some(answer) = spoken.await.ok().and_then(|_| Answer::parse(&answer)) else { continue };
                    let whole = answer.header("content-length").parse() == Ok(answer.body.len());
                    if answer.status == 200 && whole {
                        assert!(answer.body == expected(&path), "{path}: another body");
                        hits += usize::from(answer.header("cache-status").contains("hit"));
                    }
                    requests.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let until = random.usize(20..300);
        eventually(DEADLINE, async || match requests.load(Ordering::SeqCst) {
            enough if enough >= until => Ok(()),
            few => Err(format!("{few} requests")),
        })
        .await;
        let folder = edge.kill().await;
        while let Some(ended) = load.join_next().await {
            hits += ended.expect("a right body");
        }
        edge = Edge::start(folder).await;
    }
    assert!(hits > 0, "nothing was found again");
    for nth in 0..OBJECTS {
        let path = format!("/{nth}");
        assert!(get(edge.address(), "test", &path).await.body == expected(&path), "{path}");
    }
}
