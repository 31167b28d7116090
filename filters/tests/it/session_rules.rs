//! Rules that read a session and say what becomes of it.

use http::HeaderMap;
use selvedge_conf::expr::Phase;
use selvedge_conf::{Config, Named};
use selvedge_filters::revocation::revoked;
use selvedge_filters::rule::Program;
use selvedge_filters::session::{Change, Orders, Over, Record, Value};
use selvedge_filters::{EffectRecord, Filters, Head, RuleId, Tables, Undone};
use selvedge_state::{Actor, Incarnation, PopId, Store, StoreConfig, Time};

const NOW: Time = Time(1_800_000_000_000);

const RULES: &str = r#"
[[rule]]
name = "start"
when = 'request.path == "/start"'
do = { session = { start = true, count = ["clicks"] } }
[[rule]]
name = "name"
when = 'request.path in ["/start", "/name"]'
do = { session = { set = { user = 'request.query["user"]', age = 'int(request.query["age"])' }, unset = ["staff"] } }
[[rule]]
name = "again"
when = 'request.path == "/start"'
do = { session = { set = { age = '7' }, count = ["clicks"] } }
[[rule]]
name = "logout"
when = 'request.path == "/logout"'
do = { session = { revoke = true } }
[[rule]]
name = "after"
when = 'request.path == "/logout"'
do = { session = { count = ["clicks"] } }
[[rule]]
name = "login"
when = 'request.path == "/login"'
do = { session = { start = true, rotate = true, set = { user = 'request.query["user"]' } } }
"#;

fn config() -> Config {
    let text = format!(
        "[listen]\nhttp = [\"0.0.0.0:1\"]\n[origin.app]\nservers = [\"a:1\"]\n[site.\"a.example\"]\norigin = \"app\"\n[session.web]\nkeys = [\"a\"]\nvalue_max = \"4B\"\nattributes = {{ user = \"string\", age = \"int\", staff = \"bool\" }}\ncounters = [\"clicks\"]\n{RULES}"
    );
    let read = |_: &std::path::Path| Ok(text.clone());
    selvedge_conf::load("a.toml".as_ref(), &read, &|_| Ok(Vec::new()), &|_| None)
        .unwrap_or_else(|report| panic!("{report}"))
}

fn store() -> Store {
    Store::new(StoreConfig {
        me: Actor { pop: PopId(1), node: 0 },
        incarnation: Incarnation(1),
        cluster: "test".to_owned(),
        secret: [3; 16],
        secret_beside: None,
        salt: 0,
        keys_max: 10,
        bans_max: 10,
        roster: 1,
    })
}

fn record() -> Record {
    Record {
        id: "a".repeat(32),
        started: NOW.minus(90_000),
        login: NOW.minus(90_000),
        is_fresh: true,
        attributes: vec![("user".into(), Value::String("ann".to_owned())), ("age".into(), Value::Int(42))],
        counts: vec![("clicks".into(), 3)],
    }
}

/// What is decided about a request, with this session; what is ordered, and which rules were left undone.
fn decide(path: &str, query: &str, session: Option<&Record>) -> (Orders, Vec<RuleId>) {
    let (config, store, headers) = (config(), store(), HeaderMap::new());
    let filters = Filters::new(&config, Tables::default(), &store).expect("room");
    let client = "192.0.2.1".parse().expect("an address");
    let head = Head { session, query: Some(query), ..Head::plain("GET", "a.example", path, &headers, client) };
    let decision = filters.decide(&head, &store, NOW);
    // Explained, it is the same.
    let explained = filters.explain(&config, (&head, client), None, &store, NOW);
    assert_eq!(explained.decision.changes.session, decision.changes.session);
    for rule in &decision.undone {
        let effects = &explained.rules[rule.0].effects;
        assert!(effects.iter().any(|effect| matches!(effect, EffectRecord::Undone(_))), "{effects:?}");
    }
    (decision.changes.session, decision.undone)
}

#[test]
fn what_rules_order_comes_together() {
    let set = |name: &str, value| Change::Set(name.into(), value);
    let expected = Orders {
        start: true,
        changes: vec![
            Change::Count("clicks".into(), 2),
            set("user", Value::String("ann".to_owned())),
            Change::Unset("staff".into()),
            set("age", Value::Int(7)),
        ],
        ..Orders::default()
    };
    assert_eq!(decide("/start", "user=ann&age=4", None), (expected, vec![]));
}

/// A value that cannot be had leaves all of its effect undone, and a session is not changed where there is none.
#[test]
fn what_cannot_be_done_is_left_as_a_whole() {
    let session = record();
    assert_eq!(decide("/name", "user=ann&age=x", Some(&session)), (Orders::default(), vec![RuleId(1)]));
    assert_eq!(decide("/name", "user=susan&age=1", Some(&session)), (Orders::default(), vec![RuleId(1)]), "too long");
    assert_eq!(decide("/name", "user=ann&age=1", None), (Orders::default(), vec![RuleId(1)]));
    let revoked = Orders { revoke: Some(Over::Session), ..Orders::default() };
    assert_eq!(decide("/logout", "", Some(&session)), (revoked, vec![RuleId(4)]), "it is over by then");
    assert_eq!(decide("/logout", "", None), (Orders::default(), vec![RuleId(3), RuleId(4)]));
}

