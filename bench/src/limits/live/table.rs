//! What was promised and what came of it, told as it happens and once more at the end.

use std::collections::BTreeSet;

use super::Rate;
use super::load::Outcome;
use crate::figures::Figures;

/// One run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Whose limit.
    pub(super) name: &'static str,
    pub(super) scene: &'static str,
    pub(super) outcome: Outcome,
    /// What may be admitted beyond `burst + rate x time`; `None` of what promises nothing.
    pub(super) beyond: Option<f64>,
}

/// All of them.
pub(super) struct Table {
    rate: Rate,
    rows: Vec<Row>,
}

impl Table {
    pub(super) fn new(rate: Rate) -> Table {
        Table { rate, rows: Vec::new() }
    }

    /// Tells, before a run, what may be admitted in it.
    pub(super) fn promise(&self, name: &str, scene: &str, beyond: f64, seconds: u64) {
        let Rate { per_s, burst } = self.rate;
        eprintln!(
            "{name} {scene}: at most {:.0} in {seconds} s: burst {burst}, {per_s} a second, and {beyond:.0} beyond",
            f64::from(burst) + per_s * seconds as f64 + beyond
        );
    }

    /// Takes what came of a run, and tells it.
    pub(super) fn tell(&mut self, row: Row) -> Result<(), String> {
        let answers = row.outcome.answers;
        // Connections that wrk gives up at its end are no failures of the servers; a tenth of the answers would be.
        if answers.admitted == 0 && answers.refused == 0 || answers.failed * 10 > answers.all() {
            return Err(format!("{} {}: {answers:?} are no answers of a limit", row.name, row.scene));
        }
        eprintln!("{}", self.line(&row));
        self.rows.push(row);
        Ok(())
    }

    fn line(&self, row: &Row) -> String {
        let Outcome { answers, over } = row.outcome;
        let of_bound = self.over_bound(row).map_or(String::new(), |part| format!(", {part:.3} of the bound"));
        format!(
            "{} {}: {} of {} admitted in {:.2} s ({} failed): {:.3} times the limit{of_bound}",
            row.name,
            row.scene,
            answers.admitted,
            answers.all(),
            over.as_secs_f64(),
            answers.failed,
            self.over_limit(row)
        )
    }

    /// `rate x time`, by the time that the run took.
    fn by_rate(&self, row: &Row) -> f64 {
        self.rate.per_s * row.outcome.over.as_secs_f64()
    }

    fn over_limit(&self, row: &Row) -> f64 {
        row.outcome.answers.admitted as f64 / self.by_rate(row)
    }

    fn over_bound(&self, row: &Row) -> Option<f64> {
        let beyond = row.beyond?;
        Some(row.outcome.answers.admitted as f64 / (f64::from(self.rate.burst) + self.by_rate(row) + beyond))
    }

    /// All figures, by whose limit; prints the table.
    pub(super) fn figures(&self) -> Figures {
        let mut figures = Figures::default();
        let names: BTreeSet<&str> = self.rows.iter().map(|row| row.name).collect();
        eprintln!(
            "\n{:<24}{:<9}{:>9}{:>10}{:>13}{:>13}{:>18}",
            "limit", "", "asked x", "admitted", "over limit", "over bound", "beyond rate x t"
        );
        for name in names {
            let mut group = Figures::default();
            for row in self.rows.iter().filter(|row| row.name == name) {
                self.add(row, &mut group);
            }
            figures.group(name, group);
        }
        let mut live = Figures::default();
        live.group("live", figures);
        live
    }

    fn add(&self, row: &Row, group: &mut Figures) {
        let answers = row.outcome.answers;
        let asked = answers.all() as f64 / self.by_rate(row);
        let excess = answers.admitted as f64 - self.by_rate(row);
        let (bound, allowed) = match (self.over_bound(row), row.beyond) {
            (Some(part), Some(beyond)) => {
                (format!("{part:.3}"), format!("{excess:.0} of {:.0}", f64::from(self.rate.burst) + beyond))
            }
            _ => (String::new(), format!("{excess:.0}")),
        };
        eprintln!(
            "{:<24}{:<9}{asked:>9.1}{:>10}{:>13.3}{bound:>13}{allowed:>18}",
            row.name,
            row.scene,
            answers.admitted,
            self.over_limit(row)
        );
        let mut add = |what: &str, value: f64| group.set(&format!("{}_{what}", row.scene), (value * 1e3).round() / 1e3);
        add("asked", asked);
        add("admitted", answers.admitted as f64);
        add("over_limit", self.over_limit(row));
        add("beyond_rate", excess);
        if let (Some(part), Some(beyond)) = (self.over_bound(row), row.beyond) {
            add("over_bound", part);
            add("beyond_rate_at_most", f64::from(self.rate.burst) + beyond);
        }
    }
}
