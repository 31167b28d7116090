//! Sessions: what is written, and what stands for it when it is not.

use std::path::PathBuf;
use std::time::Duration;

use selvedge_conf::expr::{Kind, Type};
use selvedge_conf::{Config, Cookie, Effect, Named, Revoke, SameSite, Session, SessionAction};

use crate::support::{load, load_files};

const BASE: &str = "[listen]\nhttp = [\"0.0.0.0:1\"]\n[origin.app]\nservers = [\"a:1\"]\n[site.\"a.example\"]\norigin = \"app\"\n[site.\"b.example\"]\norigin = \"app\"\n";

#[track_caller]
fn with(rest: &str) -> Config {
    load(&format!("{BASE}{rest}")).unwrap_or_else(|report| panic!("{report}"))
}

#[track_caller]
fn session(keys: &str) -> Session {
    with(&format!("[session.web]\nkeys = [\"a.key\"]\n{keys}\n")).sessions.remove(0)
}

fn cookie(keys: &str) -> Cookie {
    session(keys).cookie
}

#[test]
fn defaults() {
    let session = session("");
    assert_eq!((session.name.as_str(), session.keys), ("web", vec![PathBuf::from("a.key")]));
    let cookie = Cookie { name: "__Host-web".to_owned(), domain: None, same_site: SameSite::Lax, secure: true };
    assert_eq!((session.cookie, session.per_site, session.sites.len()), (cookie, false, 0));
    assert_eq!([session.idle, session.absolute, session.seen_every], [1800, 43_200, 60].map(Duration::from_secs));
    assert_eq!((session.wait, session.value_max), (Duration::from_millis(20), 256));
    assert_eq!(session.fetch, Duration::from_millis(250));
    assert_eq!((session.user, session.tenant, session.realm.as_str()), (None, None, "web"));
    assert!(session.attributes.is_empty() && session.counters.is_empty() && session.headers.is_empty());
}

#[test]
fn every_key() {
    let keys = concat!(
        "domain = \"Example.com\"\nsame_site = \"none\"\nper_site = true\nidle = \"1h\"\nabsolute = \"30d\"\n",
        "seen_every = \"10s\"\nattributes = { user = \"string\", age = \"int\", staff = \"bool\" }\ncounters = [\"clicks\"]\n",
        "value_max = \"1KiB\"\nheaders = [\"age\", \"user\"]\nsites = [\"b.example\"]\nwait = \"0ms\"\nfetch = \"5s\"\n",
        "user = \"age\"\ntenant = \"user\"\nrealm = \"shop\"\n",
    );
    let session = session(keys);
    let Cookie { name, domain, same_site, .. } = session.cookie;
    assert_eq!((name.as_str(), domain.as_deref(), same_site), ("__Secure-web", Some("example.com"), SameSite::None));
    let attributes = [("user", Type::String), ("age", Type::Int), ("staff", Type::Bool)];
    assert_eq!(session.attributes, attributes.map(|(name, ty)| (name.to_owned(), ty)));
    assert_eq!((session.headers, session.counters), (vec![1, 0], vec!["clicks".to_owned()]));
    assert_eq!([session.idle, session.absolute, session.seen_every], [3600, 2_592_000, 10].map(Duration::from_secs));
    assert_eq!((session.value_max, session.sites, session.per_site), (1024, vec![1], true));
    assert_eq!((session.user, session.tenant, session.realm.as_str()), (Some(1), Some(0), "shop"));
    assert_eq!((session.wait, session.fetch), (Duration::ZERO, Duration::from_secs(5)));
}

/// What is short makes what stands for the others short as well.
#[test]
fn times_fit_one_another() {
    let times = |keys| {
        let session = session(keys);
        [session.idle, session.absolute, session.seen_every].map(|time| time.as_secs())
    };
    assert_eq!(times("absolute = \"10m\""), [600, 600, 60]);
    assert_eq!(times("idle = \"20s\""), [20, 43_200, 5]);
}

#[test]
fn a_cookies_name_says_what_it_is() {
    assert_eq!(cookie("secure = false").name, "web");
    assert_eq!(cookie("secure = false\ndomain = \"example.com\"").name, "web");
    assert_eq!(cookie("cookie = \"sid\"").name, "sid");
    assert!(session("secure = false").note().is_some_and(|note| note.contains("plain HTTP")));
    assert!(session("").note().is_none());
}

#[test]
fn keys_are_files_whose_paths_may_name_the_environment() {
    let file = format!("{BASE}[session.web]\nkeys = [\"${{KEYS}}/a.key\", \"b.key\"]\n");
    let config =
        load_files(&[("edge.toml", &file)], &[("KEYS", "/run/keys")]).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(config.sessions[0].keys, [PathBuf::from("/run/keys/a.key"), PathBuf::from("b.key")]);
}

