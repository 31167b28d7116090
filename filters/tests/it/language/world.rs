//! A request, tables and a state in one hand, for expressions.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use selvedge_conf::TokenSource;
use selvedge_conf::expr::{
    self, Counted, CountedName, GeoNames, ListKind, Names, Phase, SessionName, Setting, TokenName, Type,
};
use selvedge_filters::list::List;
use selvedge_filters::rule::{Context, Program, Reads, Value};
use selvedge_filters::{Believed, Claim, Form, From, Geo, Head, Reply, Tables, Token, Tokens};
use selvedge_state::{Actor, Incarnation, PopId, Store, StoreConfig, Time};

/// What expressions are asked about.
pub(crate) struct World {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) form: Option<Vec<u8>>,
    pub(crate) headers: HeaderMap,
    pub(crate) client: IpAddr,
    pub(crate) reply: Option<(u16, HeaderMap)>,
    pub(crate) tags: Vec<&'static str>,
    pub(crate) state: State,
    pub(crate) tables: Tables,
    pub(crate) tokens: Arc<Issuer>,
    pub(crate) names: Names,
    pub(crate) store: Store,
    pub(crate) now: Time,
}

/// A state that answers what a test wrote into it.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// By list and element.
    pub(crate) listed: BTreeMap<(usize, String), bool>,
    pub(crate) banned: Vec<IpNet>,
    /// How often `listed` was asked.
    pub(crate) asked: AtomicUsize,
}

