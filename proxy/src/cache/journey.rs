//! Whole requests through Pingora's proxy, wired as the module says: an origin that follows a script, clients in memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use pingora::apps::HttpServerApp;
use pingora::cache::key::HashBinary;
use pingora::cache::storage::PurgeTarget;
use pingora::cache::trace::Span;
use pingora::cache::{CacheKey, CacheMeta, RespCacheable, Storage};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;
use pingora::proxy::{HttpProxy, ProxyHttp, RangeType, Session, http_proxy};
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, Result};
use selvedge_filters::Head;
use selvedge_filters::cache::{KeyParts, Lookup, Scheme, cache_status, request_admits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::{Cache, Exchange, Next, Settings};

/// What the origin does with one request.
enum Step {
    Write(Vec<u8>),
    /// Waits for a permit, which the test gives.
    Hold(Arc<Semaphore>),
    Close,
}

/// An origin on a free port. `script` gets the number of the request, from 1, and its head.
struct Origin {
    address: std::net::SocketAddr,
    asked: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Origin {
    async fn start(script: impl Fn(usize, &str) -> Vec<Step> + Send + Sync + 'static) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (asked, heads, script) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())), Arc::new(script));
        let origin = Origin { address, asked: Arc::clone(&asked), heads: Arc::clone(&heads) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&asked), Arc::clone(&heads), Arc::clone(&script)));
            }
        });
        origin
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn serve(
    mut stream: tokio::net::TcpStream,
    asked: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
    script: Arc<impl Fn(usize, &str) -> Vec<Step>>,
) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8(std::mem::take(&mut head)).expect("text");
        let nth = asked.fetch_add(1, Ordering::SeqCst) + 1;
        let steps = script(nth, &text);
        heads.lock().expect("not poisoned").push(text);
        for step in steps {
            match step {
                Step::Write(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Step::Hold(permits) => permits.acquire().await.expect("open").forget(),
                Step::Close => return,
            }
        }
    }
}

/// A response with a declared length.
fn ok(fields: &str, body: &[u8]) -> Vec<Step> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{fields}\r\n", body.len());
    vec![Step::Write([head.as_bytes(), body].concat())]
}

/// A response of unknown length.
fn chunked(fields: &str, body: &[u8]) -> Vec<Step> {
    let mut text = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{fields}\r\n").into_bytes();
    for part in body.chunks(8192) {
        text.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        text.extend_from_slice(part);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"0\r\n\r\n");
    vec![Step::Write(text)]
}

struct Context {
    exchange: Exchange,
    next: Next,
}

/// The smallest adapter.
struct App {
    cache: &'static Cache,
    origin: std::net::SocketAddr,
}

fn now() -> SystemTime {
    SystemTime::now()
}

#[async_trait]
impl ProxyHttp for App {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context { exchange: Exchange::new(false, now()), next: Next::Origin }
    }

    fn request_cache_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<()> {
        let request = session.req_header();
        let client = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        let (method, path) = (request.method.as_str(), request.uri.path());
        let head = Head { method, host: "a", path, query: request.uri.query(), headers: &request.headers, client };
        if let Ok(lookup) = request_admits(&head) {
            ctx.exchange = Exchange::new(lookup == Lookup::Authorized, now());
            self.cache.enable(session);
        }
        Ok(())
    }

    fn cache_key_callback(&self, session: &Session, _ctx: &mut Context) -> Result<CacheKey> {
        Ok(key(session.req_header().uri.path()))
    }

    fn cache_vary_filter(&self, meta: &CacheMeta, _ctx: &mut Context, request: &RequestHeader) -> Option<HashBinary> {
        super::vary(meta, request)
    }

    fn cache_miss(&self, session: &mut Session, _ctx: &mut Context) {
        Cache::miss(session);
    }

    async fn proxy_upstream_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        ctx.next = self.cache.before_origin(session, now()).await;
        let Next::Refused { retry_after } = ctx.next else { return Ok(true) };
        let mut refusal = ResponseHeader::build(503, None)?;
        refusal.insert_header("retry-after", retry_after.as_secs())?;
        refusal.insert_header("content-length", 0)?;
        session.write_response_header(Box::new(refusal), true).await?;
        Ok(false)
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Context) -> Result<Box<HttpPeer>> {
        if ctx.next == Next::StandIn {
            return Err(super::stand_in());
        }
        Ok(Box::new(HttpPeer::new(self.origin, false, String::new())))
    }

    async fn upstream_request_filter(&self, _: &mut Session, _: &mut RequestHeader, ctx: &mut Context) -> Result<()> {
        ctx.exchange.sent(now());
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        ctx.exchange.received(response, now());
        Ok(())
    }

    fn response_cache_filter(
        &self,
        _: &Session,
        response: &ResponseHeader,
        ctx: &mut Context,
    ) -> Result<RespCacheable> {
        Ok(self.cache.response_cacheable(&ctx.exchange, response))
    }

    fn range_header_filter(&self, session: &mut Session, response: &mut ResponseHeader, _: &mut Context) -> RangeType {
        super::range_type(session.req_header(), response)
    }

    fn should_serve_stale(&self, _session: &mut Session, _ctx: &mut Context, error: Option<&Error>) -> bool {
        super::may_serve_stale(error)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        _: &mut Context,
    ) -> Result<()> {
        if let Some(age) = super::age(session, now()) {
            response.insert_header("age", age)?;
        }
        if let Some((outcome, detail)) = super::outcome(session, now()) {
            response.insert_header("cache-status", cache_status("pop", outcome, detail))?;
        }
        Ok(())
    }
}

