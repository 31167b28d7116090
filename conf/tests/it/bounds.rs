//! Each bound of the language: what fits is accepted, one more is refused with one problem that names the bound.

use selvedge_conf::{
    ADDRESSES_MAX, ATTRIBUTES_MAX, BANS_MAX, CACHE_POLICIES_MAX, CERTIFICATES_MAX, CLAIMS_MAX, COUNTERS_MAX,
    COUNTERS_OF_SESSION_MAX, IDEMPOTENCIES_MAX, ITEMS_MAX, JWTS_MAX, KEY_NAMES_MAX, KEY_PARTS_MAX, KEYS_MAX,
    LIMITS_MAX, LISTS_MAX, NOT_DONE_MAX, ORIGINS_MAX, PURGERS_MAX, RULES_MAX, SCOPES_MAX, SERVERS_MAX,
    SESSION_KEYS_MAX, SESSIONS_MAX, SITES_MAX, STEPS_MAX, TESTS_MAX, TOKENS_MAX, TRUSTED_MAX, UNIQUES_MAX,
};

use crate::support::load;

fn list(count: usize, element: impl Fn(usize) -> String) -> String {
    format!("[{}]", (0..count).map(element).collect::<Vec<_>>().join(", "))
}

/// `file` for the bound loads, and for one more says so.
#[track_caller]
fn bounded(bound: usize, file: impl Fn(usize) -> String) {
    if let Err(report) = load(&file(bound)) {
        panic!("{report}");
    }
    let report = load(&file(bound + 1)).expect_err("a report");
    let [problem] = report.problems() else { panic!("{report}") };
    assert!(problem.message.contains(&bound.to_string()), "{report}");
}

fn listen(keys: &str) -> String {
    format!("[listen]\n{keys}\n")
}

fn base(rest: &str) -> String {
    format!("[listen]\nhttp = [\"0.0.0.0:1\"]\n{rest}")
}

#[test]
fn addresses() {
    bounded(ADDRESSES_MAX, |n| listen(&format!("http = {}", list(n, |port| format!("\"0.0.0.0:{}\"", port + 1)))));
    let one = |port: usize| format!("{{ address = \"0.0.0.0:{}\", certificates = [\"a\"] }}", port + 1);
    bounded(ADDRESSES_MAX, |n| listen(&format!("https = {}", list(n, one))));
}

#[test]
fn certificates() {
    let files = |n| list(n, |n| format!("\"{n}.pem\""));
    bounded(CERTIFICATES_MAX, |n| {
        listen(&format!("https = [{{ address = \"0.0.0.0:1\", certificates = {} }}]", files(n)))
    });
}

#[test]
fn trusted_proxies() {
    let nets = |n| list(n, |n| format!("\"10.{}.{}.0/24\"", n / 256, n % 256));
    bounded(TRUSTED_MAX, |n| base(&format!("trusted_proxies = {}", nets(n))));
}

#[test]
fn sessions() {
    let site = |n| {
        format!("[site.\"{n}.example\"]\norigin = \"app\"\n[session.s{n}]\nkeys = [\"a\"]\nsites = [\"{n}.example\"]\n")
    };
    let sites = |n| (0..n).map(site).collect::<String>();
    bounded(SESSIONS_MAX, |n| base(&format!("[origin.app]\nservers = [\"a:1\"]\n{}", sites(n))));
    let one = |keys: &str| base(&format!("[session.web]\n{keys}\n"));
    bounded(SESSION_KEYS_MAX, |n| one(&format!("keys = {}", list(n, |n| format!("\"{n}.key\"")))));
    let keys = "keys = [\"a\"]";
    let each = |n| (0..n).map(|n| format!("a{n} = \"int\"")).collect::<Vec<_>>().join(", ");
    bounded(ATTRIBUTES_MAX, |n| one(&format!("{keys}\nattributes = {{ {} }}", each(n))));
    bounded(COUNTERS_OF_SESSION_MAX, |n| one(&format!("{keys}\ncounters = {}", list(n, |n| format!("\"c{n}\"")))));
}

