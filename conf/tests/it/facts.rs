//! What files mean: each section, its defaults, and the forms its values take.

use std::path::PathBuf;
use std::time::Duration;

use selvedge_conf::{
    AccessLog, Allows, Challenge, Config, Deny, DenyBody, Fabric, Headers, HostHeader, HostPattern, IdempotencyMode,
    KeyPart, Measure, Mode, OnMissing, OnPartition, Over, Penalty, Period, PurgeKind, PurgeRate, PurgeToken, Quota,
    Rate, Scheme, Scope, Server, TagScope, Tier, Unit, Width,
};

use crate::support::{load, load_files};

const BASE: &str =
    "[listen]\nhttp = [\"0.0.0.0:8080\"]\n[origin.app]\nservers = [\"a:1\"]\n[site.\"b.example\"]\norigin = \"app\"\n";

#[track_caller]
fn with(rest: &str) -> Config {
    load(&format!("{BASE}{rest}")).unwrap_or_else(|report| panic!("{report}"))
}

fn server(text: &str) -> Option<Server> {
    let file = format!("[listen]\nhttp = [\"0.0.0.0:8080\"]\n[origin.app]\nservers = ['{text}']\n");
    load(&file).ok().and_then(|config| config.origins.into_iter().next()?.servers.into_iter().next())
}

#[test]
fn a_burst_that_hides_in_its_slots_is_worth_a_note() {
    let note = |rate: &str, burst: u32| {
        let limit = format!("[[limit]]\nname = \"l\"\nkey = []\nrate = \"{rate}\"\nburst = {burst}\n");
        with(&limit).limits[0].note()
    };
    assert_eq!((note("1000/1s", 40), note("25/1m", 1)), (None, None));
    let said = note("1000/1s", 39).unwrap();
    assert!(said.contains("as many beyond its burst of 39") && said.contains("burst of 40 or more"), "{said}");
}

#[test]
fn a_key_is_an_authorised_clients_for_a_day_unless_a_policy_says_more() {
    let config = with(
        "[storage]\nstate = \"state\"\n[[idempotency]]\nname = \"plain\"\n[[idempotency]]\nname = \"pay\"\nsites = [\"b.example\"]\n\
         when = 'request.path == \"/pay\"'\nrequired = true\nkey = [\"client.net\"]\nlifetime = \"7d\"\nmode = \"available\"\n\
         body_max = \"1MiB\"\nresponse_max = \"0B\"\nnot_done = [429, 503]\n",
    );
    let [plain, pay] = &config.idempotencies[..] else { panic!("{:?}", config.idempotencies) };
    assert_eq!((plain.mode, plain.required, plain.lifetime.as_secs()), (IdempotencyMode::Strict, false, 86_400));
    assert_eq!((&plain.key[..], plain.when.is_none()), (&[KeyPart::Header("authorization".to_owned())][..], true));
    assert_eq!((plain.body_max, plain.response_max, &plain.not_done[..]), (65_536, 65_536, &[][..]));
    assert_eq!((pay.mode, pay.required, pay.lifetime.as_secs()), (IdempotencyMode::Available, true, 604_800));
    assert_eq!((&pay.key[..], pay.when.is_some(), &pay.sites[..]), (&[KeyPart::ClientNet][..], true, &[0][..]));
    assert_eq!((pay.body_max, pay.response_max, &pay.not_done[..]), (1 << 20, 0, &[429, 503][..]));
}

#[test]
fn a_challenge_has_its_defaults() {
    let of = |rest: &str| with(&format!("[challenge]\nkeys = [\"a.key\", \"b.key\"]\n{rest}")).challenge.unwrap();
    let Challenge { keys, difficulty, solve, pass, cookie, secure, .. } = of("");
    assert_eq!(keys, [PathBuf::from("a.key"), PathBuf::from("b.key")]);
    let times = |solve, pass| (Duration::from_secs(solve), Duration::from_secs(pass));
    assert_eq!((difficulty, (solve, pass)), (18, times(120, 3600)));
    assert_eq!((cookie.as_str(), secure), ("__Host-selvedge-pass", true));
    let plain = of("difficulty = 26\nsolve = \"10s\"\npass = \"7d\"\nsecure = false\n");
    assert_eq!((plain.difficulty, (plain.solve, plain.pass)), (26, times(10, 7 * 86_400)));
    assert_eq!((plain.cookie.as_str(), plain.secure), ("selvedge-pass", false));
    assert_eq!(of("").note(), None);
    assert!(plain.note().unwrap().contains("plain HTTP"));
    assert_eq!(of("cookie = \"seen\"\n").cookie, "seen");
}