fn key(path: &str) -> CacheKey {
    super::cache_key(&KeyParts { scheme: Scheme::Http, host: "a", path, query: None })
}

struct Edge {
    proxy: Arc<HttpProxy<App>>,
    cache: &'static Cache,
}

/// One response as a client sees it. The body is an error when it broke off.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: http::HeaderMap,
    body: Result<Bytes, String>,
}

impl Reply {
    fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// `Cache-Status` without the time left.
    fn cache(&self) -> String {
        self.field("cache-status").split("; ").filter(|part| !part.starts_with("ttl=")).collect::<Vec<_>>().join("; ")
    }

    fn whole(&self) -> &[u8] {
        self.body.as_ref().expect("a whole body")
    }
}

impl Edge {
    fn new(origin: &Origin, wait: Duration) -> Edge {
        let cache = Cache::leak(Settings { capacity: 16 << 20, object_max: 1 << 20, wait });
        let app = App { cache, origin: origin.address };
        Edge { proxy: Arc::new(http_proxy(&Arc::new(ServerConf::default()), app)), cache }
    }

    /// A connection to the edge.
    fn connect(&self) -> tokio::io::DuplexStream {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let proxy = Arc::clone(&self.proxy);
        tokio::spawn(async move {
            let (_running, shutdown) = watch::channel(false);
            proxy.process_new_http(ServerSession::new_http1(Box::new(server)), &shutdown).await;
        });
        client
    }

    /// A response whose header is here and whose body is yet to be read.
    async fn open(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> hyper::Response<hyper::body::Incoming> {
        let io = TokioIo::new(self.connect());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("a connection");
        tokio::spawn(connection);
        let mut request = hyper::Request::builder().method(method).uri(path).header("host", "a");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        sender.send_request(request.body(Empty::<Bytes>::new()).expect("a request")).await.expect("a reply")
    }

    async fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
        let (head, body) = self.open(method, path, fields).await.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).map_err(|error| error.to_string());
        Reply { status: head.status.as_u16(), headers: head.headers, body }
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[]).await
    }

    /// Makes what is stored stale.
    async fn expire(&self, path: &str) {
        let compact = key(path).to_compact();
        let trace = Span::inactive().handle();
        self.cache.storage.expire(PurgeTarget::Active(&compact), &trace).await.expect("no error");
    }
}

const WAIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_miss_then_a_hit_then_a_range() {
    let origin =
        Origin::start(|_, _| ok("Cache-Control: max-age=60\r\nAge: 7\r\nKeep-Alive: x\r\nX-A: 1\r\n", b"0123456789"))
            .await;
    let edge = Edge::new(&origin, WAIT);
    let miss = edge.get("/").await;
    assert_eq!(
        (miss.status, miss.whole(), miss.cache().as_str()),
        (200, &b"0123456789"[..], "pop; fwd=uri-miss; stored")
    );
    assert_eq!((miss.field("age"), miss.field("x-a")), ("7", "1"));
    let hit = edge.get("/").await;
    assert_eq!((hit.status, hit.whole(), hit.cache().as_str()), (200, &b"0123456789"[..], "pop; hit"));
    assert_eq!((hit.field("x-a"), hit.field("keep-alive")), ("1", ""));
    assert!(hit.field("age").parse::<u64>().expect("a number") >= 7);
    let range = edge.ask("GET", "/", &[("range", "bytes=2-4")]).await;
    assert_eq!((range.status, range.whole(), range.field("content-range")), (206, &b"234"[..], "bytes 2-4/10"));
    let none = edge.ask("GET", "/", &[("range", "bytes=-0")]).await;
    assert_eq!((none.status, none.whole()), (200, &b"0123456789"[..]));
    let head = edge.ask("HEAD", "/", &[]).await;
    assert_eq!((head.status, head.whole(), head.field("content-length")), (200, &b""[..], "10"));
    assert_eq!(origin.asked(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_misses_are_one_fetch() {
    let permits = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&permits);
    let origin = Origin::start(move |_, _| {
        let mut steps = vec![Step::Hold(Arc::clone(&held))];
        steps.extend(chunked("Cache-Control: max-age=60\r\n", &[7; 300_000]));
        steps
    })
    .await;
    let edge = Arc::new(Edge::new(&origin, WAIT));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let edge = Arc::clone(&edge);
        clients.spawn(async move { edge.get("/").await });
    }
    permits.add_permits(200);
    while let Some(reply) = clients.join_next().await {
        let reply = reply.expect("no panic");
        assert_eq!((reply.status, reply.whole()), (200, &[7; 300_000][..]));
    }
    assert_eq!(origin.asked(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_who_wait_for_a_slow_origin_are_two_fetches() {
    let permits = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&permits);
    let origin = Origin::start(move |_, _| {
        let mut steps = vec![Step::Hold(Arc::clone(&held))];
        steps.extend(ok("Cache-Control: max-age=60\r\n", b"late"));
        steps
    })
    .await;
    let edge = Arc::new(Edge::new(&origin, Duration::from_secs(3)));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let edge = Arc::clone(&edge);
        clients.spawn(async move { edge.get("/").await });
    }
    // All but the two leaders are refused; then the origin answers.
    for _ in 0..998 {
        let reply = clients.join_next().await.expect("a client").expect("no panic");
        assert_eq!((reply.status, reply.field("retry-after")), (503, "2"));
    }
    permits.add_permits(2);
    while let Some(reply) = clients.join_next().await {
        assert_eq!(reply.expect("no panic").whole(), b"late");
    }
    assert_eq!(origin.asked(), 2);
    assert_eq!(edge.get("/").await.cache(), "pop; hit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_in_vain_gets_a_stale_answer_if_one_is_allowed() {
    let permits = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&permits);
    let origin = Origin::start(move |nth, _| {
        let mut steps = if nth == 1 { vec![] } else { vec![Step::Hold(Arc::clone(&held))] };
        steps.extend(ok("Cache-Control: max-age=60, stale-if-error=60\r\nVary: x-v\r\n", b"stored"));
        steps
    })
    .await;
    let edge = Arc::new(Edge::new(&origin, Duration::from_millis(1500)));
    edge.get("/").await;
    edge.expire("/").await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let edge = Arc::clone(&edge);
        clients.spawn(async move { edge.get("/").await });
    }
    // All but the two leaders.
    for _ in 0..4 {
        let reply = clients.join_next().await.expect("a client").expect("no panic");
        assert_eq!((reply.status, reply.whole()), (200, &b"stored"[..]));
        assert!(reply.cache().ends_with("detail=stale-if-error"), "{}", reply.cache());
    }
    permits.add_permits(2);
    while let Some(reply) = clients.join_next().await {
        assert_eq!(reply.expect("no panic").whole(), b"stored");
    }
    assert_eq!(origin.asked(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_breaks_off_is_broken_for_all_and_not_stored() {
    for script in
        [ok("Cache-Control: max-age=60\r\n", &[1; 9000]), chunked("Cache-Control: max-age=60\r\n", &[1; 9000])]
    {
        let Some(Step::Write(text)) = script.into_iter().next() else { panic!("one write") };
        let cut = text[..6000].to_vec();
        let permits = Arc::new(Semaphore::new(0));
        let held = Arc::clone(&permits);
        let origin = Origin::start(move |nth, _| match nth {
            1 => vec![Step::Write(cut.clone()), Step::Hold(Arc::clone(&held)), Step::Close],
            _ => ok("Cache-Control: max-age=60\r\n", b"whole"),
        })
        .await;
        let edge = Edge::new(&origin, WAIT);
        let first = edge.open("GET", "/", &[]).await;
        let second = edge.open("GET", "/", &[]).await;
        permits.add_permits(1);
        assert!(first.into_body().collect().await.is_err() && second.into_body().collect().await.is_err());
        assert_eq!(origin.asked(), 1, "both read the one fill");
        assert_eq!(edge.get("/").await.whole(), b"whole");
        assert_eq!((edge.cache.stats().objects, edge.cache.stats().aborted), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_large_reaches_the_client_and_not_the_cache() {
    let all: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    for known in [true, false] {
        let body = all.clone();
        let make = if known { ok } else { chunked };
        let origin = Origin::start(move |_, _| make("Cache-Control: max-age=60\r\n", &body)).await;
        let edge = Edge::new(&origin, WAIT);
        for _ in 0..3 {
            let reply = edge.get("/").await;
            assert!(reply.whole() == all, "known {known}");
        }
        assert_eq!((origin.asked(), edge.cache.stats().objects, edge.cache.stats().bytes), (3, 0, 0), "known {known}");
    }
}

/// A response that comes to fill the cache by another way than a plain miss may outgrow it too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_large_after_a_stale_or_an_uncacheable_one_is_passed_through() {
    for first in ["max-age=60", "private"] {
        let origin = Origin::start(move |nth, _| match nth {
            1 => ok(&format!("Cache-Control: {first}\r\n"), b"small"),
            _ => chunked("Cache-Control: max-age=60\r\n", &[5; 3_000_000]),
        })
        .await;
        let edge = Edge::new(&origin, WAIT);
        edge.get("/").await;
        edge.expire("/").await;
        assert!(edge.get("/").await.whole() == [5; 3_000_000], "{first}");
        assert_eq!((origin.asked(), edge.cache.stats().outgrown), (2, 1), "{first}");
    }
}

/// What a 304 does not send is not taken from the response it validates, where it would be out of date.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn age_and_date_of_a_validated_response_are_those_of_the_validation() {
    let origin = Origin::start(|nth, _| match nth {
        1 => ok(
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nExpires: Sun, 06 Nov 1994 08:59:37 GMT\r\nAge: 300\r\nETag: \"a\"\r\n",
            b"body",
        ),
        _ => {
            let until = httpdate::fmt_http_date(now() + Duration::from_secs(100));
            vec![Step::Write(format!("HTTP/1.1 304 Not Modified\r\nExpires: {until}\r\n\r\n").into_bytes())]
        }
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    assert_eq!(edge.get("/").await.field("age"), "300");
    edge.expire("/").await;
    edge.get("/").await;
    let hit = edge.get("/").await;
    assert_eq!((hit.cache().as_str(), origin.asked()), ("pop; hit", 2));
    assert!(hit.field("age").parse::<u64>().expect("a number") < 100);
    let ttl = hit.field("cache-status").rsplit("ttl=").next().expect("a time left").parse::<u64>();
    assert!(ttl.expect("a number") <= 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_object_is_validated_and_its_header_renewed() {
    let origin = Origin::start(|nth, _| match nth {
        1 => ok("Cache-Control: max-age=60\r\nETag: \"a\"\r\n", b"body"),
        _ => vec![Step::Write(
            b"HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=90\r\nAge: 40\r\nETag: \"a\"\r\n\r\n".to_vec(),
        )],
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    edge.get("/").await;
    edge.expire("/").await;
    let validated = edge.get("/").await;
    assert_eq!((validated.status, validated.whole()), (200, &b"body"[..]));
    assert_eq!(validated.cache(), "pop; fwd=stale; fwd-status=304; stored");
    let hit = edge.get("/").await;
    assert_eq!((hit.cache().as_str(), hit.field("cache-control")), ("pop; hit", "max-age=90"));
    assert!((40..50).contains(&hit.field("age").parse::<u64>().expect("a number")), "{}", hit.field("age"));
    assert!(origin.heads.lock().expect("not poisoned")[1].to_ascii_lowercase().contains("if-none-match: \"a\""));
    let not_modified = edge.ask("GET", "/", &[("if-none-match", "\"a\"")]).await;
    assert_eq!((not_modified.status, origin.asked()), (304, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_answers_are_served_as_far_as_they_are_granted() {
    let origin = Origin::start(|_, head| {
        let grant = if head.contains("/error") { "stale-if-error=60" } else { "must-revalidate, stale-if-error=60" };
        if head.to_ascii_lowercase().contains("x-fail") {
            return vec![Step::Write(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_vec())];
        }
        ok(&format!("Cache-Control: s-maxage=60, {grant}\r\n"), b"body")
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    for (path, status) in [("/error", 200), ("/must", 500)] {
        edge.get(path).await;
        edge.expire(path).await;
        assert_eq!(edge.ask("GET", path, &[("x-fail", "1")]).await.status, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_answer_is_served_while_one_request_revalidates() {
    let permits = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&permits);
    let origin = Origin::start(move |nth, _| {
        let mut steps = if nth == 1 { vec![] } else { vec![Step::Hold(Arc::clone(&held))] };
        steps.extend(ok("Cache-Control: max-age=60, stale-while-revalidate=60\r\n", format!("body {nth}").as_bytes()));
        steps
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    edge.get("/").await;
    edge.expire("/").await;
    for _ in 0..3 {
        let stale = edge.get("/").await;
        assert_eq!(
            (stale.whole(), stale.cache().as_str()),
            (&b"body 1"[..], "pop; hit; detail=stale-while-revalidate")
        );
    }
    permits.add_permits(1);
    // The background fill ends when it ends; each look before that is a stale hit.
    let renewed = async { while edge.get("/").await.whole() != b"body 2" {} };
    tokio::time::timeout(Duration::from_secs(60), renewed).await.expect("the new body");
    assert_eq!(origin.asked(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variants_are_stored_apart_and_uncacheable_answers_are_not_shared() {
    let origin = Origin::start(|nth, head| {
        let head = head.to_ascii_lowercase();
        if head.contains("/private") {
            return ok("Cache-Control: private, max-age=60\r\n", format!("{nth}").as_bytes());
        }
        let body = if head.contains("gzip") { "zipped" } else { "plain" };
        ok("Cache-Control: max-age=60\r\nVary: Accept-Encoding\r\n", body.as_bytes())
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    for _ in 0..2 {
        assert_eq!(edge.get("/").await.whole(), b"plain");
        assert_eq!(edge.ask("GET", "/", &[("accept-encoding", "br, gzip")]).await.whole(), b"zipped");
        assert_eq!(edge.ask("GET", "/", &[("accept-encoding", "gzip;q=0.5,br")]).await.whole(), b"zipped");
    }
    assert_eq!(origin.asked(), 2);
    let first = edge.get("/private").await;
    assert_eq!((first.whole(), first.cache().as_str()), (&b"3"[..], "pop; fwd=uri-miss; detail=private"));
    let second = edge.get("/private").await;
    assert_eq!((second.whole(), second.cache().as_str()), (&b"4"[..], "pop; fwd=bypass; detail=private"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fill_goes_on_without_its_client() {
    let permits = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&permits);
    let origin = Origin::start(move |_, _| {
        let Some(Step::Write(text)) = ok("Cache-Control: max-age=60\r\n", &[3; 200_000]).into_iter().next() else {
            panic!("one write")
        };
        let (now, later) = text.split_at(50_000);
        vec![Step::Write(now.to_vec()), Step::Hold(Arc::clone(&held)), Step::Write(later.to_vec())]
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    let mut client = edge.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
    let mut some = [0; 1000];
    client.read_exact(&mut some).await.expect("the beginning");
    drop(client);
    permits.add_permits(1);
    assert_eq!(edge.get("/").await.whole(), [3; 200_000]);
    assert_eq!(origin.asked(), 1);
}
