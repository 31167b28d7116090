//! A request and its session, from the cookie that comes to the cookie that goes; at one node, and at several that hear each other or do not.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use selvedge_conf::Config;
use selvedge_filters::session::{
    BadWord, Change, Keys, Obeyed, Orders, Over, Record, Shape, Standing, Value, Visitor, said, told,
};
use selvedge_state::{Actor, Incarnation, PopId, Store, StoreConfig, Time};

pub(crate) const NOW: Time = Time(1_800_000_000_000);
pub(crate) const SECRET: [u8; 32] = [7; 32];

/// One kind of sessions with these keys besides.
fn config(more: &str) -> Config {
    let text = format!(
        "[listen]\nhttp = [\"0.0.0.0:1\"]\n[session.web]\nkeys = [\"a\"]\nattributes = {{ user = \"string\", age = \"int\", is_staff = \"bool\" }}\ncounters = [\"clicks\"]\nheaders = [\"user\", \"is_staff\"]\nidle = \"10m\"\nabsolute = \"1h\"\nseen_every = \"1m\"\n{more}\n"
    );
    let read = |_: &std::path::Path| Ok(text.clone());
    selvedge_conf::load("a.toml".as_ref(), &read, &|_| Ok(Vec::new()), &|_| None)
        .unwrap_or_else(|report| panic!("{report}"))
}

pub(crate) fn shape_of(more: &str, secrets: &[[u8; 32]]) -> Shape {
    let config = config(more);
    Shape::new(&config.sessions[0], &config.realms[0], Arc::new(Keys::new("web", secrets).expect("keys")))
}

fn shape() -> Shape {
    shape_of("", &[SECRET])
}

pub(crate) fn store(pop: u16) -> Store {
    Store::new(StoreConfig {
        me: Actor { pop: PopId(pop), node: 0 },
        incarnation: Incarnation(NOW.0 << 16 | 1),
        cluster: "test".to_owned(),
        secret: [3; 16],
        secret_beside: None,
        salt: 0,
        keys_max: 10,
        bans_max: 10,
        roster: 2,
    })
}

/// A client with the cookie that it was given last.
#[derive(Clone, Default)]
pub(crate) struct Client(pub(crate) String);

impl Client {
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !self.0.is_empty() {
            headers.insert("cookie", HeaderValue::from_str(&format!("x=y; {}", self.0)).expect("a value"));
        }
        headers
    }

    /// One request, of which this is ordered; what it saw when it came, and whether it was given a cookie.
    pub(crate) fn ask(&mut self, shape: &Shape, store: &Store, orders: &Orders, now: Time) -> (Visitor, Obeyed, bool) {
        let mut visitor = Visitor::meet(shape, &self.headers(), "a.example", store, now);
        let id = std::array::from_fn(|nth| (now.0 >> (nth % 8 * 8)) as u8 ^ nth as u8);
        let obeyed = visitor.obey(shape, orders, id, (store, now)).expect("room");
        let cookie = visitor.cookie(shape, "a.example", store, now);
        let given = cookie.is_some();
        if let Some(cookie) = cookie {
            self.0 = cookie.split(';').next().unwrap_or("").to_owned();
        }
        (visitor, obeyed, given)
    }

    pub(crate) fn look(&mut self, shape: &Shape, store: &Store, now: Time) -> (Standing, Option<Record>, bool) {
        let visitor = Visitor::meet(shape, &self.headers(), "a.example", store, now);
        let (standing, record) = (visitor.standing(), visitor.record().cloned());
        let (_, _, given) = self.ask(shape, store, &Orders::default(), now);
        (standing, record, given)
    }
}

pub(crate) fn set(name: &str, value: Value) -> Change {
    Change::Set(name.into(), value)
}

pub(crate) fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

pub(crate) fn start() -> Orders {
    Orders { start: true, ..Orders::default() }
}

pub(crate) fn changes(changes: Vec<Change>) -> Orders {
    Orders { changes, ..Orders::default() }
}

