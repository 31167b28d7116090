//! Figures by name, and the median they are made of.

use serde_json::{Map, Value};

/// What one bench measured.
#[derive(Debug, Default)]
pub(crate) struct Figures(Map<String, Value>);

impl Figures {
    /// Adds a figure and tells it on standard error.
    pub(crate) fn add(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        eprintln!("{name} {value}");
        self.set(name, value);
    }

    /// Adds a figure that is told in another way.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Adds a group of figures under one name.
    pub(crate) fn group(&mut self, name: &str, group: Figures) {
        self.0.insert(name.to_owned(), Value::Object(group.0));
    }

    /// One line of JSON.
    pub(crate) fn json(self) -> String {
        Value::Object(self.0).to_string()
    }
}

/// The middle one of some measurements; None of none.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// A figure with as many digits as it means.
pub(crate) fn rounded(value: f64) -> f64 {
    let unit = if value.abs() < 10.0 { 100.0 } else { 10.0 };
    (value * unit).round() / unit
}
