//! Sessions that are over with all that their user or their tenant has: which ones, from when on, and that they stay so.

use proptest::prelude::*;
use selvedge_conf::{Named, Realm};
use selvedge_filters::revocation::revoke;
use selvedge_filters::session::{Change, Orders, Over, Shape, Standing, Value};
use selvedge_state::{Actor, PopId, Store, Time};

use crate::session_visit::{Client, NOW, SECRET, changes, set, shape_of, start, store, string};

const USER: Standing = Standing::Revoked(Over::User);

/// Sessions of users, each of a tenant that is a number.
fn shape() -> Shape {
    shape_of("user = \"user\"\ntenant = \"age\"\nrealm = \"shop\"", &[SECRET])
}

fn realm() -> Realm {
    let longest = Some(std::time::Duration::from_secs(3600));
    Realm { name: "shop".to_owned(), names: vec![Named::User, Named::Tenant], longest }
}

fn login(user: &str) -> Orders {
    Orders { start: true, rotate: true, changes: vec![set("user", string(user))], ..Orders::default() }
}

fn rotate() -> Orders {
    Orders { rotate: true, ..Orders::default() }
}

fn over(over: Over) -> Orders {
    Orders { revoke: Some(over), ..Orders::default() }
}

/// A client that has logged in.
fn logged_in(user: &str, shape: &Shape, store: &Store, now: Time) -> Client {
    let mut client = Client::default();
    client.ask(shape, store, &login(user), now);
    client
}

#[test]
fn a_user_is_revoked_with_all_sessions_and_nobody_else() {
    let (shape, store) = (shape(), store(1));
    let [mut one, mut two, mut bob] =
        [("ann", 0), ("ann", 1), ("bob", 2)].map(|(user, after)| logged_in(user, &shape, &store, NOW.plus(after)));
    let mut nobody = Client::default();
    nobody.ask(&shape, &store, &start(), NOW.plus(3));
    let (visitor, obeyed, given) = one.ask(&shape, &store, &over(Over::User), NOW.plus(10));
    assert_eq!((obeyed.revoked, given, visitor.record()), (Some(Over::User), true, None));
    assert_eq!(one.0, "__Host-web=", "it is given back");
    let look = |client: &mut Client, after| client.look(&shape, &store, NOW.plus(after)).0;
    assert_eq!(
        [look(&mut two, 11), look(&mut bob, 11), look(&mut nobody, 11)],
        [USER, Standing::Fresh, Standing::Fresh]
    );
    assert_eq!(USER.as_str(), "revoked_user");
    // Who logs in again is let in, at once.
    for (after, client) in [(11, &mut one), (12, &mut two)] {
        client.ask(&shape, &store, &login("ann"), NOW.plus(after));
        assert_eq!(look(client, after + 1), Standing::Fresh);
    }
    let (_, obeyed, given) = nobody.ask(&shape, &store, &over(Over::User), NOW.plus(20));
    assert_eq!((obeyed.revoked, given), (None, false), "it is nobody's");
}

#[test]
fn a_tenant_is_revoked_with_all_its_users() {
    let (shape, store) = (shape(), store(1));
    let of = |tenant, user, after| {
        let mut client = logged_in(user, &shape, &store, NOW.plus(after));
        client.ask(&shape, &store, &changes(vec![set("age", Value::Int(tenant))]), NOW.plus(after + 1));
        client
    };
    let [mut ann, mut bob, mut cat] = [of(7, "ann", 0), of(7, "bob", 10), of(8, "cat", 20)];
    revoke(&store, (Named::Tenant, &realm(), "7"), None, NOW.plus(30));
    let standings = [&mut ann, &mut bob, &mut cat].map(|client| client.look(&shape, &store, NOW.plus(31)).0.as_str());
    assert_eq!(standings, ["revoked_tenant", "revoked_tenant", "fresh"]);
}

/// All of a user's sessions are over but the one that goes on by a login: a password was changed.
#[test]
fn one_may_go_on_by_a_login() {
    let (shape, store) = (shape(), store(1));
    let [mut here, mut there] = [0, 1].map(|after| logged_in("ann", &shape, &store, NOW.plus(after)));
    let mut before = here.clone();
    let orders = Orders { revoke: Some(Over::User), start: false, ..login("ann") };
    let (visitor, obeyed, _) = here.ask(&shape, &store, &orders, NOW.plus(10));
    assert!(visitor.record().is_some() && obeyed.rotated && obeyed.revoked == Some(Over::User));
    let look = |client: &mut Client| client.look(&shape, &store, NOW.plus(11)).0;
    assert_eq!([look(&mut here), look(&mut there)], [Standing::Fresh, USER]);
    assert_eq!(look(&mut before), Standing::Revoked(Over::Session));
}

/// A rotation that is no login neither makes it another's nor lets it last longer.
#[test]
fn a_rotation_alone_is_no_login() {
    let (shape, here, elsewhere) = (shape(), store(1), store(2));
    let mut client = logged_in("ann", &shape, &elsewhere, NOW);
    revoke(&here, (Named::User, &realm(), "ann"), None, NOW.plus(10));
    // Where nothing is known of it, it goes on.
    let (visitor, obeyed, _) = client.ask(&shape, &elsewhere, &rotate(), NOW.plus(60_000));
    assert!(obeyed.rotated && visitor.record().is_some());
    let key = visitor.key().expect("a key");
    let told = elsewhere.export_session(key, NOW.plus(60_001)).expect("a session");
    assert_eq!(here.take_session(key, Actor { pop: PopId(2), node: 0 }, &told, NOW.plus(60_001)), Ok(true));
    assert_eq!(client.look(&shape, &here, NOW.plus(60_002)).0, USER);
    // It ends when the login ends, and no rotation is the start of another hour.
    assert_eq!(client.look(&shape, &elsewhere, NOW.plus(500_000)).0, Standing::Fresh);
    for after in (600_000..3_600_000).step_by(300_000) {
        client.ask(&shape, &elsewhere, &rotate(), NOW.plus(after));
    }
    assert_eq!(client.look(&shape, &elsewhere, NOW.plus(3_599_000)).0, Standing::Fresh);
    assert_eq!(client.look(&shape, &elsewhere, NOW.plus(3_600_000)).0.as_str(), "expired");
}

