//! What expressions name: lists, databases, issuers of tokens, counters and uniques.

use std::path::PathBuf;
use std::time::Duration;

use selvedge_conf::expr::{ListKind, Phase, Type};
use selvedge_conf::{Algorithm, Config, KeyPart, Scope, TokenSource};

use crate::support::{load, load_files};

const BASE: &str = "[listen]\nhttp = [\"0.0.0.0:8080\"]\n";

#[track_caller]
fn with(rest: &str) -> Config {
    load(&format!("{BASE}{rest}")).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn lists() {
    let file = format!(
        "{BASE}[list.a]\nkind = \"addresses\"\nfile = \"${{DIR}}/a.txt\"\nitems = [\"192.0.2.1\", \"2001:db8::/32\"]\n\
         [list.b]\nkind = \"strings\"\n[list.c]\nkind = \"needles\"\nfile = \"c.txt\"\n[list.d]\nkind = \"patterns\"\nitems = ['a+']\n"
    );
    let config =
        load_files(&[("etc/edge.toml", &file)], &[("DIR", "/srv")]).unwrap_or_else(|report| panic!("{report}"));
    let kinds: Vec<_> = config.lists.iter().map(|list| (list.name.as_str(), list.kind)).collect();
    use ListKind::*;
    assert_eq!(kinds, [("a", Addresses), ("b", Strings), ("c", Needles), ("d", Patterns)]);
    assert_eq!(config.lists[0].file, Some(PathBuf::from("/srv/a.txt")));
    assert_eq!(config.lists[0].items, ["192.0.2.1", "2001:db8::/32"]);
    assert_eq!(config.lists[2].file, Some(PathBuf::from("etc/c.txt")));
    assert_eq!(config.lists[3].place.to_string(), "etc/edge.toml:12:7");
}

#[test]
fn a_list_in_two_files_names_both_places() {
    let entry = format!("include = [\"a.toml\"]\n{BASE}[list.x]\nkind = \"strings\"\n");
    let report = load_files(&[("edge.toml", &entry), ("a.toml", "[list.x]\nkind = \"strings\"\n")], &[]);
    let report = report.expect_err("a report");
    assert_eq!(report.problems()[0].message, "list \"x\" is there twice");
    assert_eq!(report.problems()[0].help.as_deref(), Some("the first one is at edge.toml:4:7"));
}

#[test]
fn databases() {
    assert_eq!(with("").geoip, Default::default());
    let geoip = with("[geoip]\ncity = \"city.mmdb\"\nasn = \"/asn.mmdb\"\n").geoip;
    assert_eq!(geoip.country, None);
    assert_eq!((geoip.city, geoip.asn), (Some("city.mmdb".into()), Some("/asn.mmdb".into())));
}

#[test]
fn issuers() {
    let config = with("[jwt.a]\nkeys = \"k.json\"\nalgorithms = [\"RS256\", \"EdDSA\"]\n");
    let jwt = &config.jwts[0];
    assert_eq!((jwt.name.as_str(), &jwt.keys), ("a", &PathBuf::from("k.json")));
    assert_eq!(jwt.algorithms, [Algorithm::Rs256, Algorithm::EdDsa]);
    assert_eq!((&jwt.issuer, jwt.audience.len(), &jwt.from), (&None, 0, &TokenSource::Bearer));
    assert_eq!((jwt.leeway, jwt.claims.len()), (Duration::from_secs(30), 0));
    let config = with(concat!(
        "[jwt.a]\nkeys = \"${NOT}x.key\"\nalgorithms = [\"HS512\"]\nissuer = \"i\"\naudience = [\"x\", \"y\"]\n",
        "from = \"header:X-Token\"\nleeway = \"0s\"\nclaims = { z = \"string\", b = \"int\", c = \"double\", d = \"bool\", e = \"list(string)\" }\n",
    )
    .replace("${NOT}", "")
    .as_str());
    let jwt = &config.jwts[0];
    assert_eq!((jwt.issuer.as_deref(), jwt.audience.len()), (Some("i"), 2));
    assert_eq!((&jwt.from, jwt.leeway), (&TokenSource::Header("x-token".to_owned()), Duration::ZERO));
    let claims: Vec<String> = jwt.claims.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
    assert_eq!(claims, ["z: string", "b: int", "c: double", "d: bool", "e: list(string)"]);
    let config = with("[jwt.a]\nkeys = \"k.pem\"\nalgorithms = [\"RS256\", \"PS512\"]\nfrom = \"cookie:Session\"\n");
    assert_eq!(config.jwts[0].from, TokenSource::Cookie("Session".to_owned()));
}

#[test]
fn counters() {
    let config = with(concat!(
        "[[counter]]\nname = \"a\"\nkey = []\nwindow = \"1s\"\n",
        "[[counter]]\nname = \"b\"\nkey = [\"client.net\"]\nwhen = 'response.status == 404'\nwindow = \"31d\"\nscope = \"pop\"\n",
        "[[counter]]\nname = \"c\"\nkey = ['request.cookies[\"s\"]', 'response.status', 'client.ip in cidr(\"10.0.0.0/8\")']\nwindow = \"1m\"\n",
        "[[counter]]\nname = \"d\"\nkey = [\"client.ip\"]\nwhen = 'request.path == \"/\"'\nwindow = \"1m\"\n",
    ));
    let phases: Vec<Phase> = config.counters.iter().map(|counter| counter.phase).collect();
    assert_eq!(phases, [Phase::Request, Phase::Response, Phase::Response, Phase::Request]);
    let [a, b, c, _] = &config.counters[..] else { panic!() };
    assert_eq!((&a.when, a.key.len(), a.window, a.scope), (&None, 0, Duration::from_secs(1), Scope::Global));
    assert_eq!((b.window, b.scope, &b.key), (Duration::from_secs(31 * 86_400), Scope::Pop, &vec![KeyPart::ClientNet]));
    let types: Vec<Type> = c
        .key
        .iter()
        .map(|part| {
            let KeyPart::Value(expr, _) = part else { panic!("{part:?}") };
            expr.ty.clone()
        })
        .collect();
    assert_eq!(types, [Type::String, Type::Int, Type::Bool]);
}

#[test]
fn uniques() {
    let config = with(concat!(
        "[[unique]]\nname = \"a\"\nof = 'request.form(\"user\")'\nkey = [\"client.net\"]\nwindow = \"10m\"\n",
        "[[unique]]\nname = \"b\"\nof = 'response.status'\nkey = []\nwindow = \"10m\"\n",
    ));
    assert_eq!((config.uniques[0].phase, &config.uniques[0].of.ty), (Phase::Request, &Type::String));
    assert_eq!((config.uniques[1].phase, &config.uniques[1].of.ty), (Phase::Response, &Type::Int));
    // Uniques have names of their own.
    assert!(load(&format!("{BASE}{}", "[[unique]]\nname = \"a\"\nof = 'request.path'\nkey = []\nwindow = \"1m\"\n[[counter]]\nname = \"a\"\nkey = []\nwindow = \"1m\"\n")).is_ok());
}

#[test]
fn windows_within_the_retention() {
    let reading = |window: &str| {
        load(&format!(
            "{BASE}[[limit]]\nname = \"l\"\nkey = []\nrate = \"10/1m\"\n[[limit]]\nname = \"long\"\nkey = []\nrate = \"10/30d\"\n\
             [[counter]]\nname = \"c\"\nkey = []\nwindow = \"10m\"\n\
             [[rule]]\nname = \"r\"\nwhen = '{window} > 1'\ndo = {{ deny = 403 }}\n"
        ))
        .is_ok()
    };
    // A limit is remembered for seven of its periods, and nothing for longer than 31 days.
    for (reading_, fits) in [
        ("count(\"c\", \"10m\")", true),
        ("count(\"c\", \"10m1s\")", false),
        ("count(\"l\", \"7m\")", true),
        ("count(\"l\", \"7m1s\")", false),
        ("count(\"long\", \"31d\")", true),
        ("count(\"long\", \"31d1s\")", false),
    ] {
        assert_eq!(reading(reading_), fits, "{reading_}");
    }
}

#[test]
fn what_is_counted_by_is_told_by_names_whatever_else_the_file_says() {
    let texts = |before: &str, key: &str, of: &str| {
        let jwt = |name: &str| {
            format!("[jwt.{name}]\nkeys = \"k.json\"\nalgorithms = [\"RS256\"]\nclaims = {{ sub = \"string\" }}\n")
        };
        let before = if before.is_empty() { String::new() } else { jwt(before) };
        let config = with(&format!(
            "{before}{}[[counter]]\nname = \"c\"\nkey = ['{key}']\nwindow = \"1m\"\n\
             [[unique]]\nname = \"u\"\nof = '{of}'\nkey = []\nwindow = \"1m\"\n",
            jwt("shop")
        ));
        let KeyPart::Value(_, key) = &config.counters[0].key[0] else { panic!() };
        (key.clone(), config.uniques[0].of_text.clone())
    };
    let (key, of) = ("jwt.shop.claims.sub", "request.headers[\"x\"] + \"a\"");
    let plain = texts("", key, of);
    assert_eq!(plain, (key.to_owned(), of.to_owned()));
    assert_eq!(texts("admin", key, of), plain);
    assert_eq!(texts("", "jwt . shop.claims.sub ", "request.headers[ r\"x\" ]+\"\\x61\" // a"), plain);
    assert_ne!(texts("admin", "jwt.admin.claims.sub", of), plain);
}
