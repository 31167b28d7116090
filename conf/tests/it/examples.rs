//! The example files load, and say what they claim; editors that check them by the schema agree.

use std::path::Path;

use selvedge_conf::expr::Phase;
use selvedge_conf::{Config, IdempotencyMode, KeyPart, Mode, RuleMode, Scope};

fn load(name: &str) -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let env = |name: &str| match name {
        "SELVEDGE_SECRETS" => Some("/run/secrets".to_owned()),
        "APP_HOST" => Some("app.example.net".to_owned()),
        _ => None,
    };
    selvedge_conf::load(&path, &|path| std::fs::read_to_string(path), &|_| Ok(Vec::new()), &env)
        .unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn minimal_is_all_defaults() {
    let config = load("minimal.toml");
    assert_eq!(config.pop.name, "local");
    assert_eq!(config.cluster, None);
    assert_eq!((config.origins.len(), config.sites.len(), config.limits.len()), (1, 1, 0));
}

#[test]
fn edge_writes_the_defaults_out() {
    let (minimal, edge) = (load("minimal.toml"), load("edge.toml"));
    assert_eq!(edge.storage, minimal.storage);
    assert_eq!(edge.listen.bounds, minimal.listen.bounds);
    assert_eq!(edge.listen.threads, minimal.listen.threads);
    assert_eq!(edge.admin, minimal.admin);
    let (written, default) = (&edge.origins[0], &minimal.origins[0]);
    assert_eq!((&written.timeouts, &written.eject), (&default.timeouts, &default.eject));
    assert_eq!((&written.host, written.tls.verify), (&default.host, default.tls.verify));
    assert_eq!(edge.limits[1].scope, Scope::Pop);
    assert_eq!(edge.limits[1].key, [KeyPart::Header("x-api-key".to_owned())]);
    assert_eq!((edge.limits[2].mode, edge.limits[2].measure.tiers()[0].burst), (Mode::Monitor, 60));
}

#[test]
fn cluster_has_its_paths_from_the_environment() {
    let config = load("cluster.toml");
    let cluster = config.cluster.expect("a cluster");
    assert_eq!(cluster.key, Path::new("/run/secrets/fra.key"));
    assert_eq!(cluster.roster, Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/roster.toml"));
    assert_eq!(config.origins[0].servers[0].host, "app.example.net");
}

#[test]
fn rules_uses_every_section_and_every_action() {
    let config = load("rules.toml");
    assert!(config.challenge.is_some());
    assert!(!config.lists.is_empty() && !config.jwts.is_empty() && config.geoip.country.is_some());
    assert!(!config.counters.is_empty() && !config.uniques.is_empty() && !config.limits.is_empty());
    assert!(config.tests.len() >= 5);
    let schema = selvedge_conf::schema();
    let actions = schema["properties"]["rule"]["items"]["properties"]["do"]["properties"].as_object().expect("actions");
    let text = include_str!("../../examples/rules.toml");
    let unused: Vec<&String> = actions.keys().filter(|action| !text.contains(&format!("{action} = "))).collect();
    assert!(unused.is_empty(), "{unused:?}");
    for phase in [Phase::Connection, Phase::Request, Phase::Response] {
        assert!(config.rules.iter().any(|rule| rule.phase == phase), "{phase:?}");
    }
    for mode in [RuleMode::Enforce, RuleMode::Monitor, RuleMode::Off] {
        assert!(config.rules.iter().any(|rule| rule.mode == mode), "{mode:?}");
    }
}

#[test]
fn payments_are_one_customers_for_a_week_and_the_document_says_the_same() {
    let config = load("payments.toml");
    let [policy] = &config.idempotencies[..] else { panic!("one policy") };
    assert_eq!((policy.required, policy.mode, policy.lifetime.as_secs()), (true, IdempotencyMode::Strict, 7 * 86_400));
    assert!(matches!(&policy.key[..], [KeyPart::Value(_, text)] if text == "jwt.shop.claims.sub"), "{:?}", policy.key);
    let example = include_str!("../../examples/payments.toml");
    let document = include_str!("../../../docs/idempotency.md");
    says_the_same(document, example);
}

#[test]
fn a_cart_is_bought_once_while_it_is_whole_and_the_document_says_the_same() {
    let config = load("cart.toml");
    let [policy] = &config.idempotencies[..] else { panic!("one policy") };
    assert!(matches!(&policy.key[..], [KeyPart::Value(_, text)] if text == "session.id"), "{:?}", policy.key);
    let document = include_str!("../../../docs/sessions.md").split("## A cart across POPs").nth(1).expect("a section");
    says_the_same(document, include_str!("../../examples/cart.toml"));
}

/// Whether all of the first config in a document is in an example.
#[track_caller]
fn says_the_same(document: &str, example: &str) {
    let said = document.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a config");
    let said: toml::Table = toml::from_str(said).expect("TOML");
    let whole: toml::Table = toml::from_str(example).expect("TOML");
    for (key, value) in said {
        let within = |value: &toml::Value| match (&whole[&key], value) {
            (toml::Value::Array(whole), toml::Value::Array(part)) => {
                part.iter().all(|part| whole.iter().any(|whole| is_part(part, whole)))
            }
            (whole, part) => is_part(part, whole),
        };
        assert!(within(&value), "{key} is {value} in the document");
    }
}

/// Whether each key of a table is in another one, with the same value.
fn is_part(part: &toml::Value, whole: &toml::Value) -> bool {
    match (part.as_table(), whole.as_table()) {
        (Some(part), Some(whole)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|whole| is_part(value, whole)))
        }
        _ => part == whole,
    }
}