/// Where nothing says whose a session is, each rotation is taken for a login.
#[test]
fn a_rotation_of_nobodys_session_has_its_whole_time() {
    let (shape, store, mut client) = (shape_of("", &[SECRET]), store(1), Client::default());
    client.ask(&shape, &store, &start(), NOW);
    client.ask(&shape, &store, &rotate(), NOW.plus(500_000));
    for after in (600_000..4_000_000).step_by(300_000) {
        assert_eq!(client.look(&shape, &store, NOW.plus(after)).0, Standing::Fresh);
    }
}

/// A session that becomes somebody's without a login counts from its own, which was before that one was revoked.
#[test]
fn who_it_becomes_may_be_the_end_of_it() {
    let (shape, store, mut client) = (shape(), store(1), Client::default());
    client.ask(&shape, &store, &start(), NOW);
    revoke(&store, (Named::User, &realm(), "ann"), None, NOW.plus(5000));
    let (visitor, _, given) = client.ask(&shape, &store, &changes(vec![set("user", string("ann"))]), NOW.plus(60_000));
    assert!(visitor.record().is_none() && given);
    assert_eq!(client.0, "__Host-web=");
}

#[test]
fn an_origin_says_whose_all_are_over() {
    let shape = shape();
    let heard = |value: &'static str| {
        let mut headers = http::HeaderMap::new();
        headers.insert("selvedge-session-revoke", http::HeaderValue::from_static(value));
        headers.insert("selvedge-session-rotate", http::HeaderValue::from_static("true"));
        selvedge_filters::session::said(&shape, &headers)
    };
    for (value, whose) in [("user", Over::User), ("tenant", Over::Tenant)] {
        assert_eq!(heard(value), Ok(Orders { revoke: Some(whose), rotate: true, ..Orders::default() }));
    }
    assert!(heard("true").is_err() && heard("user, tenant").is_err());
}

#[derive(Debug, Clone)]
enum Step {
    Login(usize, usize),
    Rotate(usize),
    Write(usize, i64),
    Count(usize),
    Revoke(usize),
    LogoutEverywhere(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (client, user) = (|| 0_usize..4, || 0_usize..2);
    prop_oneof![
        (client(), user()).prop_map(|(client, user)| Step::Login(client, user)),
        client().prop_map(Step::Rotate),
        (client(), 0_i64..3).prop_map(|(client, tenant)| Step::Write(client, tenant)),
        client().prop_map(Step::Count),
        user().prop_map(Step::Revoke),
        client().prop_map(Step::LogoutEverywhere),
    ]
}

proptest! {
    /// At nodes that have heard of it, with clocks as far apart as those may be that write one session (half a second): who logged in before a user was revoked
    /// is never let in again, whatever is written or rotated, and who logged in afterwards is.
    #[test]
    fn who_is_revoked_stays_so(steps in prop::collection::vec((step(), -180_i64..=180), 1..60)) {
        let (shape, store) = (shape(), store(1));
        let mut clients = [const { Client(String::new()) }; 4];
        // As whom each is logged in by now, if they are.
        let mut model: [Option<usize>; 4] = [None; 4];
        for (at, (step, skew)) in steps.into_iter().enumerate() {
            // No two steps at one instant: of that tests make the ids of sessions.
            let now = Time((NOW.0 + 5 * at as u64).saturating_add_signed(skew) / 64 * 64 + at as u64);
            let mut ask = |client: usize, orders: &Orders| clients[client].ask(&shape, &store, orders, now);
            match step {
                Step::Login(client, user) => {
                    ask(client, &login(["ann", "bob"][user]));
                    model[client] = Some(user);
                }
                Step::Rotate(client) => drop(ask(client, &rotate())),
                Step::Write(client, tenant) => drop(ask(client, &changes(vec![set("age", Value::Int(tenant))]))),
                Step::Count(client) => drop(ask(client, &changes(vec![Change::Count("clicks".into(), 1)]))),
                Step::Revoke(user) => {
                    revoke(&store, (Named::User, &realm(), ["ann", "bob"][user]), None, now);
                    model.iter_mut().filter(|whose| **whose == Some(user)).for_each(|whose| *whose = None);
                }
                Step::LogoutEverywhere(client) => {
                    ask(client, &over(Over::User));
                    if let Some(user) = model[client] {
                        model.iter_mut().filter(|whose| **whose == Some(user)).for_each(|whose| *whose = None);
                    }
                }
            }
            for (client, whose) in clients.iter_mut().zip(model) {
                let record = client.look(&shape, &store, now).1;
                let user = record.as_ref().and_then(|record| record.attribute("user")).cloned();
                prop_assert_eq!(user, whose.map(|user| string(["ann", "bob"][user])), "step {}", at);
            }
        }
    }
}
