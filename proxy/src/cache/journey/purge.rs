//! Purges, and what is stored, on its way, or being validated meanwhile.

use std::sync::Arc;

use http_body_util::BodyExt;
use pingora::cache::Storage;
use selvedge_filters::purge::{Reach, Wanted};
use selvedge_state::Time;
use tokio::sync::Semaphore;

use super::{Edge, Origin, Step, WAIT, ok};

const NOW: Time = Time(1_800_000_000_000);

impl Edge {
    fn purge(&self, wanted: Wanted, reach: Reach) {
        let store = &self.cache.storage.store;
        store.purge(wanted.name().key(store, reach), NOW.plus(1_000_000), NOW).expect("room");
    }

    fn purge_tag(&self, tag: &str) {
        self.purge(Wanted::tag(tag).expect("a tag"), Reach::Hard);
    }

    fn purge_tag_softly(&self, tag: &str) {
        self.purge(Wanted::tag(tag).expect("a tag"), Reach::Soft);
    }

    /// Waits until the origin was asked so often.
    async fn asked(origin: &Origin, times: usize) {
        while origin.asked() < times {
            tokio::task::yield_now().await;
        }
    }
}

/// A response that is tagged `t` and says which one it is.
fn nth_of(nth: usize) -> Vec<Step> {
    ok("Cache-Control: max-age=600\r\nETag: \"e\"\r\nSurrogate-Key: t other\r\n", nth.to_string().as_bytes())
}

/// An origin that holds the answers of these numbers back until it is let go on, whole or behind this many bytes.
async fn gated(held: &'static [usize], after: Option<usize>) -> (Origin, Arc<Semaphore>) {
    let permits = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&permits);
    let origin = Origin::start(move |nth, _| {
        let mut steps = nth_of(nth);
        if held.contains(&nth) {
            let Some(Step::Write(text)) = steps.pop() else { panic!("one write") };
            let (first, rest) = text.split_at(text.len() - after.unwrap_or(text.len()));
            steps = [Step::Write(first.to_vec()), Step::Hold(Arc::clone(&gate)), Step::Write(rest.to_vec())].into();
        }
        steps
    })
    .await;
    (origin, permits)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_name_of_a_response_purges_it_and_no_other_does() {
    let origin = Origin::start(|nth, _| nth_of(nth)).await;
    let edge = Edge::new(&origin, WAIT);
    edge.get("/dir/it").await;
    let mut stored = 1;
    for (wanted, is_about) in [
        (Wanted::url("http://a/dir/it"), true),
        (Wanted::url("http://a/dir/other"), false),
        (Wanted::url("https://a/dir/it"), false),
        (Wanted::prefix("a/dir"), true),
        (Wanted::prefix("a/di"), false),
        (Wanted::prefix("b/dir"), false),
        (Wanted::host("a"), true),
        (Wanted::host("b"), false),
        (Wanted::tag("t"), true),
        (Wanted::tag("other"), true),
        (Wanted::tag("another"), false),
        (Ok(Wanted::All), true),
    ] {
        let wanted = wanted.expect("fits");
        edge.purge(wanted.clone(), Reach::Hard);
        stored += usize::from(is_about);
        assert_eq!(edge.get("/dir/it").await.whole(), stored.to_string().as_bytes(), "{wanted:?}");
        assert_eq!(edge.get("/dir/it").await.cache(), "pop; hit", "{wanted:?}");
    }
    let stats = edge.cache.stats();
    assert_eq!((stats.objects, stats.purged), (1, 6));
}

/// Rule L: what is asked for before a purge is not there after it, wherever it was when the purge came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_its_way_when_it_is_purged_is_not_served_to_others() {
    for after in [None, Some(0), Some(1)] {
        let (origin, permits) = gated(&[1], after).await;
        let edge = Arc::new(Edge::new(&origin, WAIT));
        let first = tokio::spawn({
            let edge = Arc::clone(&edge);
            async move { edge.get("/").await }
        });
        Edge::asked(&origin, 1).await;
        edge.purge_tag("t");
        permits.add_permits(1);
        let first = first.await.expect("no panic");
        assert_eq!(first.whole(), b"1", "who asked before gets what was asked for");
        let second = edge.get("/").await;
        assert_eq!((second.whole(), second.cache().as_str()), (&b"2"[..], "pop; fwd=uri-miss; stored"), "{after:?}");
        assert_eq!((edge.get("/").await.whole(), origin.asked()), (&b"2"[..], 2));
    }
}

