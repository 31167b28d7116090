//! Single values: from the text between the quotes to a typed value, or to what is wrong with it.

mod address;
mod duration;
mod environment;
mod host;
mod name;
mod pattern;
mod quota;
pub(crate) mod quoted;
mod rate;
mod size;
mod url;

pub(crate) use address::{ip, network, socket};
pub(crate) use duration::{WINDOW_LONGEST, duration, some_time, timeout, window};
pub(crate) use environment::expand;
pub(crate) use host::{host_name, server};
pub(crate) use name::{cookie_name, field_name, label, name};
pub(crate) use pattern::Patterns;
pub(crate) use quota::quota;
pub(crate) use rate::rate;
pub(crate) use size::size;
pub(crate) use url::url;

/// What is wrong with a value, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Wrong {
    pub(crate) fn new(message: impl Into<String>) -> Wrong {
        Wrong { message: message.into(), help: None }
    }

    pub(crate) fn help(self, help: impl Into<Option<String>>) -> Wrong {
        Wrong { help: help.into(), ..self }
    }

    pub(crate) fn advice(self, help: &str) -> Wrong {
        self.help(help.to_owned())
    }
}

/// Text from the file as a message may quote it: one line, no control characters, not longer than a line.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut out: String = text.chars().take(LONGEST).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}
