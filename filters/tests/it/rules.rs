//! Rules of the request phase: which answer, what follows from them, and what goes into the state.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use selvedge_conf::expr::{Counted, Field, Function, Kind, ListKind, Phase, Read, Type};
use selvedge_conf::{CacheAction, Effect, Reply, Rule, RuleMode};
use selvedge_filters::{
    BanOrigin, EffectRecord, HeaderChange, LimitOutcome, Reason, RuleId, RuleOutcome, SiteId, Undone, Verdict,
};

use crate::support::{Ask, World};
use crate::tree::{
    all, answering, call, constant, doing, equal, expr, field, header, list, listed, more_than, path_is, read, rule,
    tagged, text, under,
};

const LIMIT: &str = "[[limit]]\nname = \"api\"\nkey = [\"client.net\"]\nrate = \"60/1m\"\nburst = 2\n";

fn denied(rule: usize, status: u16) -> Verdict {
    Verdict::Denied { site: SiteId(0), rule: RuleId(rule), status }
}

#[test]
fn the_first_answer_ends_the_rules() {
    let world = World::with("", |config| {
        config.rules = vec![
            answering("first", under("/wp-"), Reply::Deny(404)),
            answering("second", under("/wp-login"), Reply::Deny(403)),
            answering("third", path_is("/gone"), Reply::Deny(410)),
        ];
    });
    let decision = world.decide(&Ask::path("/wp-login.php"));
    assert_eq!((decision.verdict, decision.fired), (denied(0, 404), vec![RuleId(0)]));
    assert_eq!(world.decide(&Ask::path("/gone")).verdict, denied(2, 410));
    assert_eq!(world.decide(&Ask::path("/")).verdict, Verdict::Pass(SiteId(0)));
}

#[test]
fn a_rule_is_for_its_sites() {
    let world = World::with("", |config| {
        config.rules = vec![Rule { sites: vec![1], ..answering("org", constant(true), Reply::Deny(403)) }];
    });
    assert_eq!(world.decide(&Ask::default()).verdict, Verdict::Pass(SiteId(0)));
    let verdict = world.decide(&Ask { host: "a.example.org", ..Ask::default() }).verdict;
    assert_eq!(verdict, Verdict::Denied { site: SiteId(1), rule: RuleId(0), status: 403 });
}

#[test]
fn allow_skips_rules_and_limits_but_no_ban() {
    let world = World::with(LIMIT, |config| {
        config.rules = vec![
            answering("monitors", path_is("/health"), Reply::Allow),
            answering("closed", constant(true), Reply::Deny(403)),
        ];
    });
    for _ in 0..5 {
        let decision = world.decide(&Ask::path("/health"));
        assert_eq!((decision.verdict, decision.quotas), (Verdict::Pass(SiteId(0)), Vec::new()));
    }
    let until = world.now.plus(1000);
    world.store.ban("192.0.2.1/32", until, 0, "test", world.now).unwrap();
    assert!(matches!(world.decide(&Ask::path("/health")).verdict, Verdict::Banned { .. }));
}

#[test]
fn a_rule_that_denies_charges_no_limit() {
    let world = World::with(LIMIT, |config| {
        config.rules = vec![answering("closed", path_is("/closed"), Reply::Deny(403))];
    });
    for _ in 0..5 {
        assert_eq!(world.decide(&Ask::path("/closed")).verdict, denied(0, 403));
    }
    assert_eq!(world.passes(5, &Ask::default()), 2);
}

#[test]
fn in_monitor_mode_nothing_follows_and_off_is_not_asked() {
    let world = World::with("", |config| {
        let watching = answering("watching", constant(true), Reply::Deny(403));
        config.rules = vec![
            Rule { mode: RuleMode::Monitor, effects: vec![Effect::Tag("seen".to_owned())], ..watching.clone() },
            Rule { mode: RuleMode::Off, ..watching },
            answering("tagged", tagged("seen"), Reply::Deny(410)),
        ];
    });
    let decision = world.decide(&Ask::default());
    assert_eq!(decision.verdict, Verdict::Pass(SiteId(0)));
    assert_eq!((decision.fired, decision.monitored, decision.tags), (vec![], vec![RuleId(0)], vec![]));
}