#[test]
fn idempotency_policies_and_their_statuses() {
    let state = base("[storage]\nstate = \"state\"\n");
    let one = |nth: usize| format!("[[idempotency]]\nname = \"p{nth}\"\n");
    bounded(IDEMPOTENCIES_MAX, |n| format!("{state}{}", (0..n).map(one).collect::<String>()));
    bounded(NOT_DONE_MAX, |n| format!("{state}{}not_done = {}", one(0), list(n, |nth| (500 + nth).to_string())));
}

#[test]
fn purgers() {
    let nets = |n| list(n, |n| format!("\"10.{}.{}.0/24\"", n / 256, n % 256));
    bounded(PURGERS_MAX, |n| base(&format!("[purge]\nfrom = {}", nets(n))));
}

#[test]
fn tokens_that_purge() {
    let token = |n| format!("[[purge.token]]\nname = \"t{n}\"\nsecret = \"{n}.key\"\n");
    bounded(TOKENS_MAX, |n| base(&(0..n).map(token).collect::<String>()));
    for (scope, kind) in [("hosts = ", "url"), ("paths = ", "url"), ("tags = ", "tag")] {
        let one = |n| if kind == "url" && scope.starts_with('p') { format!("\"/{n}\"") } else { format!("\"s{n}\"") };
        let scope = |n| format!("{}kinds = [\"{kind}\"]\n{scope}{}\n", token(0), list(n, one));
        bounded(SCOPES_MAX, |n| base(&scope(n)));
    }
}

#[test]
fn servers() {
    bounded(SERVERS_MAX, |n| base(&format!("[origin.a]\nservers = {}", list(n, |n| format!("\"s{n}:1\"")))));
}

#[test]
fn origins() {
    bounded(ORIGINS_MAX, |n| {
        base(&(0..n).map(|n| format!("[origin.o{n}]\nservers = [\"a:1\"]\n")).collect::<String>())
    });
}

#[test]
fn sites() {
    let sites = |n| (0..n).map(|n| format!("[site.s{n}]\norigin = \"a\"\n")).collect::<String>();
    bounded(SITES_MAX, |n| base(&format!("[origin.a]\nservers = [\"a:1\"]\n{}", sites(n))));
}

#[test]
fn limits() {
    let one = |n| format!("[[limit]]\nname = \"l{n}\"\nkey = []\nrate = \"1/1s\"\n");
    bounded(LIMITS_MAX, |n| base(&(0..n).map(one).collect::<String>()));
}

#[test]
fn cache_policies() {
    let one = |n| format!("[[cache]]\nname = \"c{n}\"\npass = true\n");
    bounded(CACHE_POLICIES_MAX, |n| base(&(0..n).map(one).collect::<String>()));
    let names = |n| list(n, |n| format!("\"x{n}\""));
    for key in [
        "key = { headers = NAMES }",
        "key = { cookies = NAMES }",
        "vary = { ignore = NAMES }",
        "tags = NAMES",
        "key = { query = { only = NAMES } }",
    ] {
        bounded(KEY_NAMES_MAX, |n| base(&format!("[[cache]]\nname = \"c\"\n{}\n", key.replace("NAMES", &names(n)))));
    }
}

#[test]
fn rules() {
    let one = |n| format!("[[rule]]\nname = \"r{n}\"\ndo = {{ log = true }}\n");
    bounded(RULES_MAX, |n| base(&(0..n).map(one).collect::<String>()));
}

#[test]
fn counters_and_uniques() {
    let counter = |n| format!("[[counter]]\nname = \"c{n}\"\nkey = []\nwindow = \"1m\"\n");
    bounded(COUNTERS_MAX, |n| base(&(0..n).map(counter).collect::<String>()));
    let unique = |n| format!("[[unique]]\nname = \"u{n}\"\nof = 'request.path'\nkey = []\nwindow = \"1m\"\n");
    bounded(UNIQUES_MAX, |n| base(&(0..n).map(unique).collect::<String>()));
}

#[test]
fn lists_and_their_items() {
    let one = |n| format!("[list.l{n}]\nkind = \"strings\"\n");
    bounded(LISTS_MAX, |n| base(&(0..n).map(one).collect::<String>()));
    let items = |n| list(n, |n| format!("\"i{n}\""));
    bounded(ITEMS_MAX, |n| base(&format!("[list.l]\nkind = \"strings\"\nitems = {}\n", items(n))));
}

