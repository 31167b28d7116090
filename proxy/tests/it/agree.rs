//! `explain` says what the edge does: 10,000 requests at random, each sent over a connection that is kept, each explained by the
//! library from the same config, and both compared. The rules are stateless, so that an empty state is the same state.

use std::fmt::Write;
use std::path::Path;

use fastrand::Rng;
use selvedge::admin::report::explanation::{Answer as Told, Ask, By, Explanation};
use selvedge::edge::NoRequest;
use selvedge::plan::{Ledger, load};
use selvedge::rehearse::{Stage, explain};
use selvedge_state::Time;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, DEADLINE, Edge, Origin, connect_from};

/// Requests in all, and connections that share them; each is another client.
const REQUESTS: usize = 10_000;
const CLIENTS: u8 = 8;
const RULES: usize = 80;
const SEED: u64 = 0x5e1_7ed6e;

const HOSTS: &[&str] = &["www.example.com", "api.example.com", "a.example.org", "WWW.example.com:80", "nobody.example"];
const PATHS: &[&str] = &[
    "/",
    "/a",
    "/a/b",
    "/a/../b",
    "//a//b",
    "/%61/%2e%2e/login",
    "/login",
    "/wp-login.php",
    "/a%2fb",
    "/%zz",
    "/x%00",
    "/old/1",
    "/a/b/c?x=1",
    "/login?user=ann&x=%61",
    "/?x=",
    "/%2561",
];
const AGENTS: &[&str] = &["", "curl/8.0", "Mozilla/5.0", "bot login"];
const COOKIES: &[&str] = &["", "beta=1", "a=b; beta=0", "session=xyz"];
const METHODS: &[&str] = &["GET", "GET", "GET", "POST", "DELETE"];

fn pick<'w>(random: &mut Rng, words: &[&'w str]) -> &'w str {
    words[random.usize(..words.len())]
}

fn term(random: &mut Rng) -> String {
    let path = pick(random, &["/a", "/a/b", "/b", "/login", "/old/1", "/"]);
    match random.u8(..14) {
        0 => format!("request.path == \"{path}\""),
        1 => format!("request.path.startsWith(\"{path}\")"),
        2 => format!("request.host == \"{}\"", pick(random, &["www.example.com", "api.example.com", "a.example.org"])),
        3 => format!("request.method == \"{}\"", pick(random, METHODS)),
        4 => format!("request.headers[\"user-agent\"].contains(\"{}\")", pick(random, &["curl", "login", "Moz"])),
        5 => "client.ip in lists.office".to_owned(),
        6 => "request.path in lists.paths".to_owned(),
        7 => "request.path.containsAny(lists.probes)".to_owned(),
        8 => format!("request.cookies[\"beta\"] == \"{}\"", random.u8(..2)),
        9 => format!("request.query[\"x\"] == \"{}\"", pick(random, &["1", "a", ""])),
        10 => format!("request.segments.size() > {}", random.u8(..3)),
        11 => format!("\"t{}\" in request.tags", random.u8(..3)),
        12 => "request.raw_path != request.path".to_owned(),
        _ => format!("cidr(\"127.0.0.{}/31\").containsIP(client.ip)", random.u8(1..9) & !1),
    }
}

fn condition(random: &mut Rng) -> String {
    let one = term(random);
    match random.u8(..4) {
        0 => format!("{one} && {}", term(random)),
        1 => format!("({one} || {}) && !({})", term(random), term(random)),
        _ => one,
    }
}