#[test]
fn a_session_begins_holds_and_ends() {
    let (shape, store, mut client) = (shape(), store(1), Client::default());
    let nothing = client.ask(&shape, &store, &changes(vec![set("user", string("ann"))]), NOW);
    assert_eq!((nothing.0.standing(), nothing.1, nothing.2), (Standing::Absent, Obeyed::default(), false));
    let (visitor, obeyed, given) = client.ask(&shape, &store, &start(), NOW);
    assert!(obeyed == Obeyed { started: true, ..Obeyed::default() } && given && visitor.record().is_some());
    let write =
        changes(vec![set("user", string("ann")), set("age", Value::Int(-7)), Change::Count("clicks".into(), 2)]);
    assert!(client.ask(&shape, &store, &write, NOW.plus(1000)).2, "it has written something");
    let (standing, record, given) = client.look(&shape, &store, NOW.plus(2000));
    let record = record.expect("a record");
    assert_eq!((standing, record.is_fresh, record.started, given), (Standing::Fresh, true, NOW, false));
    assert_eq!((record.attribute("user"), record.attribute("age")), (Some(&string("ann")), Some(&Value::Int(-7))));
    assert_eq!((record.attribute("is_staff"), record.count("clicks")), (None, 2));
    client.ask(&shape, &store, &changes(vec![Change::Unset("user".into())]), NOW.plus(3000));
    assert_eq!(client.look(&shape, &store, NOW.plus(4000)).1.expect("a record").attribute("user"), None);
    // Used now and then it is not idle, and ends nevertheless.
    let mut now = NOW;
    while now < NOW.plus(3_599_000) {
        assert_eq!(client.look(&shape, &store, now.max(NOW.plus(5000))).0, Standing::Fresh, "{now}");
        now = now.plus(300_000);
    }
    let expired = Standing::Invalid(selvedge_filters::session::Invalid::Expired);
    assert_eq!(client.look(&shape, &store, NOW.plus(3_600_000)).0, expired);
}

#[test]
fn who_is_away_for_long_has_none_any_more() {
    let (shape, store, mut client) = (shape(), store(1), Client::default());
    client.ask(&shape, &store, &start(), NOW);
    let mut other = client.clone();
    assert_eq!(other.look(&shape, &store, NOW.plus(600_000)).0, Standing::Fresh, "at least so long");
    // The cookie that it had before says so too, since the record knows better.
    assert_eq!(client.look(&shape, &store, NOW.plus(1_000_000)).0, Standing::Fresh);
    assert_eq!(client.look(&shape, &store, NOW.plus(2_000_000)).0, Standing::Idle);
    assert_eq!(other.look(&shape, &self::store(2), NOW.plus(2_000_000)).0, Standing::Idle, "by its cookie alone");
}

/// A cookie goes out when there is something to say, and once an interval, not with each response.
#[test]
fn a_cookie_is_given_when_there_is_news() {
    let (shape, store, mut client) = (shape(), store(1), Client::default());
    client.ask(&shape, &store, &start(), NOW);
    for (after, given) in [(1, false), (59_000, false), (60_000, true), (61_000, false), (121_000, true)] {
        assert_eq!(client.look(&shape, &store, NOW.plus(after)).2, given, "{after}");
    }
    let changed = shape_of("", &[[9; 32], SECRET]);
    assert!(client.look(&changed, &store, NOW.plus(122_000)).2, "signed by another key");
    assert!(!client.look(&changed, &store, NOW.plus(123_000)).2);
    assert_eq!(client.look(&shape, &store, NOW.plus(124_000)).0.as_str(), "key");
}

#[test]
fn a_rotated_session_goes_on_under_another_id() {
    let (shape, store, mut client) = (shape(), store(1), Client::default());
    client.ask(&shape, &store, &start(), NOW);
    client.ask(
        &shape,
        &store,
        &changes(vec![set("age", Value::Int(4)), Change::Count("clicks".into(), 3)]),
        NOW.plus(1),
    );
    let mut before = client.clone();
    let rotate = Orders { rotate: true, changes: vec![set("user", string("ann"))], ..Orders::default() };
    let (visitor, obeyed, given) = client.ask(&shape, &store, &rotate, NOW.plus(1000));
    assert!(obeyed.rotated && given);
    let record = visitor.record().expect("a record");
    assert_eq!((record.attribute("user"), record.attribute("age")), (Some(&string("ann")), Some(&Value::Int(4))));
    assert_eq!((record.count("clicks"), record.started), (3, NOW.plus(1000)));
    assert_eq!(client.look(&shape, &store, NOW.plus(2000)).1.as_ref(), Some(record));
    let (standing, record, _) = before.look(&shape, &store, NOW.plus(2000));
    assert_eq!((standing, record), (Standing::Revoked(Over::Session), None));
}

