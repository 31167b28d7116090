//! `selvedge test`: the stories that a config tells of itself, run on made-up state and time.

use std::fmt::Write;
use std::path::PathBuf;

use selvedge_conf::Test;
use serde::Serialize;

use super::check;
use super::page;
use super::render::{Failure, Render};
use crate::admin::report::explanation::{Explanation, Named};
use crate::rehearse::{self, Coverage};

/// What `--help` ends with.
const EXAMPLE: &str = "\
Example:
  selvedge test edge.toml --coverage

Each [[test]] has an empty state and a clock of its own; nothing is bound and nothing is sent.
Exit codes: 0 all passed, 3 some failed, 78 the config cannot be used.";

/// How a run ends in which something failed.
const SOME_FAILED: u8 = 3;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// The config file.
    #[arg(value_name = "FILE", default_value_os_t = super::default_config())]
    config: PathBuf,
    /// Name the tests that passed too.
    #[arg(short, long)]
    verbose: bool,
    /// Name the rules, limits, counters and uniques that no test reaches.
    #[arg(long)]
    coverage: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    passed: usize,
    failed: usize,
    tests: Vec<Told>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<Reach>,
}

/// One test.
#[derive(Debug, Serialize)]
struct Told {
    name: String,
    place: String,
    passed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Wrong>,
}

/// What did not come as expected.
#[derive(Debug, Serialize)]
struct Wrong {
    place: String,
    /// Which of the step's requests, when there are several.
    nth: Option<u32>,
    differences: Vec<String>,
    explanation: Option<Box<Explanation>>,
}

/// What the tests reach.
#[derive(Debug, Serialize)]
struct Reach {
    reached: usize,
    of: usize,
    percent: usize,
    missed: Vec<Missed>,
}

/// Something that no test reaches.
#[derive(Debug, Serialize)]
struct Missed {
    kind: &'static str,
    #[serde(flatten)]
    named: Named,
}

pub(super) fn test(args: &Args) -> Result<Render, Failure> {
    let loaded = check::everything(&args.config)?;
    let tables = loaded.shelf.tables();
    let mut coverage = Coverage::default();
    let tests: Vec<Told> = loaded
        .config
        .tests
        .iter()
        .map(|test| {
            let outcome = rehearse::run(&loaded.config, &tables, test);
            coverage.join(&outcome.coverage);
            told(test, outcome.failure)
        })
        .collect();
    let failed = tests.iter().filter(|test| !test.passed).count();
    let coverage = args.coverage.then(|| {
        let all = coverage.of(&loaded.config);
        let reached = all.iter().filter(|covered| covered.reached).count();
        let missed = all.iter().filter(|covered| !covered.reached);
        let named = |covered: &rehearse::Covered<'_>| Named {
            name: covered.name.to_owned(),
            place: rehearse::place(covered.place),
        };
        Reach {
            reached,
            of: all.len(),
            percent: (reached * 100).checked_div(all.len()).unwrap_or(100),
            missed: missed.map(|covered| Missed { kind: covered.kind, named: named(covered) }).collect(),
        }
    });
    let report = Report { passed: tests.len() - failed, failed, tests, coverage };
    let render = Render::new(text(&report, args.verbose), &report);
    Ok(if failed == 0 { render } else { render.ending(SOME_FAILED) })
}

fn told(test: &Test, failure: Option<rehearse::Failure>) -> Told {
    let wrong = |failure: rehearse::Failure| Wrong {
        place: rehearse::place(&failure.place),
        nth: failure.nth,
        differences: failure.differences,
        explanation: failure.explanation,
    };
    let passed = failure.is_none();
    Told { name: test.name.clone(), place: rehearse::place(&test.place), passed, failure: failure.map(wrong) }
}

fn text(report: &Report, verbose: bool) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for test in &report.tests {
        match &test.failure {
            None if verbose => drop(writeln!(text, "ok    {}  {}", test.name, test.place)),
            None => {}
            Some(failure) => wrong(&mut text, test, failure),
        }
    }
    if let Some(reach) = &report.coverage {
        for Missed { kind, named } in &reach.missed {
            let _ = writeln!(text, "never reached: {kind} {}  {}", named.name, named.place);
        }
        let _ = writeln!(
            text,
            "coverage: {} of {} rules, limits, counters and uniques, {} %",
            reach.reached, reach.of, reach.percent
        );
    }
    let _ = writeln!(text, "{} tests: {} passed, {} failed", report.tests.len(), report.passed, report.failed);
    text
}

fn wrong(text: &mut String, test: &Told, failure: &Wrong) {
    let nth = failure.nth.map(|nth| format!(", request {nth} of the step")).unwrap_or_default();
    let _ = writeln!(text, "FAIL  {}  {}{nth}", test.name, failure.place);
    for difference in &failure.differences {
        let _ = writeln!(text, "      {difference}");
    }
    if let Some(explanation) = &failure.explanation {
        for line in page::page(explanation, "as the test has it").lines() {
            let _ = writeln!(text, "      | {line}");
        }
    }
}
