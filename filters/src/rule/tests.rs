//! Conditions against requests: by example, and against a slow evaluation of the same tree.

use std::cmp::Ordering;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use proptest::prelude::*;
use selvedge_conf::expr::{self, Comparison, Expr, Field, Kind, Method, Span, Type};

use super::Predicate;
use crate::head::Head;

struct Request {
    method: &'static str,
    host: &'static str,
    path: String,
    headers: HeaderMap,
    client: IpAddr,
}

impl Request {
    fn get(path: &str) -> Request {
        let client = "192.0.2.7".parse().unwrap();
        Request { method: "GET", host: "www.example.com", path: path.to_owned(), headers: HeaderMap::new(), client }
    }

    fn from(client: &str) -> Request {
        Request { client: client.parse().unwrap(), ..Request::get("/") }
    }

    fn with(mut self, name: &'static str, value: &'static [u8]) -> Request {
        self.headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        self
    }

    fn head(&self) -> Head<'_> {
        Head {
            method: self.method,
            host: self.host,
            path: &self.path,
            query: None,
            headers: &self.headers,
            client: self.client,
        }
    }
}

#[track_caller]
fn holds(condition: &str, request: &Request) -> bool {
    let checked = expr::parse(condition).unwrap_or_else(|errors| panic!("{condition}: {errors:?}"));
    Predicate::compile(&checked).matches(&request.head())
}