#[test]
fn issuers_and_their_claims() {
    let one = |n| format!("[jwt.j{n}]\nkeys = \"k.json\"\nalgorithms = [\"RS256\"]\n");
    bounded(JWTS_MAX, |n| base(&(0..n).map(one).collect::<String>()));
    let claims = |n: usize| (0..n).map(|n| format!("c{n} = \"int\"\n")).collect::<String>();
    bounded(CLAIMS_MAX, |n| {
        base(&format!("[jwt.j]\nkeys = \"k.json\"\nalgorithms = [\"RS256\"]\n[jwt.j.claims]\n{}", claims(n)))
    });
}

#[test]
fn tests_and_their_parts() {
    const WITHIN_MAX: usize = 100;
    let request = "request = { url = \"http://a\" }\nexpect = { status = 200 }\n";
    let one = |n| format!("[[test]]\nname = \"t{n}\"\n{request}");
    bounded(TESTS_MAX, |n| base(&(0..n).map(one).collect::<String>()));
    bounded(STEPS_MAX, |n| base(&format!("[[test]]\nname = \"t\"\n{}", format!("[[test.step]]\n{request}").repeat(n))));
    let given = |n| list(n, |n| format!("{{ ban = \"10.0.0.{n}\", for = \"1m\" }}"));
    bounded(WITHIN_MAX, |n| base(&format!("[[test]]\nname = \"t\"\ngiven = {}\n{request}", given(n))));
    let headers = |n: usize| (0..n).map(|n| format!("h{n} = \"\"\n")).collect::<String>();
    bounded(WITHIN_MAX, |n| {
        base(&format!(
            "[[test]]\nname = \"t\"\nexpect = {{ status = 200 }}\n[test.request]\nurl = \"http://a\"\n[test.request.headers]\n{}",
            headers(n)
        ))
    });
    for key in ["tags", "monitored"] {
        let names = |n| list(n, |_| "\"r\"".to_owned());
        bounded(WITHIN_MAX, |n| {
            base(&format!(
                "[[rule]]\nname = \"r\"\ndo = {{ log = true }}\n[[test]]\nname = \"t\"\nrequest = {{ url = \"http://a\" }}\nexpect = {{ {key} = {} }}\n",
                names(n)
            ))
        });
    }
    bounded(10_000, |n| base(&format!("[[test]]\nname = \"t\"\n[[test.step]]\ntimes = {n}\n{request}")));
    bounded(1_000_000, |n| {
        base(&format!(
            "[[counter]]\nname = \"c\"\nkey = []\nwindow = \"1m\"\n[[test]]\nname = \"t\"\ngiven = [{{ count = \"c\", n = {n} }}]\n{request}"
        ))
    });
}

#[test]
fn key_parts() {
    let part = |n| format!("'request.headers[\"x-{n}\"]'");
    bounded(KEY_PARTS_MAX, |n| base(&format!("[[limit]]\nname = \"l\"\nkey = {}\nrate = \"1/1s\"\n", list(n, part))));
}

#[test]
fn steps_of_a_penalty() {
    let penalty =
        |n| format!("penalty = {{ after = 1, within = \"1m\", ban = {} }}", list(n, |n| format!("\"{}m\"", n + 1)));
    let limit = "[[limit]]\nname = \"l\"\nkey = [\"client.ip\"]\nrate = \"1/1s\"\n";
    bounded(BANS_MAX, |n| base(&format!("{limit}{}", penalty(n))));
}

#[test]
fn keys_and_bans() {
    let (sessions, keys) = (["sessions_max", "revocations_max"], ["keys_max", "idempotency_keys_max"]);
    for key in ["bans_max", "uniques_max", "lists_max", "ledgers_max"].into_iter().chain(sessions).chain(keys) {
        bounded(KEYS_MAX, |n| base(&format!("[storage]\n{key} = {n}\n")));
        assert!(load(&base(&format!("[storage]\n{key} = 0\n"))).is_err());
    }
}

#[test]
fn the_file() {
    const FILE_MAX: usize = 8 * 1024 * 1024;
    bounded(FILE_MAX, |n| {
        let mut text = base("");
        text.push_str(&"#".repeat(n - text.len()));
        text
    });
}