fn action(random: &mut Rng, number: usize) -> String {
    match random.u8(..12) {
        0 => format!("deny = {}", random.u16(400..500)),
        1 => format!(
            "redirect = {{ to = '\"https://elsewhere.example/{number}\" + request.path', status = {} }}",
            pick(random, &["301", "302", "307"])
        ),
        2 => "redirect = { to = 'request.headers[\"x-missing\"]' }".to_owned(),
        3 => "allow = true".to_owned(),
        4 => format!("rewrite = {{ path = '\"/r{number}\" + request.path' }}"),
        5 => "origin = \"beta\", cache = { pass = true }".to_owned(),
        6 => format!("set_response_headers = {{ x-r{} = 'request.path + \" {number}\"' }}", number % 4),
        7 => format!("remove_response_headers = [\"x-r{}\"]", number % 4),
        8 => format!("set_request_headers = {{ x-q = '\"{number}\"' }}"),
        _ => format!("tag = \"t{}\"", number % 3),
    }
}

fn config(random: &mut Rng, origins: [&str; 2]) -> String {
    let [app, beta] = origins;
    let mut text = format!(
        "[listen]\nhttp = [\"127.0.0.1:0\"]\n[origin.app]\nservers = [\"{app}\"]\n[origin.beta]\nservers = [\"{beta}\"]\n\
         [site.\"www.example.com\"]\norigin = \"app\"\n[site.\"api.example.com\"]\norigin = \"beta\"\n\
         [site.\"*.example.org\"]\norigin = \"app\"\n\
         [list.office]\nkind = \"addresses\"\nitems = [\"127.0.0.2\", \"127.0.0.6/31\"]\n\
         [list.paths]\nkind = \"strings\"\nitems = [\"/a\", \"/login\"]\n\
         [list.probes]\nkind = \"needles\"\nitems = [\"wp-\", \"old\"]\n"
    );
    for number in 0..RULES {
        let mode = pick(random, &["enforce", "enforce", "enforce", "enforce", "monitor", "off"]);
        let sites = if random.u8(..6) == 0 { "sites = [\"api.example.com\"]\n" } else { "" };
        let (phase, when, does) = if random.u8(..5) == 0 {
            let status = random.u16(400..405);
            let when =
                pick(random, &["response.status < 400", "response.from == \"edge\"", "response.from == \"origin\""]);
            let when = if random.bool() { format!("response.status >= {status}") } else { when.to_owned() };
            ("response", when, format!("set_response_headers = {{ x-r{} = '\"response {number}\"' }}", number % 4))
        } else {
            // Answers are narrow, so that most requests meet more rules than one.
            let does = action(random, number);
            let when = condition(random);
            let narrow = if does.starts_with(['d', 'r', 'a']) { format!("({when}) && {}", term(random)) } else { when };
            ("request", narrow, does)
        };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "[[rule]]\nname = \"r{number}\"\nphase = \"{phase}\"\nmode = \"{mode}\"\n{sites}when = '{when}'\ndo = {{ {does} }}\n"
        );
    }
    text
}