impl Reads for State {
    /// The window's seconds, and 1000 for a given key, 100 for each of its parts' bytes.
    fn count(&self, what: Counted, key: Option<&[Value<'_>]>, window: Duration, _: &Context<'_>) -> u64 {
        let base = match what {
            Counted::Counter(place) => place as u64 * 10_000,
            Counted::Limit(place) => place as u64 * 10_000 + 100_000,
        };
        let bytes: usize = key.into_iter().flatten().map(|value| value.key().as_slice().len()).sum();
        base + window.as_secs() + if key.is_some() { 1000 } else { 0 } + 100 * bytes as u64
    }

    fn uniques(&self, _: usize, key: Option<&[Value<'_>]>, _: Duration, _: &Context<'_>) -> u64 {
        key.map_or(7, |key| key.len() as u64)
    }

    fn exceeded(&self, limit: usize, _: &Context<'_>) -> bool {
        limit == 0
    }

    fn banned(&self, net: IpNet, _: &Context<'_>) -> bool {
        self.banned.contains(&net)
    }

    fn listed(&self, list: usize, element: &str, _: &Context<'_>) -> Option<bool> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.listed.get(&(list, element.to_owned())).copied()
    }

    fn has_listed(&self, list: usize, _: &Context<'_>) -> bool {
        self.listed.keys().any(|(held, _)| *held == list)
    }
}

/// Germany below 128.0.0.0, nothing known above.
#[derive(Debug)]
struct Places;

impl Geo for Places {
    fn country(&self, client: IpAddr) -> (&str, &str) {
        if known(client) { ("DE", "EU") } else { ("", "") }
    }

    fn city(&self, client: IpAddr) -> &str {
        if known(client) { "Köln" } else { "" }
    }

    fn system(&self, client: IpAddr) -> (u32, &str) {
        if known(client) { (64_500, "Example Net") } else { (0, "") }
    }
}

fn known(client: IpAddr) -> bool {
    matches!(client, IpAddr::V4(v4) if v4.octets()[0] < 128)
}

/// `good` is a valid token.
#[derive(Debug)]
pub(crate) struct Issuer {
    source: TokenSource,
    pub(crate) verified: AtomicUsize,
}

impl Tokens for Issuer {
    fn source(&self) -> &TokenSource {
        &self.source
    }

    fn realm(&self) -> &str {
        "app"
    }

    fn verify(&self, token: &str, _: Time) -> Arc<Token> {
        self.verified.fetch_add(1, Ordering::Relaxed);
        Arc::new(match token {
            "good" => Token::Valid(Believed {
                claims: vec![
                    Some(Claim::String("anna".to_owned())),
                    Some(Claim::Strings(vec!["read".to_owned(), "write".to_owned()])),
                    Some(Claim::Int(42)),
                    None,
                ],
                ..Believed::default()
            }),
            _ => Token::Invalid("malformed"),
        })
    }
}

/// Counters `visits` (without a key) and `hits` (by client.net and path), limit `all`, unique `users`; lists by kind; issuer `app`.
fn names() -> Names {
    let counted = |name: &str, key: &[Type]| CountedName {
        name: name.to_owned(),
        key: key.to_vec(),
        phase: Phase::Request,
        retention: Duration::from_secs(3600),
    };
    let list = |name: &str, kind| (name.to_owned(), kind);
    let claim = |name: &str, ty| (name.to_owned(), ty);
    Names {
        counters: vec![counted("visits", &[Type::Cidr]), counted("hits", &[Type::Cidr, Type::String])],
        limits: vec![counted("all", &[Type::Cidr])],
        uniques: vec![counted("users", &[Type::Cidr])],
        lists: vec![
            list("nets", ListKind::Addresses),
            list("paths", ListKind::Strings),
            list("bots", ListKind::Needles),
            list("shapes", ListKind::Patterns),
        ],
        jwts: vec![TokenName {
            name: "app".to_owned(),
            claims: vec![
                claim("sub", Type::String),
                claim("scope", Type::List(Box::new(Type::String))),
                claim("level", Type::Int),
                claim("admin", Type::Bool),
            ],
        }],
        sessions: vec![SessionName {
            attributes: vec![claim("user", Type::String), claim("age", Type::Int), claim("admin", Type::Bool)],
            counters: vec!["clicks".to_owned()],
        }],
        geoip: GeoNames { country: true, city: true, asn: true },
        challenge: true,
    }
}

impl Default for World {
    fn default() -> World {
        let store = Store::new(StoreConfig {
            me: Actor { pop: PopId(1), node: 0 },
            incarnation: Incarnation(1),
            cluster: "test".to_owned(),
            secret: [3; 16],
            secret_beside: None,
            salt: 0,
            keys_max: 10,
            bans_max: 10,
            roster: 3,
        });
        let tokens = Arc::new(Issuer { source: TokenSource::Bearer, verified: AtomicUsize::new(0) });
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let nets = ["192.0.2.0/24", "2001:db8::/32"].map(|net| net.parse().unwrap()).to_vec();
        let lists = vec![
            Arc::new(List::addresses(nets)),
            Arc::new(List::strings(texts(&["/login", "/admin"]))),
            Arc::new(List::needles(texts(&["bot", "crawl"])).unwrap()),
            Arc::new(List::patterns(texts(&["^/wp-", r"\.php$"])).unwrap()),
        ];
        let (geo, tokens_of) = (Some(Arc::new(Places) as Arc<dyn Geo>), vec![tokens.clone() as Arc<dyn Tokens>]);
        let tables = Tables { lists, geo, tokens: tokens_of, session_keys: Vec::new(), challenge: None };
        World {
            method: "GET",
            path: "/".to_owned(),
            query: None,
            form: None,
            headers: HeaderMap::new(),
            client: "192.0.2.7".parse().unwrap(),
            reply: None,
            tags: Vec::new(),
            state: State::default(),
            tables,
            tokens,
            names: names(),
            store,
            now: Time(1_800_000_000_000),
        }
    }
}

impl World {
    pub(crate) fn get(path: &str) -> World {
        World { path: path.to_owned(), ..World::default() }
    }

    pub(crate) fn from(client: &str) -> World {
        World { client: client.parse().unwrap(), ..World::default() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &[u8]) -> World {
        self.headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        self
    }

    pub(crate) fn asking(mut self, query: &str) -> World {
        self.query = Some(query.to_owned());
        self
    }

    pub(crate) fn posting(mut self, form: &[u8]) -> World {
        self.method = "POST";
        self.form = Some(form.to_vec());
        self
    }

    pub(crate) fn answered(mut self, status: u16, headers: &[(&'static str, &'static str)]) -> World {
        let pairs =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        self.reply = Some((status, pairs.collect()));
        self
    }

    pub(crate) fn context(&self) -> Context<'_> {
        let head = Head {
            query: self.query.as_deref(),
            form: self.form.as_deref().map_or(Form::None, Form::Read),
            ..Head::plain(self.method, "www.example.com", &self.path, &self.headers, self.client)
        };
        let reply = self.reply.as_ref().map(|(status, headers)| Reply {
            status: *status,
            headers,
            from: From::Cache,
            cache: "hit",
            challenge: None,
        });
        let context = Context::new(head, reply, &self.tables, &self.state, &self.store, self.now);
        context.tags.borrow_mut().extend(&self.tags);
        context
    }

    /// Checked where everything is known.
    pub(crate) fn compile(&self, text: &str) -> Result<Program, String> {
        let setting = Setting { phase: Phase::Response, names: &self.names };
        let expr = expr::parse_value(text, &setting).map_err(|errors| format!("{text}: {errors:?}"))?;
        Ok(Program::compile(&expr))
    }

    #[track_caller]
    pub(crate) fn holds(&self, text: &str) -> bool {
        let program = self.compile(text).unwrap_or_else(|error| panic!("{error}"));
        program.holds(&self.context())
    }

    /// A value as its `Debug` form says it; `absent` when it is.
    #[track_caller]
    pub(crate) fn shown(&self, text: &str) -> String {
        let program = self.compile(text).unwrap_or_else(|error| panic!("{error}"));
        program.value(&self.context()).map_or("absent".to_owned(), |value| format!("{value:?}"))
    }
}
