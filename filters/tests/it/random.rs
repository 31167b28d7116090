//! Configs and requests at random, from few enough words that rules match often and every kind of access atom is there.

use std::time::Duration;

use http::HeaderMap;
use ipnet::IpNet;
use proptest::prelude::*;
use selvedge_conf::expr::{Comparison, Counted, Expr, Field, Function, Kind, ListKind, Phase, Read, Type};
use selvedge_conf::{CacheAction, Config, Effect, Penalty, Reply, Rule, RuleMode};
use selvedge_filters::Tables;
use selvedge_filters::list::List;

use crate::support::{Ask, config};
use crate::tree::{
    all, any_of, call, compare, constant, contains_any, counter, either, equal, expr, field, header, list, listed,
    more_than, not, path_is, place, read, tagged, text, under, unique,
};

const MINUTE: Duration = Duration::from_secs(60);
const PATHS: &[&str] = &["/", "/a", "/a/b", "/a/b/c", "/ab", "/login", "/wp-login.php", "*"];
const PREFIXES: &[&str] = &["/", "/a", "/a/", "/a/b", "/ab", "/w", "/login", ""];
const NEEDLES: &[&str] = &["a", "b/", "login", "php", "wp-", "x", ""];
const HOSTS: &[&str] = &["www.example.com", "a.example.org", "b.example.org", "www.example.com", "example.net"];
const METHODS: &[&str] = &["GET", "POST", "HEAD"];
const AGENTS: &[&str] = &["", "curl/8 a", "Mozilla login", "bot php x"];
const CLIENTS: &[&str] = &["192.0.2.1", "192.0.2.2", "198.51.100.9", "2001:db8::1"];
const QUERIES: &[Option<&str>] = &[None, Some(""), Some("a=b/"), Some("x=login")];
const TAGS: &[&str] = &["one", "two"];

/// Places of what [`facts`] declares.
const COUNTERS: usize = 3;
const LISTS: [ListKind; 3] = [ListKind::Addresses, ListKind::Strings, ListKind::Needles];

fn word(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(words)
}

fn words(words: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(word(words), 0..4)
}

fn haystack() -> impl Strategy<Value = Expr> {
    prop_oneof![Just(field(Field::Path)), Just(field(Field::RawQuery)), Just(header("user-agent")), Just(header("x"))]
}

/// Conditions that have an access atom.
fn atom() -> impl Strategy<Value = Expr> {
    prop_oneof![
        word(PATHS).prop_map(path_is),
        word(PATHS).prop_map(|path| equal(text(path), field(Field::Path))),
        words(PATHS).prop_map(|paths| any_of(field(Field::Path), &paths)),
        word(PREFIXES).prop_map(under),
        word(HOSTS).prop_map(|host| equal(field(Field::Host), text(host))),
        words(HOSTS).prop_map(|hosts| any_of(field(Field::Host), &hosts)),
        word(METHODS).prop_map(|method| equal(field(Field::Method), text(method))),
        (haystack(), word(NEEDLES)).prop_map(|(target, needle)| call(Function::Contains, target, needle)),
        Just(listed(field(Field::ClientIp), 0, ListKind::Addresses)),
        Just(listed(field(Field::Path), 1, ListKind::Strings)),
        haystack().prop_map(|target| contains_any(target, 2)),
    ]
}

/// Conditions that have none.
fn opaque() -> impl Strategy<Value = Expr> {
    let counted = prop_oneof![(0..COUNTERS).prop_map(Counted::Counter), (0..2_usize).prop_map(Counted::Limit)];
    prop_oneof![
        any::<bool>().prop_map(constant),
        word(PATHS).prop_map(|end| call(Function::EndsWith, field(Field::Path), end)),
        word(AGENTS).prop_map(|agent| equal(header("user-agent"), text(agent))),
        word(PATHS).prop_map(|path| compare(Comparison::NotEqual, field(Field::Path), text(path))),
        word(TAGS).prop_map(tagged),
        (counted, 0..4_i64).prop_map(|(what, n)| more_than(what, n, MINUTE)),
        (0..3_i64).prop_map(|n| {
            let distinct = read(Read::Uniques(0, Vec::new(), MINUTE), Type::Int);
            compare(Comparison::Greater, distinct, expr(Kind::Int(n), Type::Int))
        }),
        (0..2_usize).prop_map(|limit| read(Read::Exceeded(limit), Type::Bool)),
        Just(read(Read::Banned(None), Type::Bool)),
    ]
}

