//! A program that loads never fails: whatever is well typed, asked about whatever comes, has a value or none.

use proptest::prelude::*;

use super::generate::generate_with_fields;
use super::world::World;

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, cases: 256, ..ProptestConfig::default() }
}

/// Values that are empty, strange, long, encoded, or what expressions look for.
fn values() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(vec![
            &b""[..],
            b"a",
            b"abc",
            b"aBc,b",
            b"12",
            b"-7",
            b"true",
            b"192.0.2.1",
            b"10.0.0.0/8"
        ])
        .prop_map(<[u8]>::to_vec),
        prop::sample::select(vec![&b"1h30m"[..], b"2026-02-28T23:59:59Z", b"a=b; c=d", b"Bearer good", b"%41+%zz%ff"])
            .prop_map(<[u8]>::to_vec),
        prop::collection::vec(prop_oneof![32_u8..127, 128_u8..=255, Just(b'\t')], 0..40),
    ]
}

fn worlds() -> impl Strategy<Value = World> {
    let names = ["user-agent", "x-a", "cookie", "authorization", "content-length"];
    let headers = prop::collection::vec((prop::sample::select(names.to_vec()), values()), 0..6);
    let client = prop_oneof![
        any::<[u8; 4]>().prop_map(std::net::IpAddr::from),
        any::<[u8; 16]>().prop_map(std::net::IpAddr::from),
        prop::sample::select(vec!["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "::", "255.255.255.255"])
            .prop_map(|text| text.parse().unwrap()),
    ];
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let answer = prop::option::of((100_u16..600, prop::sample::select(vec!["text/html", ""])));
    let now = prop_oneof![Just(0), any::<u64>(), Just(1_800_000_000_000_u64)];
    (
        headers,
        client,
        values().prop_map(text),
        prop::option::of(values().prop_map(text)),
        prop::option::of(values()),
        answer,
        now,
    )
        .prop_map(|(headers, client, path, query, form, answer, now)| {
            let mut world = World { path, query, form, client, now: selvedge_state::Time(now), ..World::default() };
            for (name, value) in headers {
                world = world.with(name, &value);
            }
            match answer {
                Some((status, kind)) => world.answered(status, &[("content-type", kind)]),
                None => world,
            }
        })
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.context().head)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_loads_never_fails(world in worlds(), seed in any::<u64>()) {
        let mut loaded = 0;
        for seed in (0..64).map(|n| seed.wrapping_add(n)) {
            let text = generate_with_fields(seed);
            let Ok(program) = world.compile(&text) else { continue };
            loaded += 1;
            let context = world.context();
            let holds = program.holds(&context);
            let value = program.value(&context);
            let again = program.value(&context);
            prop_assert_eq!(holds, value == Some(selvedge_filters::rule::Value::Bool(true)), "{}", &text);
            prop_assert_eq!(format!("{value:?}"), format!("{again:?}"), "{}", &text);
            let key = value.map(|value| value.key().as_slice().to_vec());
            prop_assert_eq!(key, again.map(|value| value.key().as_slice().to_vec()), "{}", &text);
        }
        prop_assert!(loaded > 32, "only {} of 64 load", loaded);
    }

    /// A literal has quick steps; the same text taken out of a list goes the general way.
    #[test]
    fn quick_and_general_steps_agree(
        world in worlds(),
        field in prop::sample::select(vec![
            "request.method", "request.path", "request.raw_query", r#"request.headers["x-a"]"#,
            r#"request.headers["user-agent"]"#, r#"request.cookies["a"]"#, r#"request.query["a"]"#, r#"response.headers["content-type"]"#,
            r#"request.form("a")"#, "client.city",
        ]),
        word in prop::sample::select(vec!["", "a", "b", "abc", "GET", "/", "ü", "12", "text/html", "Köln"]),
    ) {
        let literal = format!("\"{word}\"");
        let hidden = format!("[\"{word}\"][0]");
        for shape in [
            "$F == $W", "$W == $F", "$F != $W", "$W != $F", "$F in [$W]", "$F in [$W, \"zzz\"]", "$F.startsWith($W)", "$F.endsWith($W)", "$F.contains($W)",
            "$F in [\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"9\", $W]", "!$F.contains($W)",
        ] {
            let written = |word: &str| shape.replace("$F", field).replace("$W", word);
            // What no path is, is refused as a literal.
            if field == "request.path" && world.compile(&written(&literal)).is_err() {
                continue;
            }
            let asked = |word: &str| world.holds(&written(word));
            prop_assert_eq!(asked(&literal), asked(&hidden), "{} {} {}", shape, field, word);
        }
    }

    #[test]
    fn quick_and_general_networks_agree(
        world in worlds(),
        nets in prop::collection::vec(prop::sample::select(vec![
            "192.0.2.0/24", "192.0.2.7/32", "0.0.0.0/0", "::/0", "2001:db8::/32", "10.0.0.0/8", "128.0.0.0/1", "8000::/1", "255.255.255.255/32",
        ]), 1..20),
    ) {
        let list = |wrap: &dyn Fn(&str) -> String| nets.iter().map(|net| wrap(net)).collect::<Vec<_>>().join(", ");
        let quick = format!("client.ip in [{}]", list(&|net| format!("cidr(\"{net}\")")));
        let general = format!("[{}].exists(net, client.ip in net)", list(&|net| format!("cidr(\"{net}\")")));
        prop_assert_eq!(world.holds(&quick), world.holds(&general), "{}", quick);
    }
}