#[test]
fn a_token_purges_urls_unless_it_says_more() {
    let config =
        with("[purge]\npath = \"/-/purge/\"\n[[purge.token]]\nname = \"a\"\nsecret = \"a.key\"\nrate = \"60/1m\"\n");
    let purge = config.purge.unwrap();
    assert_eq!((purge.path.as_deref(), purge.from.len()), (Some("/-/purge"), 0));
    let PurgeToken { name, secret, kinds, hosts, paths, tags, soft, rate, .. } = purge.tokens[0].clone();
    assert_eq!((name.as_str(), secret, kinds, soft), ("a", PathBuf::from("a.key"), vec![PurgeKind::Url], false));
    assert_eq!((hosts.len(), paths.len(), tags.len()), (0, 0, 0));
    let per = Duration::from_secs(60);
    assert_eq!(rate, Some(PurgeRate { rate: Rate { count: 60, per }, burst: 60 }));
    let more = "kinds = [\"tag\", \"prefix\"]\nhosts = [\"WWW.example.com\", \"b.example:8443\"]\npaths = [\"/\", \"/news/\"]\ntags = [\"a-*\", \"b\"]\nsoft = true\n";
    let config = with(&format!("[[purge.token]]\nname = \"a\"\nsecret = \"a.key\"\n{more}"));
    let PurgeToken { kinds, hosts, paths, tags, soft, rate, .. } = config.purge.unwrap().tokens[0].clone();
    assert_eq!((kinds, soft, rate), (vec![PurgeKind::Tag, PurgeKind::Prefix], true, None));
    assert_eq!(
        (hosts, paths),
        (vec!["www.example.com".to_owned(), "b.example:8443".to_owned()], vec!["/".to_owned(), "/news".to_owned()])
    );
    assert_eq!(tags, [TagScope::Beginning("a-".to_owned()), TagScope::Exact("b".to_owned())]);
}

#[test]
fn defaults() {
    let config = with("[[limit]]\nname = \"all\"\nkey = []\nrate = \"25/1m\"\n");
    assert_eq!((config.pop.name.as_str(), config.pop.region), ("local", None));
    assert_eq!(config.listen.bounds.header_timeout, Duration::from_secs(10));
    assert_eq!(config.listen.bounds.body_max, 100 * 1024 * 1024);
    assert_eq!(config.listen.bounds.connections_max, 10_000);
    assert_eq!(config.admin.socket, PathBuf::from("/run/selvedge/admin.sock"));
    assert_eq!(config.admin.log, AccessLog::Stdout);
    assert_eq!((config.storage.memory, config.storage.object_max), (256 << 20, 32 << 20));
    assert_eq!((config.storage.keys_max, config.storage.bans_max), (1_000_000, 100_000));
    assert_eq!((config.storage.uniques_max, config.storage.lists_max), (100_000, 100_000));
    assert_eq!(config.storage.ledgers_max, 100_000);
    assert_eq!(config.storage.sessions_max, 100_000);
    assert_eq!((config.storage.idempotency_keys_max, config.storage.idempotency_disk), (100_000, 1 << 30));
    assert_eq!(config.storage.revocations_max, 1_000_000);
    assert!(!config.storage.heuristic_freshness);
    let limit = &config.limits[0];
    let Measure::Rates(tiers) = &limit.measure else { panic!("{:?}", limit.measure) };
    assert_eq!(tiers, &[Tier { rate: Rate { count: 25, per: Duration::from_secs(60) }, burst: 2, width: None }]);
    assert_eq!((limit.scope, limit.mode, &limit.over), (Scope::Global, Mode::Enforce, &Over::default()));
    assert_eq!((&limit.cost, &limit.count, limit.count_denied), (&None, &None, false));
    assert_eq!((limit.on_missing, limit.headers), (OnMissing::Count, Headers { draft: true, legacy: false }));
    assert_eq!((limit.on_partition, &limit.when, &limit.penalty), (OnPartition::FairShare, &None, &None));
    assert_eq!(limit.place.to_string(), "edge.toml:7:1");
}

