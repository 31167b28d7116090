//! Rules: their defaults, each action, and the order of effects.

use std::time::Duration;

use selvedge_conf::expr::{Expr, Kind, Phase, Type};
use selvedge_conf::{CacheAction, Config, EFFECTS_MAX, Effect, Reply, Revoke, Rule, RuleMode};

use crate::support::load;

const BASE: &str = r#"
[listen]
http = ["0.0.0.0:8080"]

[origin.app]
servers = ["a:1"]

[origin.media]
servers = ["b:1"]

[site."www.example.com"]
origin = "app"

[list.office]
kind = "addresses"

[list.paths]
kind = "strings"

[session.web]
keys = ["a.key"]

[challenge]
keys = ["a.key"]

[[counter]]
name = "other"
key = []
window = "1m"

[[counter]]
name = "hits"
key = ["client.net"]
window = "1m"

[[unique]]
name = "paths"
of = 'request.path'
key = ["client.net"]
window = "1m"
"#;

#[track_caller]
fn with(rest: &str) -> Config {
    load(&format!("{BASE}{rest}")).unwrap_or_else(|report| panic!("{report}"))
}

#[track_caller]
fn rule(keys: &str) -> Rule {
    let mut config = with(&format!("[[rule]]\nname = \"r\"\n{keys}\n"));
    config.rules.remove(0)
}

