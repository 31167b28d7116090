//! When a form has to be there before anything is decided, and what comes of one that is too long.

use selvedge_filters::{Decision, Form, Head, LimitOutcome, Reason, SiteId, Verdict};

use crate::support::{Ask, World};

const READ_FIRST: Verdict = Verdict::FormUnread { site: SiteId(0) };
const TOO_LONG: Verdict = Verdict::FormTooLong { site: SiteId(0) };
const PASS: Verdict = Verdict::Pass(SiteId(0));

fn decide(world: &World, path: &'static str, form: Form<'_>) -> Decision {
    let ask = Ask { method: "POST", ..Ask::path(path) };
    world.filters.decide(&Head { form, ..ask.head() }, &world.store, world.now)
}

fn verdicts(world: &World, path: &'static str) -> [Verdict; 4] {
    [Form::None, Form::Unread, Form::Read(b"user=eve"), Form::TooLong].map(|form| decide(world, path, form).verdict)
}

fn rule(when: &str, more: &str) -> String {
    format!("[[rule]]\nname = \"r\"\nwhen = '{when}'\n{more}\n")
}

#[test]
fn a_form_is_read_where_a_rule_comes_to_ask_for_it() {
    let world =
        World::alone(&rule(r#"request.path == "/login" && request.form("user") == "eve""#, "do = { deny = 403 }"));
    let denied = verdicts(&world, "/login");
    assert_eq!((&denied[0], &denied[1], &denied[3]), (&PASS, &READ_FIRST, &TOO_LONG));
    assert!(matches!(denied[2], Verdict::Denied { status: 403, .. }));
    assert_eq!(verdicts(&world, "/upload"), [PASS; 4]);
}

#[test]
fn who_asks_whether_it_was_read_gets_an_answer_and_not_a_refusal() {
    let world = World::alone(&rule("!request.form_read", "do = { deny = 400 }"));
    let [none, unread, read, too_long] = verdicts(&world, "/");
    assert!(matches!((none, too_long), (Verdict::Denied { status: 400, .. }, Verdict::Denied { status: 400, .. })));
    assert_eq!((unread, read), (READ_FIRST, PASS));
}

#[test]
fn what_only_watches_refuses_nobody() {
    let asks = r#"request.form("user") == "eve""#;
    for text in [
        rule(asks, "mode = \"monitor\"\ndo = { deny = 403 }"),
        format!("[[limit]]\nname = \"l\"\nwhen = '{asks}'\nkey = []\nrate = \"1/1m\"\nmode = \"monitor\"\n"),
        rule(&format!("{asks} && response.status == 401"), "do = { tag = \"t\" }\nphase = \"response\""),
    ] {
        assert_eq!(verdicts(&World::alone(&text), "/"), [PASS, READ_FIRST, PASS, PASS], "{text}");
    }
    let both =
        format!("{}{}", rule(asks, "mode = \"monitor\"\ndo = { deny = 403 }"), rule(asks, "do = { tag = \"t\" }"));
    assert_eq!(
        verdicts(&World::alone(&both.replacen("\"r\"", "\"q\"", 1)), "/")[3],
        TOO_LONG,
        "one that does not asks too"
    );
}

#[test]
fn keys_and_counts_ask_as_conditions_do() {
    let counter = r#"name = "c"
when = 'request.path == "/login"'
window = "1m"
key = ['request.form("user")']
"#;
    let unique = r#"name = "u"
when = 'request.path == "/login"'
window = "1m"
key = []
of = 'request.form("user")'
"#;
    let limit =
        "name = \"l\"\nwhen = 'request.path == \"/login\"'\nrate = \"1/1m\"\nkey = ['request.form(\"user\")']\n";
    for text in [format!("[[counter]]\n{counter}"), format!("[[unique]]\n{unique}"), format!("[[limit]]\n{limit}")] {
        let world = World::alone(&text);
        assert_eq!(verdicts(&world, "/login"), [PASS, READ_FIRST, PASS, TOO_LONG], "{text}");
        assert_eq!(verdicts(&world, "/"), [PASS; 4], "{text}");
    }
}

#[test]
fn nothing_is_charged_or_counted_before_the_form_is_there() {
    let limit = "[[limit]]\nname = \"l\"\nkey = []\nrate = \"1/1m\"\nburst = 1\n";
    let world = World::alone(&format!("{}{limit}", rule(r#"request.form("user") == "eve""#, "do = { tag = \"t\" }")));
    for _ in 0..3 {
        assert_eq!(decide(&world, "/", Form::Unread).verdict, READ_FIRST);
        assert_eq!(decide(&world, "/", Form::TooLong).verdict, TOO_LONG);
    }
    assert_eq!(decide(&world, "/", Form::Read(b"")).verdict, PASS);
    assert!(matches!(decide(&world, "/", Form::Read(b"")).verdict, Verdict::Limited { .. }));
}

#[test]
fn an_explanation_says_that_a_form_is_too_long() {
    let limit = "[[limit]]\nname = \"l\"\nkey = []\nrate = \"1/1m\"\n";
    let world = World::alone(&format!("{}{limit}", rule(r#"request.form("user") == "eve""#, "do = { tag = \"t\" }")));
    let ask = Ask { method: "POST", ..Ask::default() };
    let head = Head { form: Form::TooLong, ..ask.head() };
    let found = world.filters.explain(&world.config, (&head, head.client), None, &world.store, world.now);
    assert_eq!(found.decision.verdict, TOO_LONG);
    assert_eq!(found.limits[0].outcome, LimitOutcome::NotReached(Reason::FormTooLong));
}