fn condition() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![3 => atom(), 1 => opaque()];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let several = || prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            several().prop_map(all),
            several().prop_map(either),
            inner.clone().prop_map(not),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(condition, then, other)| {
                expr(Kind::Choose(Box::new(condition), Box::new(then), Box::new(other)), Type::Bool)
            }),
        ]
    })
}

fn texts() -> impl Strategy<Value = Expr> {
    prop_oneof![
        word(PATHS).prop_map(text),
        Just(field(Field::Path)),
        Just(header("user-agent")),
        Just(text("bad\r\nvalue")),
        Just(text("")),
    ]
}

/// Effects on the state, possible in every phase.
fn state_effect() -> impl Strategy<Value = Effect> {
    let for_ = || (1_000..120_000_u64).prop_map(Duration::from_millis);
    let listing = || prop_oneof![texts().prop_map(|of| (1_usize, of)), Just((0, field(Field::ClientIp)))];
    prop_oneof![
        1 => (1_000..20_000_u64).prop_map(|ms| Effect::Ban(Duration::from_millis(ms))),
        2 => (listing(), for_()).prop_map(|((list, of), length)| Effect::ListAdd(list, of, length)),
        2 => (listing(), for_()).prop_map(|((list, of), length)| Effect::ListRemove(list, of, length)),
        3 => (0..COUNTERS).prop_map(Effect::Count),
        2 => Just(Effect::Unique(0)),
        3 => word(TAGS).prop_map(|tag| Effect::Tag(tag.to_owned())),
        1 => Just(Effect::Log),
    ]
}

fn request_effect() -> impl Strategy<Value = Effect> {
    let name = || prop_oneof![Just("x-a".to_owned()), Just("x-b".to_owned())];
    prop_oneof![
        (prop::option::of(texts()), prop::option::of(texts())).prop_map(|(path, query)| Effect::Rewrite(path, query)),
        (name(), texts()).prop_map(|(name, value)| Effect::SetRequestHeader(name, value)),
        name().prop_map(Effect::RemoveRequestHeader),
        Just(Effect::Origin(0)),
        Just(Effect::Cache(CacheAction::Pass)),
    ]
}

fn response_effect() -> impl Strategy<Value = Effect> {
    let name = || prop_oneof![Just("x-a".to_owned()), Just("x-b".to_owned())];
    prop_oneof![
        (name(), texts()).prop_map(|(name, value)| Effect::SetResponseHeader(name, value)),
        name().prop_map(Effect::RemoveResponseHeader),
    ]
}

fn answer() -> impl Strategy<Value = Option<Reply>> {
    prop_oneof![
        12 => Just(None),
        2 => (400..500_u16).prop_map(|status| Some(Reply::Deny(status))),
        1 => (prop::sample::select(&[301_u16, 302, 303, 307, 308][..]), texts())
            .prop_map(|(status, to)| Some(Reply::Redirect(status, to))),
        1 => (8..27_u8).prop_map(|bits| Some(Reply::Challenge(bits))),
        1 => Just(Some(Reply::Allow)),
    ]
}

fn mode() -> impl Strategy<Value = RuleMode> {
    prop_oneof![6 => Just(RuleMode::Enforce), 1 => Just(RuleMode::Monitor), 1 => Just(RuleMode::Off)]
}

