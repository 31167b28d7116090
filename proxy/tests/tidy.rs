//! The house rules that a compiler does not check: which crate may know which, what the pure crates must never say, and how
//! long files and functions may be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The crates whose sources are held to the rules, by folder.
const CRATES: [&str; 7] = ["conf", "state", "state/tests/sim", "filters", "filters/tests/sim", "proxy", "bench"];

/// What only the world outside the pure crates may say. Each with the reason that is printed.
const IMPURE: [(&str, &str); 14] = [
    ("tokio::", "the pure crates are synchronous"),
    ("pingora", "only proxy knows Pingora"),
    ("Instant::now", "time is a parameter"),
    ("SystemTime::now", "time is a parameter"),
    ("std::net::Tcp", "sockets belong to proxy"),
    ("std::net::Udp", "sockets belong to proxy"),
    ("std::os::", "the system belongs to proxy"),
    ("std::fs", "files belong to proxy"),
    ("std::env::", "the environment belongs to proxy"),
    ("std::thread", "threads belong to proxy"),
    ("println!", "output belongs to proxy"),
    ("getrandom", "randomness is injected"),
    ("tracing::", "logs belong to proxy"),
    ("prometheus", "metrics belong to proxy"),
];

/// Lines of one file, and of one function, at most.
const FILE_MAX: usize = 600;
const FUNCTION_MAX: usize = 70;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a folder's entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A source without comments and without its unit tests.
fn product(text: &str) -> String {
    let cut = text.find("\n#[cfg(test)]").map_or(text, |end| &text[..end]);
    cut.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn dependencies(name: &str, section: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(name).join("Cargo.toml")).expect("a manifest");
    let manifest: toml::Table = text.parse().expect("TOML");
    manifest.get(section).and_then(toml::Value::as_table).map_or(Vec::new(), |table| table.keys().cloned().collect())
}

#[test]
fn arrows_between_crates_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("conf", &[][..]),
        ("state", &[][..]),
        ("filters", &["selvedge-conf", "selvedge-state"][..]),
        ("proxy", &["selvedge-conf", "selvedge-filters", "selvedge-state"][..]),
        ("bench", &["selvedge-conf", "selvedge-filters", "selvedge-purge-sim", "selvedge-sim", "selvedge-state"][..]),
        ("state/tests/sim", &["selvedge-state"][..]),
        ("filters/tests/sim", &["selvedge-filters", "selvedge-sim", "selvedge-state"][..]),
    ]);
    for name in CRATES {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for dependency in dependencies(name, section).iter().filter(|dependency| dependency.starts_with("selvedge"))
            {
                let of_tests = match name {
                    _ if section != "dev-dependencies" => &[][..],
                    "state" => &["selvedge-sim"],
                    "filters" => &["selvedge-sim", "selvedge-purge-sim"],
                    _ => &[],
                };
                if of_tests.contains(&dependency.as_str()) {
                    // The simulated clusters that their tests drive.
                    continue;
                }
                assert!(allowed[name].contains(&dependency.as_str()), "{name} must not know {dependency}");
            }
        }
    }
}

#[test]
fn pure_crates_know_nothing_of_the_world() {
    let worldly = ["tokio", "pingora", "axum", "hyper", "prometheus", "tracing", "socket2", "getrandom", "rustls"];
    for name in ["conf", "state", "filters"] {
        for dependency in dependencies(name, "dependencies") {
            assert!(!worldly.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
        for path in sources(&root().join(name).join("src")) {
            let text = product(&fs::read_to_string(&path).expect("a source"));
            for (word, reason) in IMPURE {
                assert!(!text.contains(word), "{} says {word:?}: {reason}", path.display());
            }
        }
    }
}

#[test]
fn metrics_and_logs_are_named_in_one_room() {
    for path in sources(&root().join("proxy/src")) {
        let text = product(&fs::read_to_string(&path).expect("a source"));
        let inside = path.starts_with(root().join("proxy/src/observe"));
        for word in ["tracing::", "IntCounter", "Histogram"] {
            assert!(inside || !text.contains(word), "{} says {word:?}: it belongs to observe", path.display());
        }
    }
}

#[test]
fn the_adapter_stays_thin_and_decides_nothing() {
    let path = root().join("proxy/src/edge/adapter.rs");
    let text = fs::read_to_string(&path).expect("the adapter");
    assert!(text.lines().count() < 300, "the adapter has {} lines", text.lines().count());
    for word in ["max-age", "s-maxage", "no-store", "RateLimit", "burst"] {
        assert!(!text.contains(word), "the adapter names {word:?}, which is a decision's business");
    }
}

#[test]
fn every_file_opens_with_its_idea_and_is_short() {
    let mut lengths = Vec::new();
    for name in CRATES {
        for path in sources(&root().join(name).join("src")) {
            let text = fs::read_to_string(&path).expect("a source");
            let lines = text.lines().count();
            assert!(text.starts_with("//!"), "{} does not open with its idea", path.display());
            assert!(lines <= FILE_MAX, "{} has {lines} lines", path.display());
            lengths.push(lines);
        }
    }
    lengths.sort_unstable();
    let at = |part: usize| lengths[lengths.len() * part / 10];
    assert!(at(5) <= 200, "the median file has {} lines", at(5));
    assert!(at(9) <= 400, "one file in ten has more than {} lines", at(9));
}

#[test]
fn functions_are_short() {
    for name in CRATES {
        for path in sources(&root().join(name).join("src")) {
            let text = fs::read_to_string(&path).expect("a source");
            for (start, length) in functions(&product(&text)) {
                assert!(length <= FUNCTION_MAX, "{}: {start:?} has {length} lines", path.display());
            }
        }
    }
}

/// The first line and the length of every function, by indentation: rustfmt closes a function where it opened it.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let opens = ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn ", "async fn ", "pub async fn ", "const fn "];
        if !opens.iter().any(|open| code.starts_with(open)) {
            continue;
        }
        let indent = &line[..line.len() - code.len()];
        let close = format!("{indent}}}");
        if let Some(length) = lines[index..].iter().position(|line| *line == close) {
            found.push((code.to_owned(), length + 1));
        }
    }
    found
}

#[test]
fn the_rules_can_fail() {
    assert!(product("use tokio::net;\n").contains("tokio::"));
    assert!(!product("// tokio::net\n#[cfg(test)]\nuse tokio::net;").contains("tokio::"));
    let text = "fn long() {\n    a();\n    b();\n}\n";
    assert_eq!(functions(text), [("fn long() {".to_owned(), 4)]);
}

#[test]
fn the_project_speaks_of_itself_alone() {
    let text = fs::read_to_string(root().join("README.md")).expect("the README");
    assert!(text.contains("make demo") && text.contains("make test"), "the README's two commands");
}