/// Who logs in does not go on as who was logged in before, though it cannot be said who it is.
#[test]
fn a_login_that_cannot_be_named_is_nobodys() {
    let session = record();
    let nobody = Orders { rotate: true, changes: vec![Change::Unset("user".into())], ..Orders::default() };
    for query in ["user=susan", "user=a%0Ab"] {
        assert_eq!(decide("/login", query, Some(&session)), (nobody.clone(), vec![RuleId(5)]), "{query}");
        assert_eq!(decide("/login", query, None), (Orders::default(), vec![RuleId(5)]), "{query}");
    }
}

#[test]
fn why_it_is_left_is_told() {
    let (config, store, headers) = (config(), store(), HeaderMap::new());
    let filters = Filters::new(&config, Tables::default(), &store).expect("room");
    let client = "192.0.2.1".parse().expect("an address");
    let head = Head::plain("GET", "a.example", "/logout", &headers, client);
    let found = filters.explain(&config, (&head, client), None, &store, NOW);
    assert_eq!(found.rules[3].effects, [EffectRecord::Undone(Undone::NoSession)]);
}

#[test]
fn expressions_read_what_the_request_came_with() {
    let (config, store, headers, session) = (config(), store(), HeaderMap::new(), record());
    let filters = Filters::new(&config, Tables::default(), &store).expect("room");
    let client = "192.0.2.1".parse().expect("an address");
    let holds = |text: &str, session: Option<&Record>| {
        let expr = config.condition(text, Phase::Request).unwrap_or_else(|report| panic!("{report}"));
        let head = Head { session, ..Head::plain("GET", "a.example", "/", &headers, client) };
        let context = filters.context(&head, None, Vec::new(), (&store, NOW));
        Program::compile(&expr).holds(&context)
    };
    for (text, with, without) in [
        ("session.valid", true, false),
        ("session.fresh", true, false),
        ("!session.valid", false, true),
        ("session.id == \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", true, false),
        ("session.id != \"\"", true, false),
        ("session.age == duration(\"90s\")", true, false),
        ("session[\"user\"] == \"ann\"", true, false),
        ("session[\"user\"].startsWith(\"a\")", true, false),
        ("session[\"user\"] in [\"ann\", \"bob\"]", true, false),
        ("session[\"user\"] != \"ann\"", false, false),
        ("has(session[\"user\"])", true, false),
        ("!has(session[\"user\"])", false, true),
        ("has(session[\"staff\"])", false, false),
        ("session[?\"user\"].orValue(\"nobody\") == \"nobody\"", false, true),
        ("session[\"age\"] + 1 == 43", true, false),
        ("session[\"age\"] in [41, 42]", true, false),
        ("!session[\"staff\"]", false, false),
        ("session.count(\"clicks\") == 3", true, false),
        ("session.count(\"clicks\") < 5", true, false),
    ] {
        assert_eq!((holds(text, Some(&session)), holds(text, None)), (with, without), "{text}");
    }
    let stale = Record { is_fresh: false, ..record() };
    assert!(!holds("session.fresh", Some(&stale)) && holds("session.valid", Some(&stale)));
}

/// What rules revoke by name is in force when the decision is made, and what is absent or empty is nobody's name.
#[test]
fn rules_revoke_by_name() {
    let text = "[listen]\nhttp = [\"0.0.0.0:1\"]\n[origin.app]\nservers = [\"a:1\"]\n[site.\"*\"]\norigin = \"app\"\n[session.web]\nkeys = [\"a\"]\nattributes = { user = \"string\", age = \"int\" }\nuser = \"user\"\ntenant = \"age\"\n[[rule]]\nname = \"all\"\ndo = { revoke = { user = 'session[\"user\"]' } }\n[[rule]]\nname = \"tenant\"\ndo = { revoke = { tenant = 'session[\"age\"]' } }\n[[rule]]\nname = \"empty\"\ndo = { revoke = { user = '\"\"' } }\n";
    let read = |_: &std::path::Path| Ok(text.to_owned());
    let config = selvedge_conf::load("a.toml".as_ref(), &read, &|_| Ok(Vec::new()), &|_| None)
        .unwrap_or_else(|report| panic!("{report}"));
    let (store, headers, session) = (store(), HeaderMap::new(), record());
    let filters = Filters::new(&config, Tables::default(), &store).expect("room");
    let client = "192.0.2.1".parse().expect("an address");
    let plain = Head::plain("GET", "a.example", "/", &headers, client);
    let head = Head { session: Some(&session), ..plain };
    let found = filters.explain(&config, (&head, client), None, &store, NOW);
    let effects: Vec<_> = found.rules.iter().flat_map(|rule| rule.effects.clone()).collect();
    let done = |name: &str| EffectRecord::Done(Some(name.to_owned()));
    assert_eq!(effects, [done("ann"), done("42"), EffectRecord::Undone(Undone::Absent)]);
    let is = |what, name| revoked(&store, (what, "web", name), NOW.minus(1)).is_some();
    assert!(!is(Named::User, "ann"), "it was only looked at");
    let decision = filters.decide(&plain, &store, NOW);
    assert_eq!(decision.undone.len(), 3, "nobody is there");
    let decision = filters.decide(&head, &store, NOW);
    assert_eq!(decision.changes.session.named, [Named::User, Named::Tenant]);
    assert!(is(Named::User, "ann") && is(Named::Tenant, "42") && !is(Named::User, "42") && !is(Named::User, ""));
}
