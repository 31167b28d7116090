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
use selvedge_filters::cache::{Asked, KeyParts, Lookup, Scheme, Variation, cache_status, request_admits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::laws::empty_store;
use super::{Cache, Exchange, Next, Settings};

mod collapse;
mod purge;
mod stale;
mod store;

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
        Context { exchange: Exchange::new(Asked::default(), now()), next: Next::Origin }
    }

    fn request_cache_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<()> {
        let request = session.req_header();
        let client = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        let (method, path) = (request.method.as_str(), request.uri.path());
        let head = Head { query: request.uri.query(), ..Head::plain(method, "a", path, &request.headers, client) };
        if let Ok(lookup) = request_admits(&head) {
            let authorized = lookup == Lookup::Authorized;
            let asked = Asked { authorized, cookie: head.headers.contains_key("cookie"), ..Asked::default() };
            self.cache.enable(session, asked);
            ctx.exchange = Exchange::new(asked, now());
        }
        Ok(())
    }

    fn cache_key_callback(&self, session: &Session, ctx: &mut Context) -> Result<CacheKey> {
        let key = key(session.req_header().uri.path());
        ctx.exchange.keyed(&key);
        Ok(key)
    }

    fn cache_vary_filter(&self, meta: &CacheMeta, _ctx: &mut Context, request: &RequestHeader) -> Option<HashBinary> {
        super::vary(Variation::default(), meta, request)
    }

    fn cache_miss(&self, session: &mut Session, _ctx: &mut Context) {
        Cache::miss(session);
    }

    async fn proxy_upstream_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        ctx.next = self.cache.before_origin(session, Variation::default(), now()).await;
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
        ctx.exchange.sent(self.cache.storage.store.fill(), now());
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        ctx.exchange.received(response, session.cache.maybe_cache_meta(), now());
        Ok(())
    }

    fn response_cache_filter(
        &self,
        session: &Session,
        response: &ResponseHeader,
        ctx: &mut Context,
    ) -> Result<RespCacheable> {
        let cacheable = self.cache.response_cacheable(&ctx.exchange, response);
        Ok(self.cache.stamped(cacheable, &ctx.exchange, &[parts(session.req_header().uri.path())]))
    }

    fn range_header_filter(&self, session: &mut Session, response: &mut ResponseHeader, _: &mut Context) -> RangeType {
        super::range_type(session.req_header(), response)
    }

    fn should_serve_stale(&self, session: &mut Session, ctx: &mut Context, error: Option<&Error>) -> bool {
        super::may_serve_stale(session, ctx.next, error, now())
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        _: &mut Session,
        mut error: Box<Error>,
        _: &mut Context,
        _: bool,
    ) -> Box<Error> {
        error.set_retry(false);
        error
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
    super::cache_key(&parts(path))
}

fn parts(path: &str) -> KeyParts<'_> {
    KeyParts { scheme: Scheme::Http, authority: "a", path, query: None, origin: None }
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
        let cache = Cache::leak(Settings { memory: 16 << 20, object_max: 1 << 20, wait }, None, empty_store());
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

/// Longer than any test.
const WAIT: Duration = Duration::from_secs(60);
