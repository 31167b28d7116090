//! An expression, asked in each phase with the names of a config that declares some of everything.

use std::sync::OnceLock;

use selvedge_conf::Config;
use selvedge_conf::expr::{COST_MAX, Phase};

const RICH: &str = include_str!("../../../conf/examples/rules.toml");

fn rich() -> &'static Config {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    CONFIG.get_or_init(|| super::config::load(RICH).unwrap_or_else(|report| panic!("{}", report.render(false))))
}

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for phase in [Phase::Connection, Phase::Request, Phase::Response] {
        match rich().condition(text, phase) {
            Ok(expr) => assert!(expr.cost().nanos <= COST_MAX),
            Err(report) => super::config::shown(&report),
        }
    }
}