fn rule() -> impl Strategy<Value = Rule> {
    let request = prop_oneof![2 => state_effect(), 2 => request_effect(), 1 => response_effect()];
    let response = prop_oneof![2 => state_effect(), 2 => response_effect()];
    let effects = |of: BoxedStrategy<Effect>| prop::collection::vec(of, 0..4);
    let client = prop_oneof![
        Just(listed(field(Field::ClientIp), 0, ListKind::Addresses)),
        (0..COUNTERS, 0..4_i64).prop_map(|(at, n)| more_than(Counted::Counter(at), n, MINUTE)),
        Just(constant(true)),
    ];
    let phased = prop_oneof![
        6 => (Just(Phase::Request), condition(), effects(request.boxed()), answer()),
        2 => (Just(Phase::Response), condition(), effects(response.boxed()), Just(None)),
        1 => (Just(Phase::Connection), client, effects(state_effect().boxed()), Just(Some(Reply::Deny(403)))),
    ];
    let sites = prop_oneof![3 => Just(vec![]), 1 => Just(vec![0]), 1 => Just(vec![1]), 1 => Just(vec![0, 1])];
    (phased, sites, mode(), 0..8_u8).prop_map(|((phase, when, effects, answer), sites, mode, always)| Rule {
        name: "rule".to_owned(),
        phase,
        sites: if phase == Phase::Connection { vec![] } else { sites },
        when: (always > 0).then_some(when),
        effects,
        answer,
        mode,
        text: None,
        place: place(),
    })
}

const LIMITS: &str = "[[limit]]\nname = \"net\"\nkey = [\"client.net\"]\nrate = \"20/1m\"\nburst = 2\n\
                      [[limit]]\nname = \"path\"\nkey = [\"request.path\"]\nrates = [{ rate = \"30/1m\", burst = 3 }, { rate = \"2000/1h\" }]\n\
                      count = 'response.status != 401'\n\
                      [[limit]]\nname = \"open\"\nkey = []\nin_flight = 60\n\
                      [[limit]]\nname = \"day\"\nkey = [\"client.net\"]\nquota = \"90/day\"\n";

/// Limits, counters, uniques and lists, and so many rules.
pub(crate) fn facts(rules: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Config> {
    let rules = prop::collection::vec(rule(), rules);
    let whens = prop::collection::vec(prop::option::of(condition()), COUNTERS + 2);
    let penalty = prop::option::of(1..4_u32);
    (rules, whens, penalty, mode()).prop_map(|(rules, mut whens, penalty, mode)| {
        let mut config = config(LIMITS);
        config.rules = rules;
        config.counters = (0..COUNTERS)
            .map(|at| {
                let phase = if at == 2 { Phase::Response } else { Phase::Request };
                counter(&format!("c{at}"), phase, whens.pop().flatten())
            })
            .collect();
        config.uniques = vec![unique("u", field(Field::Path), whens.pop().flatten())];
        config.lists = LISTS.iter().enumerate().map(|(at, kind)| list(&format!("l{at}"), *kind)).collect();
        config.limits[1].when = whens.pop().flatten();
        config.limits[0].penalty =
            penalty.map(|after| Penalty { after, within: MINUTE, ban: vec![Duration::from_secs(5), MINUTE] });
        if mode == RuleMode::Monitor {
            config.limits[1].mode = selvedge_conf::Mode::Monitor;
        }
        config
    })
}

/// What the lists of [`facts`] hold.
pub(crate) fn tables() -> Tables {
    let net: IpNet = "192.0.2.2/32".parse().unwrap();
    let lists = vec![
        List::addresses(vec![net, "2001:db8::/64".parse().unwrap()]),
        List::strings(vec!["/a".to_owned(), "/login".to_owned()]),
        List::needles(vec!["login".to_owned(), "b/".to_owned()]).unwrap(),
    ];
    Tables { lists: lists.into_iter().map(Into::into).collect(), ..Tables::default() }
}

/// A request, and ms that pass before it.
pub(crate) fn asks() -> impl Strategy<Value = (Ask, u64)> {
    let passes = prop_oneof![9 => Just(0), 6 => 0..3_000_u64, 1 => 0..90_000_u64];
    let query = prop::sample::select(QUERIES);
    (word(METHODS), word(HOSTS), word(PATHS), query, word(CLIENTS), word(AGENTS), passes).prop_map(
        |(method, host, path, query, client, agent, passes)| {
            let mut headers = HeaderMap::new();
            if !agent.is_empty() {
                headers.insert("user-agent", agent.parse().unwrap());
            }
            (Ask { method, host, path, query, client, headers }, passes)
        },
    )
}