#[test]
fn a_revoked_session_is_over_wherever_it_is_shown() {
    let (shape, store, mut client) = (shape(), store(1), Client::default());
    client.ask(&shape, &store, &start(), NOW);
    let mut copy = client.clone();
    let revoke = Orders { revoke: Some(Over::Session), ..Orders::default() };
    let (visitor, obeyed, given) = client.ask(&shape, &store, &revoke, NOW.plus(1000));
    assert!(obeyed.revoked == Some(Over::Session) && given && visitor.record().is_none());
    assert_eq!(client.0, "__Host-web=");
    for after in [1001, 60_000, 3_599_000] {
        let (standing, record, _) = copy.look(&shape, &store, NOW.plus(after));
        assert_eq!((standing, record), (Standing::Revoked(Over::Session), None));
    }
    // And begins no other one, unless somebody says so.
    let both = Orders { revoke: Some(Over::Session), start: true, ..Orders::default() };
    client.ask(&shape, &store, &start(), NOW.plus(5000));
    let (_, obeyed, _) = client.ask(&shape, &store, &both, NOW.plus(6000));
    assert_eq!((obeyed.revoked, obeyed.started), (Some(Over::Session), true));
    assert_eq!(client.look(&shape, &store, NOW.plus(7000)).0, Standing::Fresh);
}

/// What one node has not heard of yet, it does not pass off as nothing.
#[test]
fn a_node_that_is_behind_says_so() {
    let (shape, one, two, mut client) = (shape(), store(1), store(2), Client::default());
    client.ask(&shape, &one, &start(), NOW);
    client.ask(&shape, &one, &changes(vec![set("user", string("ann"))]), NOW.plus(1));
    let mut visitor = Visitor::meet(&shape, &client.headers(), "a.example", &two, NOW.plus(2));
    assert_eq!(visitor.standing(), Standing::Behind);
    assert_eq!(visitor.missing().iter().map(|author| author.actor.pop).collect::<Vec<_>>(), [PopId(1)]);
    assert!(visitor.record().is_some_and(|record| !record.is_fresh && record.attributes.is_empty()));
    let key = visitor.key().expect("a key");
    let told = one.export_session(key, NOW.plus(3)).expect("a session");
    assert_eq!(two.take_session(key, Actor { pop: PopId(1), node: 0 }, &told, NOW.plus(3)), Ok(true));
    visitor.look(&shape, &two, NOW.plus(3));
    assert_eq!((visitor.standing(), visitor.missing().len()), (Standing::Fresh, 0));
    assert_eq!(visitor.record().and_then(|record| record.attribute("user")), Some(&string("ann")));
}

#[test]
fn a_cookie_of_one_site_is_none_of_another_where_that_is_asked_for() {
    let (shape, store) = (shape_of("per_site = true", &[SECRET]), store(1));
    let mut client = Client::default();
    client.ask(&shape, &store, &start(), NOW);
    let other = Visitor::meet(&shape, &client.headers(), "b.example", &store, NOW.plus(1));
    assert_eq!(other.standing().as_str(), "forged");
    assert_eq!(client.look(&shape, &store, NOW.plus(1)).0, Standing::Fresh);
}

#[test]
fn a_cookie_has_what_the_config_says() {
    let cookie = |more: &str| {
        let (shape, store) = (shape_of(more, &[SECRET]), store(1));
        let mut visitor = Visitor::meet(&shape, &HeaderMap::new(), "a.example", &store, NOW);
        visitor.obey(&shape, &start(), [0; 16], (&store, NOW)).expect("room");
        let text = visitor.cookie(&shape, "a.example", &store, NOW).expect("a cookie");
        let (name, rest) = text.split_once('=').expect("a pair");
        (name.to_owned(), rest.split_once(';').expect("attributes").1.to_owned())
    };
    let usual = " Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax";
    assert_eq!(cookie(""), ("__Host-web".to_owned(), usual.to_owned()));
    let wide = " Path=/; Domain=example.com; Max-Age=3600; Secure; HttpOnly; SameSite=Strict";
    assert_eq!(
        cookie("domain = \"example.com\"\nsame_site = \"strict\""),
        ("__Secure-web".to_owned(), wide.to_owned())
    );
    let bare = " Path=/; Max-Age=3600; HttpOnly; SameSite=Lax";
    assert_eq!(cookie("secure = false\ncookie = \"sid\""), ("sid".to_owned(), bare.to_owned()));
}