#[test]
fn changes_are_collected_and_the_last_one_of_a_kind_holds() {
    let ttl = CacheAction::Ttl { ttl: Duration::from_secs(60), stale_while_revalidate: None, stale_if_error: None };
    let world = World::with("", |config| {
        config.rules = vec![
            doing(
                "first",
                under("/old/"),
                vec![
                    Effect::Rewrite(Some(text("/a%2e/../new path")), Some(text("x=1"))),
                    Effect::SetRequestHeader("x-from".to_owned(), field(Field::Path)),
                    Effect::RemoveRequestHeader("cookie".to_owned()),
                    Effect::Origin(0),
                    Effect::Cache(CacheAction::Ttl {
                        ttl: Duration::ZERO,
                        stale_while_revalidate: None,
                        stale_if_error: None,
                    }),
                    Effect::Tag("old".to_owned()),
                    Effect::Log,
                ],
            ),
            doing("by path", under("/new"), vec![Effect::Tag("never".to_owned())]),
            doing(
                "by tag",
                tagged("old"),
                vec![
                    Effect::Rewrite(None, Some(text(""))),
                    Effect::SetResponseHeader("x-was".to_owned(), field(Field::Path)),
                    Effect::RemoveResponseHeader("server".to_owned()),
                    Effect::Cache(ttl),
                    Effect::Tag("old".to_owned()),
                ],
            ),
        ];
    });
    let decision = world.decide(&Ask::path("/old/x"));
    assert_eq!(decision.fired, [RuleId(0), RuleId(2)], "what a rule sees is what the client sent");
    assert_eq!(decision.tags.iter().map(|tag| &**tag).collect::<Vec<_>>(), ["old"]);
    let changes = decision.changes;
    assert_eq!((changes.path.as_deref(), changes.query.as_deref()), (Some("/new%20path"), Some("")));
    assert_eq!((changes.origin, changes.cache, changes.logged), (Some(0), Some(ttl), vec![RuleId(0)]));
    let name = HeaderName::from_static;
    let was = HeaderValue::from_static("/old/x");
    assert_eq!(changes.request, [HeaderChange::Set(name("x-from"), was.clone()), HeaderChange::Remove(name("cookie"))]);
    assert_eq!(changes.response, [HeaderChange::Set(name("x-was"), was), HeaderChange::Remove(name("server"))]);
}

#[test]
fn what_passes_the_cache_by_is_stored_by_no_later_rule() {
    let ttl = CacheAction::Ttl { ttl: Duration::from_secs(60), stale_while_revalidate: None, stale_if_error: None };
    for order in [[CacheAction::Pass, ttl], [ttl, CacheAction::Pass]] {
        let world = World::with("", |config| {
            config.rules = order.map(|action| doing("r", under("/"), vec![Effect::Cache(action)])).to_vec();
        });
        assert_eq!(world.decide(&Ask::path("/")).changes.cache, Some(CacheAction::Pass));
    }
}

#[test]
fn what_is_no_valid_value_is_left_undone() {
    let world = World::with("", |config| {
        config.rules = vec![
            doing(
                "odd",
                constant(true),
                vec![
                    Effect::SetRequestHeader("x-a".to_owned(), text("a\r\nb: c")),
                    Effect::SetResponseHeader("x-b".to_owned(), text("caf\u{e9}")),
                    Effect::Rewrite(Some(text("/fine")), Some(text("a b"))),
                    Effect::Rewrite(Some(text("relative")), None),
                    Effect::Rewrite(Some(text("/%zz")), None),
                    Effect::SetRequestHeader("x-c".to_owned(), text("fine")),
                ],
            ),
            answering("split", path_is("/split"), Reply::Redirect(302, text("/a\r\nset-cookie: b"))),
            answering("empty", path_is("/empty"), Reply::Redirect(302, header("x-nowhere"))),
            answering("rest", under("/s"), Reply::Deny(403)),
        ];
    });
    let decision = world.decide(&Ask::path("/split"));
    assert_eq!(decision.verdict, denied(3, 403), "a redirect to nowhere is no answer");
    let (changes, set) = (decision.changes, HeaderChange::Set);
    assert_eq!((changes.path, changes.query, changes.response), (None, None, vec![]));
    assert_eq!(changes.request, [set(HeaderName::from_static("x-c"), HeaderValue::from_static("fine"))]);
    assert_eq!(world.decide(&Ask::path("/empty")).verdict, Verdict::Pass(SiteId(0)));
    let explained = world.explain(&Ask::path("/split"), None);
    let (undone, done) = explained.rules[0].effects.split_at(5);
    assert!(undone.iter().all(|record| *record == EffectRecord::Undone(Undone::Invalid)), "{undone:?}");
    assert_eq!(done, [EffectRecord::Done(Some("fine".to_owned()))]);
}