fn text(expr: &Expr) -> &str {
    let Kind::String(text) = &expr.kind else { panic!("{expr:?}") };
    text
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn defaults() {
    let rule = rule("do = { deny = 403 }");
    assert_eq!((rule.name.as_str(), rule.phase, rule.mode), ("r", Phase::Request, RuleMode::Enforce));
    assert_eq!((rule.sites.len(), &rule.when, rule.effects.len()), (0, &None, 0));
    assert_eq!(rule.answer, Some(Reply::Deny(403)));
    assert_eq!(rule.place.to_string(), format!("edge.toml:{}:1", BASE.lines().count() + 1));
}

#[test]
fn every_key() {
    let rule = rule(
        "phase = \"response\"\nsites = [\"WWW.example.com\"]\nwhen = 'request.path == \"/\"'\nmode = \"off\"\ndo = { log = true }",
    );
    assert_eq!((rule.phase, rule.mode, rule.sites), (Phase::Response, RuleMode::Off, vec![0]));
    assert_eq!(rule.when.map(|when| when.ty), Some(Type::Bool));
    assert_eq!((rule.effects, rule.answer), (vec![Effect::Log], None));
    let monitored = crate::rules::rule("mode = \"monitor\"\ndo = { log = true }");
    assert_eq!(monitored.mode, RuleMode::Monitor);
}

#[test]
fn effects_come_in_one_order_whatever_the_file_says() {
    let rule = rule(concat!(
        "[rule.do]\nlog = true\ntag = \"t\"\nunique = \"paths\"\ncount = \"hits\"\n",
        "list_remove = { list = \"paths\", value = 'request.path', for = \"2m\" }\n",
        "list_add = { list = \"office\", value = 'client.net', for = \"1m\" }\n",
        "ban = { for = \"3m\", key = \"client.ip\" }\nsession = { start = true }\ncache = { pass = true }\norigin = \"media\"\n",
        "remove_response_headers = [\"Server\"]\nset_response_headers = { z = '\"1\"', A = '\"2\"' }\n",
        "remove_request_headers = [\"cookie\", \"x-a\"]\nset_request_headers = { x-b = '\"3\"' }\n",
        "rewrite = { query = '\"q\"' }\n",
    ));
    let names: Vec<String> = rule.effects.iter().map(said).collect();
    assert_eq!(
        names,
        [
            "rewrite None Some(\"q\")",
            "set request x-b 3",
            "remove request cookie",
            "remove request x-a",
            "set response z 1",
            "set response a 2",
            "remove response server",
            "origin 1",
            "cache Pass",
            "ban 180s",
            "add 0 cidr 60s",
            "remove 1 string 120s",
            "session true",
            "count 1",
            "unique 0",
            "tag t",
            "log",
        ]
    );
}

fn said(effect: &Effect) -> String {
    match effect {
        Effect::Rewrite(path, query) => {
            format!("rewrite {:?} {:?}", path.as_ref().map(text), query.as_ref().map(text))
        }
        Effect::SetRequestHeader(name, value) => format!("set request {name} {}", text(value)),
        Effect::RemoveRequestHeader(name) => format!("remove request {name}"),
        Effect::SetResponseHeader(name, value) => format!("set response {name} {}", text(value)),
        Effect::RemoveResponseHeader(name) => format!("remove response {name}"),
        Effect::Origin(origin) => format!("origin {origin}"),
        Effect::Cache(action) => format!("cache {action:?}"),
        Effect::Ban(length) => format!("ban {length:?}"),
        Effect::ListAdd(list, value, length) => format!("add {list} {} {length:?}", value.ty),
        Effect::ListRemove(list, value, length) => format!("remove {list} {} {length:?}", value.ty),
        Effect::Session(action) => format!("session {}", action.start),
        Effect::Revoke(Revoke::Named { what, realm, name }) => format!("revoke {what:?} {realm} {}", name.ty),
        Effect::Revoke(Revoke::Token(issuer)) => format!("revoke token {issuer}"),
        Effect::Count(counter) => format!("count {counter}"),
        Effect::Unique(unique) => format!("unique {unique}"),
        Effect::Tag(tag) => format!("tag {tag}"),
        Effect::Log => "log".to_owned(),
    }
}

#[test]
fn answers() {
    assert_eq!(rule("do = { allow = true }").answer, Some(Reply::Allow));
    assert_eq!(rule("do = { deny = 599 }").answer, Some(Reply::Deny(599)));
    let Some(Reply::Redirect(302, to)) = rule("do = { redirect = { to = '\"/x\"' } }").answer else { panic!() };
    assert_eq!(text(&to), "/x");
    for (written, bits) in [("true", 18), ("{}", 18), ("{ difficulty = 8 }", 8), ("{ difficulty = 26 }", 26)] {
        assert_eq!(
            rule(&format!("do = {{ challenge = {written} }}")).answer,
            Some(Reply::Challenge(bits)),
            "{written}"
        );
    }
    for status in [301, 302, 303, 307, 308] {
        let rule = rule(&format!("do = {{ redirect = {{ to = '\"/x\"', status = {status} }} }}"));
        assert!(matches!(rule.answer, Some(Reply::Redirect(given, _)) if given == status));
    }
}

#[test]
fn cache_times() {
    let of = |action: &str| rule(&format!("do = {{ cache = {action} }}")).effects;
    assert_eq!(of("{ pass = true }"), [Effect::Cache(CacheAction::Pass)]);
    let ttl = |ttl, stale_while_revalidate, stale_if_error| {
        [Effect::Cache(CacheAction::Ttl { ttl, stale_while_revalidate, stale_if_error })]
    };
    assert_eq!(of("{ ttl = \"0s\" }"), ttl(Duration::ZERO, None, None));
    assert_eq!(
        of("{ ttl = \"1h\", stale_while_revalidate = \"1m\", stale_if_error = \"2m\" }"),
        ttl(60 * MINUTE, Some(MINUTE), Some(2 * MINUTE))
    );
}

#[test]
fn each_phase_has_its_actions() {
    let actions = [
        ("deny = 403", "connection request"),
        ("redirect = { to = '\"/\"' }", "request"),
        ("allow = true", "connection request"),
        ("challenge = true", "request"),
        ("rewrite = { path = '\"/\"' }", "request"),
        ("set_request_headers = { a = '\"\"' }", "request"),
        ("remove_request_headers = [\"a\"]", "request"),
        ("set_response_headers = { a = '\"\"' }", "request response"),
        ("remove_response_headers = [\"a\"]", "request response"),
        ("origin = \"app\"", "request"),
        ("cache = { pass = true }", "request"),
        ("ban = { for = \"1m\" }", "connection request response"),
        ("list_add = { list = \"office\", value = 'client.ip', for = \"1m\" }", "connection request response"),
        ("list_remove = { list = \"office\", value = 'client.ip', for = \"1m\" }", "connection request response"),
        ("count = \"hits\"", "connection request response"),
        ("unique = \"paths\"", "request response"),
        ("tag = \"t\"", "request response"),
        ("log = true", "connection request response"),
    ];
    for (action, phases) in actions {
        for phase in ["connection", "request", "response"] {
            let loaded = load(&format!("{BASE}[[rule]]\nname = \"r\"\nphase = \"{phase}\"\ndo = {{ {action} }}\n"));
            assert_eq!(loaded.is_ok(), phases.contains(phase), "{action} in {phase}: {:?}", loaded.err());
        }
    }
}

#[test]
fn only_networks_of_clients_are_added_to_a_list() {
    let adds = |action: &str, net: &str| {
        let listed = format!("{{ list = \"office\", value = 'cidr(\"{net}\")', for = \"1m\" }}");
        load(&format!("{BASE}[[rule]]\nname = \"r\"\ndo = {{ {action} = {listed} }}\n"))
    };
    for action in ["list_add", "list_remove"] {
        for net in ["192.0.2.1/32", "2001:db8::/64", "2001:db8::1/128"] {
            assert!(adds(action, net).is_ok(), "{action} {net}");
        }
        for net in ["192.0.2.0/24", "2001:db8::/32", "64.0.0.0/2", "2001:db8::/96"] {
            let report = adds(action, net).expect_err("a report");
            assert!(report.problems()[0].message.contains("only a /32"), "{action} {net}: {report}");
        }
    }
}

#[test]
fn regular_expressions_are_bounded_all_together() {
    let loaded = |patterns: &mut dyn Iterator<Item = String>| {
        let mut text = BASE.to_owned();
        for (at, pattern) in patterns.enumerate() {
            text.push_str(&format!(
                "[[rule]]\nname = \"r{at}\"\nwhen = 'request.path.matches(r\"{pattern}\")'\ndo = {{ deny = 403 }}\n"
            ));
        }
        load(&text)
    };
    assert!(loaded(&mut (0..500).map(|at| format!("^/{at}/[a-z]+$"))).is_ok());
    assert!(loaded(&mut (0..500).map(|_| r"\w{16}".to_owned())).is_ok(), "equal ones are one");
    let report = loaded(&mut (0..500).map(|at| format!(r"{at}\w{{16}}"))).expect_err("a report");
    assert!(report.problems()[0].message.contains("more than 64 MiB together"), "{report}");
    let report = loaded(&mut (0..500).map(|at| format!(r"{at}\w{{1000}}"))).expect_err("a report");
    assert!(report.to_string().contains("more than 64 MiB together") || report.problems().len() == 20, "{report}");
}

#[test]
fn what_is_done_by_an_unknown_key_is_told_once() {
    let problems = |rule: &str| {
        let report = load(&format!("{BASE}[[rule]]\nname = \"r\"\n{rule}\n")).expect_err("a report");
        let found = report.problems().iter().map(|problem| problem.help.clone().unwrap_or_default());
        found.collect::<Vec<String>>()
    };
    for (rule, help) in [
        ("do = { block = 403 }", "did you mean `deny`?"),
        ("action = { deny = 403 }", "did you mean `do`?"),
        ("do = \"deny\"", "such as do = { deny = 403 }"),
        ("do = { deny = true }", "it is a status: deny = 403"),
        ("do = { redirect = \"https://x\" }", "such as redirect = { to = '\"https://www.example.com/\"' }"),
        ("do = { ban = \"15m\" }", "such as ban = { for = \"15m\" }"),
        ("do = { count = \"x\" }", "possible here: `other`, `hits`"),
    ] {
        assert_eq!(problems(rule), [help], "{rule}");
    }
    let bare = "[listen]\nhttp = [\"0.0.0.0:8080\"]\n[[rule]]\nname = \"r\"\ndo = { count = \"x\" }\n";
    let report = load(bare).expect_err("a report");
    assert_eq!(report.problems()[0].help.as_deref(), Some("declare it as [[counter]] with name = \"x\""));
}

#[test]
fn no_more_effects_than_the_bound() {
    let removing = |n: usize| {
        let names: Vec<String> = (0..n).map(|n| format!("\"h{n}\"")).collect();
        load(&format!("{BASE}[[rule]]\nname = \"r\"\ndo = {{ remove_request_headers = [{}] }}\n", names.join(", ")))
    };
    assert!(removing(EFFECTS_MAX).is_ok());
    let report = removing(EFFECTS_MAX + 1).expect_err("a report");
    assert_eq!(report.problems().len(), 1);
    assert!(report.problems()[0].message.contains("32"), "{report}");
}

#[test]
fn a_rule_may_stand_above_what_it_names() {
    let rule = "[[rule]]\nname = \"r\"\nwhen = 'count(\"late\", \"1m\") > 2'\ndo = { deny = 403, count = \"late\" }\n";
    let counter = "[[counter]]\nname = \"late\"\nkey = []\nwindow = \"1m\"\n";
    assert_eq!(with(&format!("{rule}{counter}")).rules[0].effects, [Effect::Count(2)]);
}

#[test]
fn what_a_wrong_declaration_leads_to_is_not_told() {
    let declared = |counter: &str, list: &str, jwt: &str| {
        load(&format!(
            "{BASE}[[counter]]\nname = \"c\"\n{counter}\n[list.l]\n{list}\n[jwt.t]\nkeys = \"k.json\"\n{jwt}\n\
             [[rule]]\nname = \"r\"\nwhen = 'count(\"c\", client.net, \"1h\") > 1 || client.ip in lists.l || jwt.t.claims.a'\n\
             do = {{ deny = 403 }}\n"
        ))
    };
    let jwt = "algorithms = [\"RS256\"]\nclaims = { a = \"bool\" }";
    assert!(declared("key = [\"client.net\"]\nwindow = \"1h\"", "kind = \"addresses\"", jwt).is_ok());
    for (counter, list, jwt) in [
        ("key = [\"client.nett\"]\nwindow = \"1h\"", "kind = \"addresses\"", jwt),
        ("key = [\"client.net\"]\nwindow = \"1hour\"", "kind = \"addresses\"", jwt),
        ("key = [\"client.net\"]\nwindow = \"1h\"", "kind = \"address\"", jwt),
        ("key = [\"client.net\"]\nwindow = \"1h\"", "kind = \"addresses\"\nitems = [\"x\"]", jwt),
        ("key = [\"client.net\"]\nwindow = \"1h\"", "kind = \"addresses\"", "algorithms = [\"RS255\"]"),
    ] {
        let report = declared(counter, list, jwt).expect_err("a report");
        assert_eq!(report.problems().len(), 1, "{report}");
    }
}