#[test]
fn an_origin_is_told_what_the_config_names() {
    let (shape, store, mut client) = (shape(), store(1), Client::default());
    let shown = |visitor: &Visitor| {
        let fields = told(&shape, visitor.record());
        let line = |(name, value): &(HeaderName, HeaderValue)| format!("{name}: {}", value.to_str().expect("text"));
        fields.iter().map(line).filter(|line| !line.contains("-id:")).collect::<Vec<_>>()
    };
    let (visitor, ..) = client.ask(&shape, &store, &Orders::default(), NOW);
    assert_eq!(shown(&visitor), ["selvedge-session-valid: false"]);
    let all = vec![set("user", string("J\u{fc}r; a%")), set("age", Value::Int(4)), set("is_staff", Value::Bool(true))];
    let (visitor, ..) = client.ask(&shape, &store, &Orders { start: true, changes: all, ..Orders::default() }, NOW);
    assert_eq!(
        shown(&visitor),
        [
            "selvedge-session-valid: true",
            "selvedge-session-fresh: true",
            "selvedge-session-user: J%C3%BCr%3B%20a%25",
            "selvedge-session-is-staff: true"
        ]
    );
}

#[test]
fn what_an_origin_says_is_taken_as_a_whole_or_not() {
    let shape = shape();
    let heard = |lines: &[(&'static str, &str)]| {
        let mut headers = HeaderMap::new();
        headers.insert("set-cookie", HeaderValue::from_static("a=b"));
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            headers.append(HeaderName::from_static(name), value);
        }
        said(&shape, &headers)
    };
    assert_eq!(heard(&[]), Ok(Orders::default()));
    let all = heard(&[
        ("selvedge-session-start", "true"),
        ("selvedge-session-rotate", " true "),
        ("selvedge-session-set", "user=J%C3%BCr%3Bgen ; age=42;"),
        ("selvedge-session-set", "is_staff=true"),
        ("selvedge-session-unset", "age"),
        ("selvedge-session-count", "clicks; clicks"),
    ]);
    let expected = Orders {
        start: true,
        rotate: true,
        changes: vec![
            set("user", string("J\u{fc}r;gen")),
            set("is_staff", Value::Bool(true)),
            Change::Unset("age".into()),
            Change::Count("clicks".into(), 2),
        ],
        ..Orders::default()
    };
    assert_eq!(all, Ok(expected));
    let long = format!("user={}", "a".repeat(257));
    for (name, value, wrong) in [
        ("selvedge-session-stop", "true", BadWord::Field("stop".to_owned())),
        ("selvedge-session-start", "yes", BadWord::Value("start")),
        ("selvedge-session-set", "user", BadWord::Value("set")),
        ("selvedge-session-set", "usr=1", BadWord::Name("set", "usr".to_owned())),
        ("selvedge-session-set", "age=+4", BadWord::Attribute("age".to_owned())),
        ("selvedge-session-set", "is_staff=1", BadWord::Attribute("is_staff".to_owned())),
        ("selvedge-session-set", "user=%ff", BadWord::Attribute("user".to_owned())),
        ("selvedge-session-set", "user=a%0Ab", BadWord::Attribute("user".to_owned())),
        ("selvedge-session-set", &long, BadWord::Attribute("user".to_owned())),
        ("selvedge-session-unset", "clicks", BadWord::Name("unset", "clicks".to_owned())),
        ("selvedge-session-count", "user", BadWord::Name("count", "user".to_owned())),
        ("selvedge-session-revoke", "true", BadWord::Both),
        ("selvedge-session-revoke", "all", BadWord::Value("revoke")),
        ("selvedge-session-revoke", "user", BadWord::Owner("user")),
        ("selvedge-session-revoke", "tenant", BadWord::Owner("tenant")),
    ] {
        assert_eq!(heard(&[("selvedge-session-count", "clicks"), (name, value)]), Err(wrong), "{name}: {value}");
    }
    assert_eq!(
        heard(&[("selvedge-session-revoke", "true")]),
        Ok(Orders { revoke: Some(Over::Session), ..Orders::default() })
    );
}