#[test]
fn a_rule_says_what_becomes_of_it() {
    let config = with(concat!(
        "[session.web]\nkeys = [\"a.key\"]\nattributes = { user = \"string\", age = \"int\" }\ncounters = [\"clicks\"]\n",
        "[[rule]]\nname = \"login\"\nphase = \"response\"\nwhen = 'session.age > duration(\"1s\") && session[?\"user\"].orValue(\"\") == \"\"'\n",
        "do = { tag = \"in\", session = { rotate = true, set = { user = 'request.form(\"user\")', age = '7' }, unset = [\"age\"], count = [\"clicks\"] } }\n",
        "[[rule]]\nname = \"logout\"\ndo = { session = { revoke = true } }\n",
    ));
    let [Effect::Session(login), Effect::Tag(_)] = &config.rules[0].effects[..] else {
        panic!("{:?}", config.rules[0])
    };
    assert_eq!((login.start, login.rotate, login.revoke), (false, true, false));
    assert_eq!(
        login.set.iter().map(|(name, value)| (name.as_str(), &value.ty)).collect::<Vec<_>>(),
        [("user", &Type::String), ("age", &Type::Int)]
    );
    assert_eq!(login.set[1].1.kind, Kind::Int(7));
    assert_eq!((&login.unset[..], &login.count[..]), (&["age".to_owned()][..], &["clicks".to_owned()][..]));
    let logout = SessionAction { revoke: true, ..SessionAction::default() };
    assert_eq!(config.rules[1].effects, [Effect::Session(logout)]);
}

/// What is for all sites is good where each of them has a session with what is read of it.
#[test]
fn all_sites_may_have_different_sessions() {
    let two = |other: &str| {
        load(&format!(
            "{BASE}[session.one]\nkeys = [\"a\"]\nattributes = {{ user = \"string\" }}\nsites = [\"a.example\"]\n[session.two]\nkeys = [\"a\"]\n{other}\nsites = [\"b.example\"]\n[[limit]]\nname = \"l\"\nkey = ['session[\"user\"]']\nrate = \"1/1s\"\n[[rule]]\nname = \"r\"\nwhen = 'session[\"user\"] == \"a\"'\ndo = {{ deny = 403 }}\n"
        ))
    };
    assert!(two("attributes = { user = \"string\" }").is_ok());
    let report = two("").expect_err("a report");
    assert_eq!(report.problems().len(), 2, "{report}");
    assert!(report.problems().iter().all(|problem| problem.message == "the session `two` has no attribute `user`"));
}

/// What has names in each realm, and how long anything of it goes on.
#[test]
fn realms_are_what_sections_share() {
    let session = |name: &str, site: &str, more: &str| {
        format!("[session.{name}]\nkeys = [\"a.key\"]\nsites = [\"{site}\"]\n{more}\n")
    };
    let users = "attributes = { user = \"string\", org = \"int\" }\nuser = \"user\"";
    let jwt = "[jwt.id]\nkeys = \"a.json\"\nalgorithms = [\"ES256\"]\n";
    let of = |text: &str| {
        let realms = with(text).realms.into_iter();
        realms.map(|realm| (realm.name, realm.names, realm.longest.map(|time| time.as_secs()))).collect::<Vec<_>>()
    };
    let named = |name: &str, names: &[Named], longest| (name.to_owned(), names.to_vec(), longest);
    assert_eq!(of(""), []);
    let plain = session("web", "a.example", "");
    assert_eq!(of(&plain), [named("web", &[], Some(43_200))]);
    let shared = session("shop", "b.example", &format!("{users}\nrealm = \"web\"\nabsolute = \"1d\""));
    assert_eq!(of(&format!("{plain}{shared}")), [named("web", &[Named::User], Some(86_400))]);
    let all = [Named::User, Named::Tenant, Named::Token];
    let tenants = session("shop", "b.example", &format!("{users}\ntenant = \"org\"\nrealm = \"id\""));
    let expected = [named("web", &[], Some(43_200)), named("id", &all, None)];
    assert_eq!(of(&format!("{plain}{tenants}{jwt}")), expected);
    assert_eq!(of(jwt), [named("id", &[Named::User, Named::Token], None)]);
    assert_eq!(of(&format!("{jwt}tenant = \"org\"\nrealm = \"web\"\n")), [named("web", &all, None)]);
}

#[test]
fn a_rule_revokes_by_name() {
    let users = "[session.web]\nkeys = [\"a.key\"]\nattributes = { user = \"string\", org = \"int\" }\nuser = \"user\"\ntenant = \"org\"\n";
    let jwt = "[jwt.id]\nkeys = \"a.json\"\nalgorithms = [\"ES256\"]\n";
    let effect = |sections: &str, revoke: &str| {
        let config = with(&format!("{sections}[[rule]]\nname = \"r\"\ndo = {{ revoke = {{ {revoke} }} }}\n"));
        let [Effect::Revoke(revoke)] = &config.rules[0].effects[..] else { panic!("{:?}", config.rules[0]) };
        match revoke {
            Revoke::Named { what, realm, name } => {
                format!("{} {} {}", what.as_str(), config.realms[*realm].name, name.ty)
            }
            Revoke::Token(issuer) => format!("token {}", config.jwts[*issuer].name),
        }
    };
    assert_eq!(effect(users, "user = 'session[\"user\"]'"), "user web string", "the only realm");
    let both = format!("{users}{jwt}");
    assert_eq!(effect(&both, "tenant = 'session[\"org\"]', realm = \"web\""), "tenant web int");
    assert_eq!(effect(&both, "user = 'request.query[\"who\"]', realm = \"id\""), "user id string");
    assert_eq!(effect(&both, "token = \"id\""), "token id");
}