#[test]
fn the_schema_knows_what_expressions_may_name() {
    let schema = selvedge_conf::schema();
    assert_eq!(schema["x-expressions"], selvedge_conf::expr::schema());
    assert!(schema["x-expressions"].to_string().contains("request.path"));
}

fn json(name: &str) -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let text = std::fs::read_to_string(path).expect("the example");
    toml::from_str(&text).expect("TOML")
}

#[test]
fn the_schema_accepts_each_example() {
    let schema = selvedge_conf::schema();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        let instance = json(&name);
        let errors: Vec<String> = validator.iter_errors(&instance).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        seen += 1;
    }
    assert_eq!(seen, 7);
}

#[test]
fn the_schema_refuses_what_the_loader_refuses() {
    let schema = selvedge_conf::schema();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for mistake in [
        "[listen]\nhttp = [8080]",
        "[listen]\nhttp = [\"0.0.0.0:1\"]\nheader_timeout = \"10\"",
        "[lisen]\nhttp = [\"0.0.0.0:1\"]",
        "[[limit]]\nname = \"a\"\nkey = []",
        "[[limit]]\nname = \"a\"\nkey = []\nrate = \"1/1s\"\nscope = \"pops\"",
        "[[limit]]\nname = \"a\"\nkey = []\nrate = \"1/s\"",
        "[origin.app]\nservers = [\"a\"]\ntls = { verfy = true }",
        "[storage]\nmemory = \"1 GB\"",
        "[[rule]]\nname = \"a\"",
        "[[rule]]\nname = \"a\"\ndo = { denny = 403 }",
        "[[rule]]\nname = \"a\"\nphase = \"late\"\ndo = { deny = 403 }",
        "[[rule]]\nname = \"a\"\ndo = { set_response_headers = { a = 1 } }",
        "[[counter]]\nname = \"a\"\nkey = []\nwindow = 60",
        "[list.a]\nkind = \"adresses\"",
        "[jwt.a]\nkeys = \"k.json\"\nalgorithms = [\"none\"]",
        "[[test]]\nname = \"a\"\nstep = [{ request = { url = \"http://a\" } }]",
    ] {
        let instance: serde_json::Value = toml::from_str(mistake).expect("TOML");
        assert!(!validator.is_valid(&instance), "{mistake}");
        assert!(crate::support::load(mistake).is_err(), "{mistake}");
    }
}