/// Rule W: who comes after the purge does not read along, and who came before goes on; the late end of the older answer does not
/// take the place of the newer one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_after_a_purge_does_not_read_along_an_older_fill() {
    let (origin, permits) = gated(&[1], Some(1)).await;
    let edge = Edge::new(&origin, WAIT);
    let before = edge.open("GET", "/", &[]).await;
    let along = edge.open("GET", "/", &[]).await;
    assert_eq!(origin.asked(), 1, "the second reads along");
    edge.purge_tag("t");
    let after = edge.get("/").await;
    assert_eq!((after.whole(), origin.asked()), (&b"2"[..], 2));
    permits.add_permits(1);
    for older in [before, along] {
        assert_eq!(older.into_body().collect().await.expect("whole").to_bytes(), "1");
    }
    let hit = edge.get("/").await;
    assert_eq!((hit.whole(), hit.cache().as_str(), origin.asked()), (&b"2"[..], "pop; hit", 2));
}

/// Rule W for those who wait for a leader whose request went out before the purge.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_an_older_leader_gets_a_newer_answer() {
    let (origin, permits) = gated(&[1], None).await;
    let edge = Arc::new(Edge::new(&origin, WAIT));
    let get = |edge: &Arc<Edge>| {
        let edge = Arc::clone(edge);
        tokio::spawn(async move { edge.get("/").await })
    };
    let leader = get(&edge);
    Edge::asked(&origin, 1).await;
    edge.purge_tag("t");
    let waiting: Vec<_> = (0..20).map(|_| get(&edge)).collect();
    permits.add_permits(1);
    assert_eq!(leader.await.expect("no panic").whole(), b"1");
    for reply in waiting {
        assert_eq!(reply.await.expect("no panic").whole(), b"2");
    }
    assert_eq!(origin.asked(), 2, "one of them led");
}

/// Rule H: a 304 to a request from before a hard purge renews nothing, and what is purged is not validated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_304_does_not_renew_what_was_purged() {
    let permits = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&permits);
    let origin = Origin::start(move |nth, _| match nth {
        2 => vec![
            Step::Hold(Arc::clone(&gate)),
            Step::Write(b"HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=600\r\nETag: \"e\"\r\n\r\n".to_vec()),
        ],
        nth => nth_of(nth),
    })
    .await;
    let edge = Arc::new(Edge::new(&origin, WAIT));
    edge.get("/").await;
    edge.expire("/").await;
    let validated = tokio::spawn({
        let edge = Arc::clone(&edge);
        async move { edge.get("/").await }
    });
    Edge::asked(&origin, 2).await;
    edge.purge_tag("t");
    permits.add_permits(1);
    assert_eq!(validated.await.expect("no panic").whole(), b"1", "who asked before gets what was asked for");
    assert_eq!(edge.get("/").await.whole(), b"3");
    let heads = origin.heads.lock().expect("not poisoned");
    let is_conditional = |nth: usize| heads[nth].to_ascii_lowercase().contains("if-none-match");
    assert_eq!([is_conditional(1), is_conditional(2)], [true, false]);
}

/// A soft purge: validated at the next look; a 304 to a request from before it is not enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_purged_softly_is_validated() {
    let permits = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&permits);
    let origin = Origin::start(move |nth, _| match nth {
        1 => nth_of(1),
        nth => {
            let mut steps = if nth == 3 { vec![Step::Hold(Arc::clone(&gate))] } else { vec![] };
            let text = "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=600\r\nETag: \"e\"\r\n\r\n";
            steps.push(Step::Write(text.as_bytes().to_vec()));
            steps
        }
    })
    .await;
    let edge = Arc::new(Edge::new(&origin, WAIT));
    edge.get("/").await;
    edge.purge_tag_softly("other");
    let validated = edge.get("/").await;
    assert_eq!((validated.whole(), validated.cache().as_str()), (&b"1"[..], "pop; fwd=stale; fwd-status=304; stored"));
    assert_eq!((edge.get("/").await.cache().as_str(), edge.cache.stats().purged_softly), ("pop; hit", 1));
    edge.expire("/").await;
    let before = tokio::spawn({
        let edge = Arc::clone(&edge);
        async move { edge.get("/").await }
    });
    Edge::asked(&origin, 3).await;
    edge.purge_tag_softly("t");
    permits.add_permits(1);
    assert_eq!(before.await.expect("no panic").whole(), b"1");
    assert_eq!(edge.get("/").await.cache(), "pop; fwd=stale; fwd-status=304; stored");
    assert_eq!((edge.get("/").await.cache().as_str(), origin.asked()), ("pop; hit", 4));
}

