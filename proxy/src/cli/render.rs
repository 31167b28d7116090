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
    /// Whether what it found is good.
    passed: bool,
}

impl Render {
    /// A finding with its text and the value that `--json` prints.
    pub fn new(text: String, value: &impl Serialize) -> Render {
        Render { text, json: json(value), passed: true }
    }

    /// The same, found wanting: the command ends with 1.
    pub fn failed(self) -> Render {
        Render { passed: false, ..self }
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
            let text = if as_json { format!("{:#}\n", render.json) } else { ended(render.text) };
            let _ = std::io::stdout().write_all(text.as_bytes());
            if render.passed { ExitCode::SUCCESS } else { ExitCode::from(1) }
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

fn ended(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