#[test]
fn lifetimes_are_guessed_where_that_is_asked_for() {
    assert!(with("[storage]\nheuristic_freshness = true").storage.heuristic_freshness);
    assert!(!with("[storage]\nheuristic_freshness = false").storage.heuristic_freshness);
}

#[test]
fn object_max_follows_memory() {
    assert_eq!(with("[storage]\nmemory = \"8MiB\"").storage.object_max, 1 << 20);
    assert!(load(&format!("{BASE}[storage]\nmemory = \"8MiB\"\nobject_max = \"9MiB\"")).is_err());
}

#[test]
fn servers() {
    let of = |scheme, host: &str, port| Some(Server { scheme, host: host.to_owned(), port });
    assert_eq!(server("https://App.example.net:8443"), of(Scheme::Https, "app.example.net", 8443));
    assert_eq!(server("https://h"), of(Scheme::Https, "h", 443));
    assert_eq!(server("http://h"), of(Scheme::Http, "h", 80));
    assert_eq!(server("h:8000"), of(Scheme::Http, "h", 8000));
    assert_eq!(server("[2001:db8::1]:8000"), of(Scheme::Http, "2001:db8::1", 8000));
    assert_eq!(server("https://[2001:db8::1]"), of(Scheme::Https, "2001:db8::1", 443));
    for refused in
        ["", ":80", "h:", "h:+80", "h:65536", "[::1", "[::1]80", "[10.0.0.1]:80", "a b:80", "u@h:80", "h:80/"]
    {
        assert_eq!(server(refused), None, "{refused}");
    }
}

#[test]
fn hosts() {
    let config = with("[site.\"*.Example.com\"]\norigin = \"app\"\n[site.\"*\"]\norigin = \"app\"");
    let hosts: Vec<_> = config.sites.into_iter().map(|site| (site.host, site.origin)).collect();
    assert_eq!(hosts[0], (HostPattern::Exact("b.example".to_owned()), 0));
    assert_eq!(hosts[1], (HostPattern::Suffix(".example.com".to_owned()), 0));
    assert_eq!(hosts[2], (HostPattern::Any, 0));
    for refused in ["", "*.", "a.*", "**", "*example.com", "http://a", "a:80", "a..b", "-a", "a/b"] {
        assert!(load(&format!("{BASE}[site.\"{refused}\"]\norigin = \"app\"")).is_err(), "{refused}");
    }
}

#[test]
fn order_is_the_order_of_the_file() {
    let config =
        with("[origin.z]\nservers = [\"z:1\"]\n[origin.b]\nservers = [\"b:1\"]\n[site.\"a.example\"]\norigin = \"b\"");
    let origins: Vec<_> = config.origins.iter().map(|origin| origin.name.as_str()).collect();
    assert_eq!(origins, ["app", "z", "b"]);
    assert_eq!(config.sites[1].origin, 2);
}

#[test]
fn origin_hosts() {
    let host = |text: &str| {
        let file = BASE.replace("servers =", &format!("host = \"{text}\"\nservers ="));
        load(&file).ok().map(|config| config.origins[0].host.clone())
    };
    assert_eq!(host("pass"), Some(HostHeader::Pass));
    assert_eq!(host("origin"), Some(HostHeader::Origin));
    assert_eq!(host("inner.example"), Some(HostHeader::Name("inner.example".to_owned())));
    assert_eq!(host("a b"), None);
}

#[test]
fn a_whole_limit() {
    let config = with(concat!(
        "[[limit]]\nname = \"login\"\nsites = [\"B.example\"]\nwhen = 'request.path == \"/\"'\n",
        "key = [\"client.ip\"]\nrate = \"20/1m30s\"\nburst = 7\nscope = \"pop\"\nclass = \"converge\"\n",
        "penalty = { after = 3, within = \"10m\", ban = [\"1m\", \"1d\"] }\n",
    ));
    let limit = &config.limits[0];
    assert_eq!(limit.sites, [0]);
    assert!(limit.when.is_some());
    assert_eq!(limit.key, [KeyPart::ClientIp]);
    let rate = Rate { count: 20, per: Duration::from_secs(90) };
    assert_eq!(limit.measure, Measure::Rates(vec![Tier { rate, burst: 7, width: None }]));
    assert_eq!((limit.scope, limit.mode), (Scope::Pop, Mode::Enforce));
    assert_eq!(limit.on_partition, OnPartition::FairShare);
    let denies = "[[limit]]\nname = \"l\"\nkey = []\nrate = \"5/1s\"\non_partition = \"deny\"\nmode = \"monitor\"\n";
    let denies = &with(denies).limits[0];
    assert_eq!((denies.on_partition, denies.mode), (OnPartition::Deny, Mode::Monitor));
    let ban = vec![Duration::from_secs(60), Duration::from_secs(86_400)];
    assert_eq!(limit.penalty, Some(Penalty { after: 3, within: Duration::from_secs(600), ban }));
}

