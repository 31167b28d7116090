//! What a command found, once for people and once for programs; and how it ends.

use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Value, json};

use crate::admin::ClientError;

/// What a command found.
#[derive(Debug)]
pub struct Render {
    text: String,
    json: Value,
    /// How the command ends: 0 when what it found is good.
    code: u8,
}

impl Render {
    /// A finding with its text and the value that `--json` prints.
    pub fn new(text: String, value: &impl Serialize) -> Render {
        Render { text, json: json(value), code: 0 }
    }

    /// Nothing more: the command has shown what it found as it came.
    pub fn shown() -> Render {
        Render { text: String::new(), json: Value::Null, code: 0 }
    }

    /// The same, found wanting: the command ends with 1.
    pub fn failed(self) -> Render {
        self.ending(1)
    }

    /// The same, and the command ends with this code.
    pub fn ending(self, code: u8) -> Render {
        Render { code, ..self }
    }
}

/// Why a command could not do what it should.
#[derive(Debug)]
pub enum Failure {
    /// 1: it did not work.
    Failed(String),
    /// 69: no edge answers at the admin socket.
    Unreachable(String),
    /// 78: the config cannot be used. The text is complete; the value lists the problems.
    Config(String, Value),
}

impl Failure {
    /// Exit code after BSD's `sysexits` where one fits.
    fn code(&self) -> u8 {
        match self {
            Failure::Failed(_) => 1,
            Failure::Unreachable(_) => 69,
            Failure::Config(..) => 78,
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        match error {
            ClientError::Unreachable { .. } => Failure::Unreachable(error.to_string()),
            ClientError::Config { text, problems } => Failure::Config(text, problems),
            ClientError::Garbled { .. } | ClientError::Refused(_) => Failure::Failed(error.to_string()),
        }
    }
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// Prints an outcome and turns it into the process's exit code. A reader that has gone away is no failure of the command.
pub(super) fn print(outcome: Result<Render, Failure>, as_json: bool) -> ExitCode {
    match outcome {
        Ok(render) => {
            let text = match (as_json, &render.json) {
                (false, _) => ended(render.text),
                (true, Value::Null) => String::new(),
                (true, json) => format!("{json:#}\n"),
            };
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::from(render.code)
        }
        Err(failure) => {
            let code = failure.code();
            let (text, value) = match failure {
                Failure::Failed(text) | Failure::Unreachable(text) => {
                    (format!("error: {text}"), json!({ "error": text }))
                }
                Failure::Config(text, problems) => (text, json!({ "error": "config", "problems": problems })),
            };
            if as_json {
                let _ = std::io::stdout().write_all(format!("{value:#}\n").as_bytes());
            }
            let _ = std::io::stderr().write_all(ended(text).as_bytes());
            ExitCode::from(code)
        }
    }
}

/// An instant of node time, ms since the Unix epoch.
pub(super) fn instant(millis: u64) -> String {
    let at = i64::try_from(millis).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    at.map_or_else(|| format!("{millis} ms"), |at| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// What clients chose, for a terminal: what would steer it is shown, not sent; nor what would have it written in another direction (Unicode
/// Technical Report 36, section 2.5).
pub(super) fn printable(text: &str) -> String {
    let turns = |letter| matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() || turns(letter) { shown.extend(letter.escape_default()) } else { shown.push(letter) }
    }
    shown
}

fn ended(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