#[test]
fn fields_are_read() {
    let request = Request::get("/login");
    assert!(holds(r#"request.method == "GET""#, &request));
    assert!(holds(r#"request.host == "www.example.com""#, &request));
    assert!(holds(r#"request.path == "/login""#, &request));
    assert!(holds(r#"client.ip == ip("192.0.2.7")"#, &request));
    assert!(holds(r#"client.net == cidr("192.0.2.7/32")"#, &request));
    assert!(holds(r#"client.net == cidr("2001:db8:1:2::/64")"#, &Request::from("2001:db8:1:2:3::4")));
}

#[test]
fn a_mapped_address_is_its_ipv4_address() {
    let request = Request::from("::ffff:192.0.2.7");
    assert!(holds(r#"client.ip == ip("192.0.2.7") && client.ip in cidr("192.0.2.0/24")"#, &request));
}

#[test]
fn an_absent_header_is_empty() {
    let request = Request::get("/").with("user-agent", b"bot/1").with("x-raw", b"\xff");
    assert!(holds(r#"request.headers["User-Agent"] == "bot/1""#, &request));
    assert!(holds(r#"request.headers["x-absent"] == """#, &request));
    assert!(holds(r#"!request.headers["x-absent"].contains("a")"#, &request));
    assert!(holds(r#"request.headers["x-raw"] == """#, &request));
}

#[test]
fn strings_have_methods_and_an_order() {
    let request = Request::get("/a/bü");
    assert!(holds(
        r#"request.path.startsWith("/a/") && request.path.endsWith("ü") && request.path.contains("/b")"#,
        &request
    ));
    assert!(!holds(r#"request.path.startsWith("a")"#, &request));
    assert!(!holds(r#"request.path.endsWith("/a")"#, &request));
    assert!(!holds(r#"request.path.contains("B")"#, &request));
    assert!(holds("request.path.size() == 5 && request.path.size() in [1, 5]", &request));
    assert!(holds(r#"request.path > "/a/b" && request.path <= "/a/bü" && "/" < request.path"#, &request));
}

#[test]
fn membership() {
    let request = Request::from("10.1.2.3");
    assert!(holds(r#"request.method in ["HEAD", "GET"]"#, &request));
    assert!(!holds(r#"request.method in ["HEAD", "get"]"#, &request));
    assert!(holds(r#"client.ip in cidr("10.0.0.0/8")"#, &request));
    assert!(holds(r#"client.ip in [cidr("2001:db8::/32"), cidr("10.0.0.0/8")]"#, &request));
    assert!(!holds(r#"client.ip in [cidr("2001:db8::/32"), cidr("11.0.0.0/8")]"#, &request));
    assert!(holds(r#"client.ip in [ip("10.1.2.2"), ip("10.1.2.3")]"#, &request));
    assert!(holds(r#"cidr("10.0.0.0/8").containsIP(client.ip) && client.net.containsIP(client.ip)"#, &request));
    assert!(!holds(r#"client.ip in cidr("0.0.0.0/0")"#, &Request::from("2001:db8::1")));
}

#[test]
fn truth_values() {
    let request = Request::get("/");
    for (condition, expected) in [
        ("true", true),
        ("!true || false", false),
        ("true && true && false", false),
        ("false || false || true", true),
        // `&&` binds tighter than `||`.
        ("true || false && false", true),
        ("(true || false) && false", false),
        ("(1 < 2) == true", true),
        ("true != false", true),
        ("1 <= 1 && -1 < 0 && 2 >= 3", false),
    ] {
        assert_eq!(holds(condition, &request), expected, "{condition}");
    }
}

#[test]
fn a_tree_that_is_no_condition_never_holds() {
    let span = Span { start: 0, end: 0 };
    let text = || Expr { kind: Kind::String("x".to_owned()), ty: Type::String, span };
    let request = Request::get("/");
    let not_bool = Predicate::compile(&text());
    let negated = Expr { kind: Kind::Not(Box::new(text())), ty: Type::Bool, span };
    assert!(!not_bool.matches(&request.head()));
    assert!(!Predicate::compile(&negated).matches(&request.head()));
}

/// A value of the slow evaluation.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Value {
    Bool(bool),
    Int(i64),
    Text(String),
    Ip(IpAddr),
    Net(IpNet),
    List(Vec<Value>),
}

/// Walks the tree with owned values, by the definition of each operation.
fn slow(expr: &Expr, request: &Request) -> Value {
    let truth = |expr: &Expr| slow(expr, request) == Value::Bool(true);
    let head = request.head();
    match &expr.kind {
        Kind::Bool(value) => Value::Bool(*value),
        Kind::Int(value) => Value::Int(*value),
        Kind::String(value) => Value::Text(value.clone()),
        Kind::Ip(value) => Value::Ip(*value),
        Kind::Cidr(value) => Value::Net(*value),
        Kind::List(elements) => Value::List(elements.iter().map(|element| slow(element, request)).collect()),
        Kind::Field(Field::Method) => Value::Text(head.method.to_owned()),
        Kind::Field(Field::Host) => Value::Text(head.host.to_owned()),
        Kind::Field(Field::Path) => Value::Text(head.path.to_owned()),
        Kind::Field(Field::ClientIp) => Value::Ip(head.client),
        Kind::Field(Field::ClientNet) => Value::Net(head.client_net()),
        Kind::Header(name) => {
            let value = request.headers.get(name).and_then(|value| value.to_str().ok());
            Value::Text(value.unwrap_or_default().to_owned())
        }
        Kind::Not(operand) => Value::Bool(!truth(operand)),
        Kind::And(terms) => Value::Bool(terms.iter().filter(|term| !truth(term)).count() == 0),
        Kind::Or(terms) => Value::Bool(terms.iter().filter(|term| truth(term)).count() > 0),
        Kind::Compare(comparison, left, right) => {
            let (left, right) = (slow(left, request), slow(right, request));
            Value::Bool(match comparison {
                Comparison::Equal => left == right,
                Comparison::NotEqual => left != right,
                Comparison::Less => left < right,
                Comparison::LessOrEqual => right.partial_cmp(&left) != Some(Ordering::Less),
                Comparison::Greater => right < left,
                Comparison::GreaterOrEqual => left.partial_cmp(&right) != Some(Ordering::Less),
            })
        }
        Kind::In(item, set) => Value::Bool(member(&slow(item, request), &slow(set, request))),
        Kind::Call(method, target, arguments) => {
            let arguments: Vec<Value> = arguments.iter().map(|argument| slow(argument, request)).collect();
            called(*method, &slow(target, request), &arguments)
        }
    }
}

fn member(item: &Value, set: &Value) -> bool {
    match set {
        Value::List(members) => {
            members.iter().any(|one| one == item || matches!(one, Value::Net(_)) && member(item, one))
        }
        Value::Net(net) => matches!(item, Value::Ip(address) if net.contains(address)),
        _ => panic!("{set:?} has no members"),
    }
}

fn called(method: Method, target: &Value, arguments: &[Value]) -> Value {
    match (method, target, arguments) {
        (Method::Size, Value::Text(text), []) => Value::Int(text.chars().count() as i64),
        (Method::StartsWith, Value::Text(text), [Value::Text(part)]) => {
            Value::Bool(text.find(part.as_str()) == Some(0))
        }
        (Method::EndsWith, Value::Text(text), [Value::Text(part)]) => {
            Value::Bool(text.strip_suffix(part.as_str()).is_some())
        }
        (Method::Contains, Value::Text(text), [Value::Text(part)]) => {
            Value::Bool(text.split(part.as_str()).count() > 1)
        }
        (Method::ContainsIp, net @ Value::Net(_), [address]) => Value::Bool(member(address, net)),
        other => panic!("{other:?}"),
    }
}

fn texts() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "request.method",
        "request.host",
        "request.path",
        r#"request.headers["x-a"]"#,
        r#"request.headers["x-b"]"#,
        r#""""#,
        r#""a""#,
        r#""/a""#,
        r#""GET""#,
        r#""ü""#,
        r#""www.example.com""#,
    ])
    .prop_map(str::to_owned)
}

fn networks() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "client.net",
        r#"cidr("10.0.0.0/8")"#,
        r#"cidr("10.1.0.0/16")"#,
        r#"cidr("2001:db8::/32")"#,
        r#"cidr("10.1.2.3")"#,
    ])
    .prop_map(str::to_owned)
}

fn addresses() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["client.ip", r#"ip("10.1.2.3")"#, r#"ip("2001:db8::1")"#]).prop_map(str::to_owned)
}

fn numbers() -> impl Strategy<Value = String> {
    prop_oneof![(-3i64..8).prop_map(|n| n.to_string()), texts().prop_map(|text| format!("{text}.size()"))]
}

fn conditions() -> impl Strategy<Value = String> {
    let comparison = || prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let equality = || prop::sample::select(vec!["==", "!="]);
    let method = prop::sample::select(vec!["startsWith", "endsWith", "contains"]);
    let list = |members: Vec<String>| format!("[{}]", members.join(", "));
    let leaf = prop_oneof![
        prop::sample::select(vec!["true", "false"]).prop_map(str::to_owned),
        (texts(), comparison(), texts()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (numbers(), comparison(), numbers()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (texts(), method, texts()).prop_map(|(a, method, b)| format!("{a}.{method}({b})")),
        (addresses(), equality(), addresses()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (networks(), equality(), networks()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (networks(), addresses()).prop_map(|(a, b)| format!("{a}.containsIP({b})")),
        (addresses(), networks()).prop_map(|(a, b)| format!("{a} in {b}")),
        (addresses(), prop::collection::vec(networks(), 1..4)).prop_map(move |(a, b)| format!("{a} in {}", list(b))),
        (addresses(), prop::collection::vec(addresses(), 1..4)).prop_map(move |(a, b)| format!("{a} in {}", list(b))),
        (texts(), prop::collection::vec(texts(), 1..4)).prop_map(move |(a, b)| format!("{a} in {}", list(b))),
        (numbers(), prop::collection::vec(numbers(), 1..4)).prop_map(move |(a, b)| format!("{a} in {}", list(b))),
    ];
    leaf.prop_recursive(4, 24, 3, move |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("!({a})")),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|terms| format!("({})", terms.join(" && "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|terms| format!("({})", terms.join(" || "))),
            (inner.clone(), inner, equality()).prop_map(|(a, b, op)| format!("({a}) {op} ({b})")),
        ]
    })
}

fn requests() -> impl Strategy<Value = Request> {
    let path = prop::sample::select(vec!["/", "/a", "/aü", "a", "", "GET"]);
    let client = prop::sample::select(vec!["10.1.2.3", "10.2.0.1", "192.0.2.1", "2001:db8::1", "2001:db9::1"]);
    let header = || prop::option::of(prop::sample::select(vec!["", "a", "/a", "GET"]));
    (path, client, header(), header(), any::<bool>()).prop_map(|(path, client, a, b, post)| {
        let mut request = Request { path: path.to_owned(), ..Request::from(client) };
        request.method = if post { "POST" } else { "GET" };
        if let Some(a) = a {
            request = request.with("x-a", a.as_bytes());
        }
        if let Some(b) = b {
            request = request.with("x-b", b.as_bytes());
        }
        request
    })
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.head())
    }
}

proptest! {
    #[test]
    fn compiled_and_slow_evaluation_agree(condition in conditions(), request in requests()) {
        let checked = expr::parse(&condition).map_err(|errors| TestCaseError::fail(format!("{condition}: {errors:?}")))?;
        let compiled = Predicate::compile(&checked).matches(&request.head());
        prop_assert_eq!(Value::Bool(compiled), slow(&checked, &request), "{}", condition);
    }
}

#[test]
fn a_predicate_crosses_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<Predicate>();
}