#[test]
fn every_key_part() {
    let config = with(concat!(
        "[[limit]]\nname = \"k\"\nrate = \"1/1s\"\n",
        "key = [\"client.ip\", \"client.net\", \"request.host\", \"request.method\", \"request.path\", 'request.headers[\"X-Key\"]']",
    ));
    use KeyPart::*;
    assert_eq!(config.limits[0].key, [ClientIp, ClientNet, Host, Method, Path, Header("x-key".to_owned())]);
}

#[test]
fn rates() {
    let rate = |text: &str| {
        let file = format!("{BASE}[[limit]]\nname = \"l\"\nkey = []\nrate = \"{text}\"\n");
        load(&file)
            .ok()
            .map(|config| config.limits[0].measure.tiers()[0].rate)
            .map(|rate| (rate.count, rate.per.as_millis()))
    };
    assert_eq!(rate("1/100ms"), Some((1, 100)));
    assert_eq!(rate("4294967295/31d"), Some((u32::MAX, 31 * 86_400_000)));
    for refused in ["", "/", "1", "1/", "/1s", "0/1s", "1/99ms", "1/32d", "4294967296/1s", "+1/1s", "1/1s/1s", "1/-1s"]
    {
        assert_eq!(rate(refused), None, "{refused}");
    }
}

#[test]
fn durations_and_sizes() {
    let wait = |text: &str| {
        let file = format!("[listen]\nhttp = [\"0.0.0.0:1\"]\nidle_timeout = \"{text}\"\n");
        load(&file).ok().map(|config| config.listen.bounds.idle_timeout.as_millis())
    };
    assert_eq!(
        (wait("1ms"), wait("1m30s"), wait("24h"), wait("1d")),
        (Some(1), Some(90_000), Some(86_400_000), Some(86_400_000))
    );
    for refused in ["", "0s", "1", "s", "1 s", "1.5s", "-1s", "1d1ms", "1w", "99999999999999999999s", "1s1", "1MS"] {
        assert_eq!(wait(refused), None, "{refused}");
    }
    let size = |text: &str| {
        let file = format!("[listen]\nhttp = [\"0.0.0.0:1\"]\nbody_max = \"{text}\"\n");
        load(&file).ok().map(|config| config.listen.bounds.body_max)
    };
    assert_eq!(
        (size("0B"), size("64KB"), size("64KiB"), size("1024TiB")),
        (Some(0), Some(64_000), Some(65_536), Some(1 << 50))
    );
    for refused in ["", "1", "KiB", "1 KiB", "1kib", "1.5MiB", "-1B", "1025TiB", "99999999999999999999B"] {
        assert_eq!(size(refused), None, "{refused}");
    }
}

#[test]
fn paths_start_at_their_file() {
    let file = concat!(
        "[listen]\nhttps = [{ address = \"[::]:1\", certificates = [\"a.pem\", \"/b.pem\", \"${DIR}/c.pem\"] }]\n",
        "[admin]\nlog = \"logs/access\"\nsocket = \"s\"\n",
        "[cluster]\nlisten = \"0.0.0.0:1\"\nroster = \"../r.toml\"\ntls = { certificate = \"c\", key = \"k\" }\n",
    );
    let config = load_files(&[("etc/edge.toml", file)], &[("DIR", "/run")]).unwrap_or_else(|report| panic!("{report}"));
    let paths = ["etc/a.pem", "/b.pem", "/run/c.pem"].map(PathBuf::from);
    assert_eq!(config.listen.https[0].certificates, paths);
    assert_eq!(config.admin.log, AccessLog::File("etc/logs/access".into()));
    assert_eq!(config.admin.socket, PathBuf::from("etc/s"));
    assert_eq!(config.cluster.expect("a cluster").roster, PathBuf::from("etc/../r.toml"));
}

