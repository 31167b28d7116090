//! A request: path, query, a header, a cookie and a form of any bytes, a line each, through rules that read all of them. A path's
//! normal form is its own normal form, and a decision has an end.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::OnceLock;

use http::{HeaderMap, HeaderValue};
use selvedge_conf::Config;
use selvedge_filters::{Filters, Form, Head, Tables, path};
use selvedge_state::{Actor, Incarnation, PopId, Store, StoreConfig, Time};

const RULES: &str = r#"
[listen]
http = ["127.0.0.1:80"]

[origin.app]
servers = ["127.0.0.1:8000"]

[site."*"]
origin = "app"

[[rule]]
name = "asks"
when = '''
request.query["a"] == "1" || request.query.values("b").exists(value, value.contains("x"))
|| request.form("user").lowerAscii().startsWith("r") || request.cookies["c"].matches("^[a-z]+$")
|| request.segments.exists(segment, segment.size() > 40)
'''
do = { deny = 403 }

[[rule]]
name = "rewrites"
when = 'request.headers["x"].split(",").size() > 1'
do = { rewrite = { path = '"/" + request.headers["x"]', query = '"a=" + request.query["a"]' } }
"#;

fn rules() -> &'static Config {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    let read = |_: &Path| io::Result::Ok(RULES.to_owned());
    let load = || selvedge_conf::load(Path::new("edge.toml"), &read, &|_| Ok(Vec::new()), &|_| None);
    CONFIG.get_or_init(|| load().unwrap_or_else(|report| panic!("{}", report.render(false))))
}

/// An edge without peers; what one input charges another one may see, which no decision here depends on.
fn edge() -> &'static (Filters, Store) {
    static EDGE: OnceLock<(Filters, Store)> = OnceLock::new();
    EDGE.get_or_init(|| {
        let (me, incarnation) = (Actor { pop: PopId(1), node: 0 }, Incarnation(1));
        let store = Store::new(StoreConfig {
            me,
            incarnation,
            cluster: "test".to_owned(),
            secret: [3; 16],
            secret_beside: None,
            salt: 0,
            keys_max: 64,
            bans_max: 64,
            roster: 1,
        });
        (Filters::new(rules(), Tables::default(), &store).expect("there is room"), store)
    })
}

pub(crate) fn run(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (raw, query) = (String::from_utf8_lossy(line()), String::from_utf8_lossy(line()));
    let mut headers = HeaderMap::new();
    for name in ["x", "cookie"] {
        if let Ok(value) = HeaderValue::from_bytes(line()) {
            headers.insert(name, value);
        }
    }
    let normal = path::normal(&raw);
    if let Ok(normal) = &normal {
        assert_eq!(path::normal(normal).as_deref(), Ok(&**normal), "a normal form is its own");
    }
    let normal = normal.unwrap_or(Cow::Borrowed("/"));
    let client = IpAddr::from([192, 0, 2, 1]);
    let plain = Head::plain("POST", "www.example.com", &normal, &headers, client);
    let (filters, store) = edge();
    for form in [Form::Unread, Form::Read(line())] {
        let head = Head { raw_path: &raw, query: Some(&query), form, ..plain };
        let _ = filters.decide(&head, store, Time(1_800_000_000_000));
    }
}