/// The stale windows of what is purged softly count from the purge on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_purged_softly_is_served_within_its_windows() {
    let origin = Origin::start(|nth, head| {
        let window = if head.starts_with("GET /long") { 1_000_000_000 } else { 60 };
        let fields = format!("Cache-Control: max-age=600, stale-while-revalidate={window}\r\nSurrogate-Key: t\r\n");
        ok(&fields, nth.to_string().as_bytes())
    })
    .await;
    for (path, first) in [("/long", "1"), ("/short", "2")] {
        let edge = Edge::new(&origin, WAIT);
        let asked = origin.asked();
        edge.get(path).await;
        // As if it had been applied years ago: the short window is long over.
        let store = &edge.cache.storage.store;
        let then = Time(1_700_000_000_000);
        let tag = Wanted::tag("t").expect("a tag");
        store.purge(tag.name().key(store, Reach::Soft), then.plus(1_000_000), then).expect("room");
        let reply = edge.get(path).await;
        let served: usize = String::from_utf8_lossy(reply.whole()).parse().expect("a number");
        assert_eq!(served - asked, first.parse::<usize>().expect("a number"), "{path}");
        Edge::asked(&origin, asked + 2).await;
    }
}

/// The tags that a 304 brings are those of the response from then on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_304_may_bring_other_tags() {
    let origin = Origin::start(|nth, _| match nth {
        2 => vec![Step::Write(
            b"HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=600\r\nSurrogate-Key: new\r\n\r\n".to_vec(),
        )],
        nth => nth_of(nth),
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    edge.get("/").await;
    edge.expire("/").await;
    assert_eq!(edge.get("/").await.whole(), b"1");
    edge.purge_tag("t");
    assert_eq!(edge.get("/").await.cache(), "pop; hit");
    edge.purge_tag("new");
    assert_eq!(edge.get("/").await.whole(), b"3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_variants_of_a_url_are_purged_with_it() {
    let origin =
        Origin::start(|nth, _| ok("Cache-Control: max-age=600\r\nVary: x-v\r\n", nth.to_string().as_bytes())).await;
    let edge = Edge::new(&origin, WAIT);
    let get = async |variant: &str| edge.ask("GET", "/", &[("x-v", variant)]).await.whole().to_vec();
    assert_eq!(
        (get("a").await, get("b").await, get("a").await, get("b").await),
        (b"1".to_vec(), b"2".to_vec(), b"1".to_vec(), b"2".to_vec())
    );
    edge.purge(Wanted::url("http://a/").expect("a URL"), Reach::Hard);
    assert_eq!((get("b").await, get("a").await), (b"3".to_vec(), b"4".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_with_more_tags_than_are_kept_is_not_stored() {
    let many = (0..100).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    let origin = Origin::start(move |nth, _| {
        ok(&format!("Cache-Control: max-age=600\r\nSurrogate-Key: {many}\r\n"), nth.to_string().as_bytes())
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    assert!(edge.get("/").await.cache().ends_with("detail=tags"));
    assert_eq!(edge.get("/").await.whole(), b"2");
}

/// What the keys of an object cost is in the bytes that the cache counts, and is given back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_are_counted_into_the_cap() {
    let origin = Origin::start(|_, head| {
        let count: u32 = if head.starts_with("GET /many") { 10 } else { 0 };
        let tags: Vec<String> = (10..10 + count).map(|n| n.to_string()).collect();
        ok(&format!("Cache-Control: max-age=600\r\nSurrogate-Key: {:<30}\r\n", tags.join(" ")), b"")
    })
    .await;
    let bytes = async |path: &str| {
        let edge = Edge::new(&origin, WAIT);
        edge.get(path).await;
        while edge.cache.stats().fills > 0 {
            tokio::task::yield_now().await;
        }
        let bytes = edge.cache.stats().bytes;
        edge.purge(Wanted::All, Reach::Hard);
        edge.cache.storage.lookup(&super::key(path), &super::Span::inactive().handle()).await.expect("no error");
        // All of it is given back once the last reader has let go.
        while edge.cache.stats().bytes > 0 {
            tokio::task::yield_now().await;
        }
        bytes
    };
    let (none, ten) = (bytes("/none").await, bytes("/many").await);
    // Ten tags, each hard and soft, of 16 bytes; white space at a field's end is no part of it.
    let text = 29;
    assert_eq!(ten - none, 10 * 2 * 16 + text);
}