#[test]
fn a_redirect_goes_where_its_expression_says() {
    let world = World::with("", |config| {
        config.rules = vec![answering("moved", under("/old"), Reply::Redirect(308, field(Field::Host)))];
    });
    let verdict = world.decide(&Ask::path("/old")).verdict;
    let location = "www.example.com".to_owned();
    assert_eq!(verdict, Verdict::Redirected { site: SiteId(0), rule: RuleId(0), status: 308, location });
}

#[test]
fn a_rules_ban_holds_from_the_next_request_on() {
    let long_name = "n".repeat(64);
    let world = World::with("", |config| {
        let banned = read(Read::Banned(None), Type::Bool);
        config.rules = vec![
            doing(&long_name, path_is("/trap"), vec![Effect::Ban(Duration::from_secs(900))]),
            answering("banned", banned, Reply::Deny(410)),
        ];
    });
    assert_eq!(world.decide(&Ask::path("/trap")).verdict, Verdict::Pass(SiteId(0)), "rules see the state as it was");
    let verdict = world.decide(&Ask::default()).verdict;
    let Verdict::Banned { origin, remaining, ban, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!((origin, remaining, ban.level), (BanOrigin::Rule, Duration::from_secs(900), 0));
}

#[test]
fn elements_come_into_lists_and_go() {
    let mut world = World::with("", |config| {
        config.lists = vec![list("seen", ListKind::Addresses), list("paths", ListKind::Strings)];
        let (hour, minute) = (Duration::from_secs(3600), Duration::from_secs(60));
        config.rules = vec![
            answering("listed", listed(field(Field::ClientIp), 0, ListKind::Addresses), Reply::Deny(403)),
            answering("path", listed(field(Field::Path), 1, ListKind::Strings), Reply::Deny(410)),
            doing(
                "add",
                path_is("/add"),
                vec![Effect::ListAdd(0, field(Field::ClientIp), minute), Effect::ListAdd(1, text("/dead"), hour)],
            ),
            doing("remove", path_is("/remove"), vec![Effect::ListRemove(1, text("/dead"), hour)]),
        ];
    });
    let other = |path| Ask { client: "2001:db8::1", path, ..Ask::default() };
    assert_eq!(world.decide(&Ask::path("/add")).verdict, Verdict::Pass(SiteId(0)));
    assert_eq!(world.decide(&Ask::path("/add")).verdict, denied(0, 403));
    assert_eq!(world.decide(&other("/dead")).verdict, denied(1, 410));
    world.wait(61_000);
    assert_eq!(world.decide(&Ask::path("/")).verdict, Verdict::Pass(SiteId(0)));
    world.decide(&other("/remove"));
    assert_eq!(world.decide(&other("/dead")).verdict, Verdict::Pass(SiteId(0)));
}

#[test]
fn an_element_that_no_look_up_asks_for_is_left_undone() {
    let world = World::with("", |config| {
        config.lists = vec![list("seen", ListKind::Addresses), list("paths", ListKind::Strings)];
        let hour = Duration::from_secs(3600);
        let net = |net: &str| Effect::ListAdd(0, expr(Kind::Cidr(net.parse().unwrap()), Type::Cidr), hour);
        let nets = ["192.0.2.1/32", "2001:db8::/64", "2001:db8::1/128", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/48"];
        let mut effects: Vec<Effect> = nets.into_iter().map(net).collect();
        effects.push(Effect::ListAdd(1, text(&"x".repeat(128)), hour));
        effects.push(Effect::ListAdd(1, text(&"x".repeat(129)), hour));
        config.rules = vec![doing("add", constant(true), effects)];
    });
    let undone = EffectRecord::Undone(Undone::Invalid);
    let effects: Vec<bool> =
        world.explain(&Ask::default(), None).rules[0].effects.iter().map(|record| *record == undone).collect();
    assert_eq!(effects, [false, false, false, true, true, true, false, true]);
    assert_eq!(world.decide(&Ask::default()).undone, [RuleId(0); 4]);
}

#[test]
fn what_finds_no_room_is_told_as_undone() {
    let world = World::with("", |config| {
        let minute = Duration::from_secs(60);
        config.rules = vec![doing("trap", constant(true), vec![Effect::Ban(minute)])];
    });
    for n in 0..100 {
        world.store.ban(&format!("198.51.100.{n}/32"), world.now.plus(60_000), 0, "full", world.now).unwrap();
    }
    assert_eq!(world.decide(&Ask::default()).undone, [RuleId(0)]);
}

#[test]
fn an_explanation_names_every_rule_and_limit() {
    let world = World::with(LIMIT, |config| {
        let deny = |name: &str, when| answering(name, when, Reply::Deny(403));
        config.rules = vec![
            Rule { mode: RuleMode::Off, ..deny("off", constant(true)) },
            Rule { sites: vec![1], ..deny("elsewhere", constant(true)) },
            deny("other path", path_is("/other")),
            deny("other header", all(vec![under("/a"), equal(header("x"), text("y"))])),
            Rule { mode: RuleMode::Monitor, ..deny("watching", under("/a")) },
            doing("tags", call(Function::Contains, field(Field::Path), "b"), vec![Effect::Tag("b".to_owned())]),
            deny("denies", tagged("b")),
            deny("after", constant(true)),
            Rule { phase: Phase::Response, ..rule("late", constant(true)) },
        ];
    });
    let outcomes = |path| {
        let explained = world.explain(&Ask::path(path), None);
        let rules: Vec<RuleOutcome> = explained.rules.iter().map(|record| record.outcome).collect();
        (rules, explained.limits[0].clone())
    };
    let (rules, limit) = outcomes("/ab");
    let by = |rule| Reason::Rule(RuleId(rule));
    let stays = [RuleOutcome::Off, RuleOutcome::OtherSite, RuleOutcome::NotCandidate];
    assert_eq!(rules[..3], stays);
    assert_eq!(
        rules[3..],
        [
            RuleOutcome::NotMatched,
            RuleOutcome::WouldMatch,
            RuleOutcome::Matched,
            RuleOutcome::Matched,
            RuleOutcome::NotReached(by(6)),
            RuleOutcome::NotReached(Reason::NoResponse),
        ]
    );
    assert_eq!(limit.outcome, LimitOutcome::NotReached(by(6)));
    let (rules, limit) = outcomes("/c");
    assert_eq!(rules[..3], stays);
    assert_eq!(rules[7], RuleOutcome::Matched);
    assert_eq!((limit.bucket, limit.outcome), (None, LimitOutcome::NotReached(by(7))));
}

#[test]
fn a_limits_counts_and_edge_can_be_read_without_charging() {
    let world = World::with(LIMIT, |config| {
        let exceeded = read(Read::Exceeded(0), Type::Bool);
        config.rules = vec![
            answering("busy", more_than(Counted::Limit(0), 1, Duration::from_secs(60)), Reply::Deny(503)),
            answering("over", exceeded, Reply::Deny(410)),
        ];
    });
    let explained = world.explain(&Ask::default(), None);
    assert_eq!(
        (
            explained.limits[0].bucket.map(|(_, level)| level),
            explained.decision.quotas.first().map(|quota| quota.remaining)
        ),
        (Some(0.0), Some(1))
    );
    assert_eq!(world.passes(2, &Ask::default()), 2);
    assert_eq!(world.decide(&Ask::default()).verdict, denied(0, 503));
    assert_eq!(
        world.explain(&Ask { client: "192.0.2.77", ..Ask::default() }, None).decision.verdict,
        Verdict::Pass(SiteId(0)),
        "by the request's own key"
    );
    let over = World::with(LIMIT, |config| {
        config.rules = vec![answering("over", read(Read::Exceeded(0), Type::Bool), Reply::Deny(410))];
    });
    assert_eq!(over.passes(5, &Ask::default()), 2);
    assert_eq!(over.decide(&Ask::default()).verdict, denied(0, 410));
}