#[test]
fn a_fabric_is_links_unless_nats_is_asked_for() {
    let file = |more: &str| {
        let start = "[listen]\nhttp = [\"[::]:1\"]\n[cluster]\nlisten = \"0.0.0.0:1\"\nroster = \"r.toml\"\n";
        format!("{start}tls = {{ certificate = \"c\", key = \"k\" }}\n{more}")
    };
    let cluster = |more: &str| {
        let config = load_files(&[("etc/edge.toml", &file(more))], &[("DIR", "/run")]);
        config.unwrap_or_else(|report| panic!("{report}")).cluster.expect("a cluster")
    };
    for more in ["", "fabric = \"links\"\n"] {
        assert_eq!((cluster(more).node, cluster(more).fabric), (0, Fabric::Links));
    }
    let servers = ["tls://nats.example.net", "nats://127.0.0.1:4222", "nats://[::1]:4222", "nats://localhost"];
    let nats = "node = 3\nfabric = \"nats\"\n[cluster.nats]\ncredentials = \"pop.creds\"\nca = \"${DIR}/ca.pem\"\n";
    let cluster = cluster(&format!("{nats}servers = {servers:?}\n"));
    let Fabric::Nats(nats) = cluster.fabric else { panic!("{:?}", cluster.fabric) };
    assert_eq!((cluster.node, nats.servers.as_slice()), (3, servers.map(String::from).as_slice()));
    assert_eq!((nats.credentials, nats.ca), (Some("etc/pop.creds".into()), Some("/run/ca.pem".into())));
}

#[test]
fn variables_stand_where_they_may() {
    let file = |server: &str| format!("[listen]\nhttp = [\"0.0.0.0:1\"]\n[origin.app]\nservers = [\"{server}\"]\n");
    let load = |server: &str| {
        load_files(&[("edge.toml", &file(server))], &[("HOST", "h"), ("PORT", "81"), ("BIG", &"x".repeat(5000))])
    };
    assert_eq!(load("${HOST}:${PORT}").expect("a config").origins[0].servers[0].port, 81);
    for refused in ["${NONE}", "${HOST", "${}", "${A B}", "$HOST", "${BIG}"] {
        assert!(load(refused).is_err(), "{refused}");
    }
    // A name is no such place.
    let pop = "[listen]\nhttp = [\"0.0.0.0:1\"]\n[pop]\nname = \"${HOST}\"\n";
    assert!(load_files(&[("edge.toml", pop)], &[("HOST", "h")]).is_err());
}

#[test]
fn what_a_limit_limits() {
    let measure = |text: &str| {
        let file = format!("{BASE}[[limit]]\nname = \"l\"\nkey = [\"client.net\"]\n{text}\n");
        load(&file).map(|config| config.limits[0].measure.clone()).unwrap_or_else(|report| panic!("{report}"))
    };
    let tier = |count, secs, burst, width| Tier { rate: Rate { count, per: Duration::from_secs(secs) }, burst, width };
    assert_eq!(
        measure(
            "rates = [{ rate = \"10/1s\", burst = 3 }, { rate = \"300/1m\" }]\nlevels = [{ ipv6 = 48, rate = \"900/1m\" }]"
        ),
        Measure::Rates(vec![
            tier(10, 1, 3, None),
            tier(300, 60, 30, None),
            tier(900, 60, 90, Some(Width { ipv4: None, ipv6: Some(48) })),
        ])
    );
    let quota = |amount, unit, period| Measure::Quota(Quota { amount, unit, period });
    assert_eq!(measure("quota = \"10000/day\""), quota(10_000, Unit::Requests, Period::Day));
    assert_eq!(measure("quota = \"7/hour\"\ncost = '2'"), quota(7, Unit::Requests, Period::Hour));
    let bytes = |reserve| quota(10 << 30, Unit::Bytes { reserve }, Period::Month);
    assert_eq!(measure("quota = \"10GiB/month\""), bytes(64 * 1024));
    assert_eq!(measure("quota = \"10GiB/month\"\nreserve = \"1MiB\""), bytes(1 << 20));
    assert_eq!(measure("in_flight = 20"), Measure::InFlight(20));
}