/// A request as it is sent, and as it is explained.
fn request(random: &mut Rng, client: u8) -> (String, Ask) {
    let (method, host, path) = (pick(random, METHODS), pick(random, HOSTS), pick(random, PATHS));
    let body = if method == "POST" { "user=ann" } else { "" };
    let mut headers = Vec::new();
    for (name, value) in [("user-agent", pick(random, AGENTS)), ("cookie", pick(random, COOKIES))] {
        if !value.is_empty() {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    if method == "POST" {
        headers.push(("content-length".to_owned(), body.len().to_string()));
    }
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let sent = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n{body}");
    let ask = Ask {
        method: method.to_owned(),
        url: format!("http://{host}{path}"),
        headers,
        body: body.to_owned(),
        client_ip: [127, 0, 0, client].into(),
        peer_ip: None,
        status: Some(200),
    };
    (sent, ask)
}

/// An origin that says its name and the path it was asked for.
async fn origin(name: &'static str) -> Origin {
    Origin::start(move |request| async move {
        let path = request.path().split('?').next().unwrap_or("").to_owned();
        let body = format!("{name} {path}");
        let length = body.len();
        format!(
            "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .into_bytes()
    })
    .await
}

/// A client's connection, made anew when the edge has closed it.
struct Client {
    number: u8,
    edge: std::net::SocketAddr,
    stream: Option<TcpStream>,
}

impl Client {
    async fn send(&mut self, request: &str) -> Answer {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect_from(self.number, self.edge).await.unwrap(),
        };
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        loop {
            let read = tokio::time::timeout(DEADLINE, stream.read_buf(&mut heard)).await.expect("an answer in time");
            assert!(read.unwrap() > 0, "closed after {:?} to {request:?}", String::from_utf8_lossy(&heard));
            if let Some(answer) = Answer::parse(&heard) {
                if answer.header("connection") != "close" {
                    self.stream = Some(stream);
                }
                return answer;
            }
        }
    }
}

/// What the explanation says of the fields `x-r0` to `x-r3`.
fn fields(told: &Told) -> [String; 4] {
    let mut fields = [const { String::new() }; 4];
    for change in &told.headers {
        for (number, field) in fields.iter_mut().enumerate() {
            if let Some(value) = change.strip_prefix(&format!("x-r{number}: ")) {
                value.clone_into(field);
            } else if *change == format!("x-r{number} removed") {
                field.clear();
            }
        }
    }
    fields
}

fn compare(answer: &Answer, told: &Explanation) {
    let Explanation { answer: told, request, .. } = told;
    let what = format!("{request:?}\n{told:?}\n{}\n{}", answer.head, answer.text());
    assert_eq!(Some(answer.status), told.status, "{what}");
    assert_eq!(answer.header("location"), told.location.as_deref().unwrap_or(""), "{what}");
    let id = answer.header("x-request-id");
    assert!(id.len() == 16 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{what}");
    let came = [0, 1, 2, 3].map(|number| answer.header(&format!("x-r{number}")).to_owned());
    assert_eq!(came, fields(told), "{what}");
    match told.by {
        By::Origin => {
            let expected = format!("{} {}", told.origin.as_deref().unwrap(), told.path.as_deref().unwrap());
            assert_eq!(answer.text(), expected, "{what}");
        }
        By::Edge => assert!(answer.header("via").contains("selvedge-"), "{what}"),
        By::Closed => panic!("{what}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_and_the_edge_agree_on_ten_thousand_requests() {
    let mut random = Rng::with_seed(SEED);
    let (app, beta) = (origin("app").await, origin("beta").await);
    let edge = Edge::with(&config(&mut random, [&app.url(), &beta.url()])).await;
    let path = edge.folder.path().join("selvedge.toml");
    let loaded = load(Path::new(&path), None, Ledger::default()).map_err(|(error, _)| error.text()).unwrap();
    let stage = Stage::new(&loaded.config, loaded.shelf.tables(), 1).unwrap();
    let mut clients: Vec<Client> =
        (1..=CLIENTS).map(|number| Client { number, edge: edge.address(), stream: None }).collect();
    let mut kinds = std::collections::BTreeMap::new();
    for number in 0..REQUESTS {
        let client = &mut clients[number % usize::from(CLIENTS)];
        let (sent, ask) = request(&mut random, client.number);
        let answer = client.send(&sent).await;
        let told = explain(&loaded.config, &stage.filters, &ask, &stage.store, Time(1_800_000_000_000));
        let kind = match told {
            Ok(told) => {
                compare(&answer, &told);
                format!("{:?} {:?}", told.answer.by, told.answer.status.map(|status| status / 100))
            }
            Err(NoRequest::Refused { status, .. }) => {
                assert_eq!(answer.status, status, "{sent}");
                "refused".to_owned()
            }
            Err(NoRequest::Unsendable(why)) => panic!("{why}: {sent}"),
        };
        *kinds.entry(kind).or_insert(0) += 1;
    }
    // Each kind came often enough to mean something.
    for kind in ["Edge Some(3)", "Edge Some(4)", "Origin Some(2)", "refused"] {
        assert!(kinds.get(kind).is_some_and(|times| *times > 100), "{kinds:?}");
    }
}
