//! A cache and nothing beside it: one storage behind Pingora's ordinary path, one worker. `selvedge-bench cache` starts it twice, once with
//! ours and once with Pingora's `MemCache`, and compares what a hit takes.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use clap::{Parser, ValueEnum};
use pingora::Result;
use pingora::cache::{CacheKey, CacheMeta, MemCache, RespCacheable, Storage};
use pingora::http::ResponseHeader;
use pingora::prelude::Opt;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use selvedge::cache::{Tiers, cache_key};
use selvedge_filters::cache::{KeyParts, Scheme};
use selvedge_state::{Actor, Incarnation, PopId, StoreConfig};

/// Bytes that ours may take; `MemCache` has no bound.
const CAPACITY: u64 = 64 << 20;

/// The largest body that ours keeps, in bytes.
const OBJECT_MAX: usize = 1 << 20;

/// How long what is stored is fresh: longer than any run.
const FRESH: Duration = Duration::from_secs(3_600);

#[derive(Debug, Parser)]
struct Args {
    /// Which storage.
    store: Store,
    /// Where it listens, on loopback.
    port: u16,
    /// Where its origin listens, on loopback.
    origin: u16,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Store {
    Own,
    Memcache,
}

impl Store {
    fn leak(self) -> &'static (dyn Storage + Sync) {
        match self {
            Store::Own => Box::leak(Box::new(Tiers::new(CAPACITY, OBJECT_MAX, None, Arc::new(purges())))),
            Store::Memcache => Box::leak(Box::new(MemCache::new())),
        }
    }
}

/// Where ours looks for purges; there are none.
fn purges() -> selvedge_state::Store {
    selvedge_state::Store::new(StoreConfig {
        me: Actor { pop: PopId(0), node: 0 },
        incarnation: Incarnation(1),
        cluster: String::new(),
        secret: [0; 16],
        secret_beside: None,
        salt: 0,
        keys_max: 1,
        bans_max: 1,
        roster: 1,
    })
}

struct App {
    storage: &'static (dyn Storage + Sync),
    origin: u16,
}

#[async_trait]
impl ProxyHttp for App {
    type CTX = ();

    fn new_ctx(&self) {}

    fn request_cache_filter(&self, session: &mut Session, (): &mut ()) -> Result<()> {
        session.cache.enable(self.storage, None, None, None, None);
        Ok(())
    }

    fn cache_key_callback(&self, session: &Session, (): &mut ()) -> Result<CacheKey> {
        let uri = &session.req_header().uri;
        let (path, query) = (uri.path(), uri.query());
        Ok(cache_key(&KeyParts { scheme: Scheme::Http, authority: "bench", path, query, origin: None }))
    }

    fn response_cache_filter(&self, _: &Session, response: &ResponseHeader, (): &mut ()) -> Result<RespCacheable> {
        let now = SystemTime::now();
        Ok(RespCacheable::Cacheable(CacheMeta::new(now + FRESH, now, 0, 0, response.clone())))
    }

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(("127.0.0.1", self.origin), false, String::new())))
    }
}

fn main() -> ExitCode {
    let Args { store, port, origin } = Args::parse();
    let conf = ServerConf { threads: 1, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None::<Opt>, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, App { storage: store.leak(), origin });
    service.add_tcp(&format!("127.0.0.1:{port}"));
    server.add_service(service);
    server.run_forever()
}