#[test]
fn what_follows_over_a_limit() {
    let limit = |text: &str| {
        let list = "[list.office]\nkind = \"addresses\"\nitems = [\"192.0.2.0/24\"]\n";
        let file = format!("{BASE}{list}[[limit]]\nname = \"l\"\nkey = [\"client.net\"]\nrate = \"5/1s\"\n{text}\n");
        load(&file).map(|mut config| config.limits.remove(0)).unwrap_or_else(|report| panic!("{report}"))
    };
    let deny = |status, body| Over::Deny(Deny { status, body });
    let body = |text: &str, kind: &str| Some(DenyBody { text: text.to_owned(), content_type: kind.to_owned() });
    assert_eq!(limit("").over, deny(429, None));
    assert_eq!(limit("over = { deny = 503 }").over, deny(503, None));
    assert_eq!(limit("over = { body = \"Later.\" }").over, deny(429, body("Later.", "text/plain; charset=utf-8")));
    assert_eq!(
        limit("over = { deny = 420, body = \"<p>\", type = \"text/html\" }").over,
        deny(420, body("<p>", "text/html"))
    );
    assert_eq!(limit("over = { delay = \"2s\" }").over, Over::Delay(Duration::from_secs(2)));
    assert_eq!(limit("over = { tag = \"busy\" }").over, Over::Tag("busy".to_owned()));
    let whole = limit(concat!(
        "cost = 'int(request.query[\"n\"])'\ncount = 'response.status == 401'\nunlimited = [\"office\"]\non_missing = \"skip\"\n",
        "overrides = [{ key = [\"192.0.2.9/32\"], rate = \"9/1s\" }, { key = [\"192.0.2.8/32\"], unlimited = true }]\n",
        "headers = [\"x-ratelimit\"]\n"
    ));
    assert!(whole.cost.is_some() && whole.count.is_some() && whole.unlimited.len() == 1);
    assert_eq!(whole.on_missing, OnMissing::Skip);
    assert_eq!(whole.headers, Headers { draft: false, legacy: true });
    let rate = Rate { count: 9, per: Duration::from_secs(1) };
    let allows: Vec<Allows> = whole.overrides.iter().map(|one| one.allows).collect();
    assert_eq!(allows, [Allows::Rate(Tier { rate, burst: 1, width: None }), Allows::Everything]);
    assert!(limit("count_denied = true").count_denied);
}

#[test]
fn what_is_reserved_of_a_cost_that_the_response_tells() {
    let reserve = |text: &str| {
        let file = format!("{BASE}[[limit]]\nname = \"l\"\nkey = [\"client.net\"]\n{text}\n");
        load(&file).map(|config| config.limits[0].reserve)
    };
    let late = "cost = 'int(response.headers[\"x-cost\"])'";
    let rates = "rates = [{ rate = \"7/1s\", burst = 1000000 }, { rate = \"9/1m\", burst = 1000000 }]";
    for measure in ["quota = \"7/hour\"", "rate = \"7/1s\"\nburst = 1000000", rates] {
        assert_eq!(reserve(&format!("{measure}\ncost = '2'")).unwrap(), None);
        assert_eq!(reserve(&format!("{measure}\n{late}")).unwrap(), Some(1));
        assert_eq!(reserve(&format!("{measure}\n{late}\nreserve = 1000000")).unwrap(), Some(1_000_000));
        for wrong in ["0", "1000001", "-1", "\"5B\"", "true"] {
            assert!(reserve(&format!("{measure}\n{late}\nreserve = {wrong}")).is_err(), "{wrong}");
        }
    }
}

/// A header that has to be in a list has no more values than the list.
#[test]
fn a_quota_by_a_header_needs_a_list_of_its_values() {
    let limit = |when: &str| {
        let list = "[list.customers]\nkind = \"strings\"\nitems = [\"a\"]\n";
        let limit = "[[limit]]\nname = \"plan\"\nkey = ['request.headers[\"x-key\"]']\nquota = \"9/day\"\n";
        load(&format!("{BASE}{list}{limit}when = '{when}'\n")).is_ok()
    };
    assert!(limit("request.headers[\"X-Key\"] in lists.customers"));
    assert!(limit("request.method == \"GET\" && request.headers[\"x-key\"] in lists.customers"));
    assert!(!limit("request.method == \"GET\""));
    assert!(!limit("!(request.headers[\"x-key\"] in lists.customers)"));
    assert!(!limit("request.headers[\"x-key\"] in lists.customers || request.method == \"GET\""));
    assert!(!limit("request.headers[\"x-other\"] in lists.customers"));
}
