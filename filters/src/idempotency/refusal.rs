//! Why a request with a key, or without one, is not run, or no more than once.

use std::time::Duration;

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 400: it has no key, and needs one.
    Missing,
    /// 400: its key is none.
    Malformed,
    /// 413: its body is longer than those that are compared.
    TooLong {
        /// The most bytes.
        max: u64,
    },
    /// 422: the key was another request's.
    Other,
    /// 409: the first one still runs.
    Running,
    /// 409: the first one was begun, and nobody knows what became of it.
    InDoubt,
    /// 409: it was run, and its response was too long to be kept, or is lost.
    Unkept {
        /// The status that it was answered with.
        status: u16,
    },
    /// 503: the POP that answers for the key cannot be reached.
    Away,
    /// 503: another process of this node is about to answer for it.
    Leaving,
    /// 503: no more keys are known at once, or no more is written down.
    Full,
    /// 503: nothing can be written down, so nothing is run.
    Unwritable,
}

/// What stands for each between POPs; a number is behind those that have one.
const WORDS: [(&str, Refusal); 11] = [
    ("missing", Refusal::Missing),
    ("malformed", Refusal::Malformed),
    ("too-long", Refusal::TooLong { max: 0 }),
    ("other", Refusal::Other),
    ("running", Refusal::Running),
    ("in-doubt", Refusal::InDoubt),
    ("unkept", Refusal::Unkept { status: 0 }),
    ("away", Refusal::Away),
    ("leaving", Refusal::Leaving),
    ("full", Refusal::Full),
    ("unwritable", Refusal::Unwritable),
];

impl Refusal {
    /// The status that it is answered with.
    pub fn status(self) -> u16 {
        match self {
            Refusal::Missing | Refusal::Malformed => 400,
            Refusal::Running | Refusal::InDoubt | Refusal::Unkept { .. } => 409,
            Refusal::TooLong { .. } => 413,
            Refusal::Other => 422,
            Refusal::Away | Refusal::Leaving | Refusal::Full | Refusal::Unwritable => 503,
        }
    }

    /// One word for logs, metrics and other POPs.
    pub fn name(self) -> &'static str {
        let same = |other: &Refusal| std::mem::discriminant(other) == std::mem::discriminant(&self);
        WORDS.iter().find(|(_, other)| same(other)).map_or("", |(word, _)| word)
    }

    /// Its word, and its number if it has one.
    pub fn text(self) -> String {
        match self {
            Refusal::TooLong { max } => format!("{} {max}", self.name()),
            Refusal::Unkept { status } => format!("{} {status}", self.name()),
            _ => self.name().to_owned(),
        }
    }

    /// Reads what [`text`](Refusal::text) gives.
    pub fn parse(text: &str) -> Option<Refusal> {
        let (word, number) = text.split_once(' ').map_or((text, None), |(word, number)| (word, Some(number)));
        let (_, refusal) = WORDS.iter().find(|(known, _)| *known == word)?;
        match (*refusal, number) {
            (Refusal::TooLong { .. }, Some(max)) => Some(Refusal::TooLong { max: max.parse().ok()? }),
            (Refusal::Unkept { .. }, Some(status)) => Some(Refusal::Unkept { status: status.parse().ok()? }),
            (Refusal::TooLong { .. } | Refusal::Unkept { .. }, None) | (_, Some(_)) => None,
            (refusal, None) => Some(refusal),
        }
    }

    /// When it may be asked again; none where no time helps, or nobody knows.
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            Refusal::Running | Refusal::Away | Refusal::Leaving | Refusal::Unwritable => Some(Duration::from_secs(1)),
            Refusal::Full => Some(Duration::from_secs(60)),
            _ => None,
        }
    }

    /// For the client.
    pub fn detail(self) -> String {
        match self {
            Refusal::Missing => "This request needs an Idempotency-Key, so that it can be repeated safely.".to_owned(),
            Refusal::Malformed => "An Idempotency-Key is one string of 1 to 256 visible ASCII characters.".to_owned(),
            Refusal::TooLong { max } => {
                format!("The body of a request with an Idempotency-Key may have {max} bytes at most.")
            }
            Refusal::Other => "This Idempotency-Key was another request's.".to_owned(),
            Refusal::Running => "The first request with this Idempotency-Key is still being processed.".to_owned(),
            Refusal::InDoubt => {
                "A request with this Idempotency-Key was begun, and what became of it is not known: it is not run again under this key."
                    .to_owned()
            }
            Refusal::Unkept { status } => format!(
                "The request with this Idempotency-Key was processed and answered with {status}; its response cannot be given again."
            ),
            Refusal::Away => "The point of presence that answers for this Idempotency-Key cannot be reached.".to_owned(),
            Refusal::Leaving => "Requests with an Idempotency-Key are being handed over.".to_owned(),
            Refusal::Full => "No more requests with an Idempotency-Key can be remembered now.".to_owned(),
            Refusal::Unwritable => "Requests with an Idempotency-Key cannot be remembered now.".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_word_of_its_own_and_is_read_back() {
        for (word, refusal) in WORDS {
            let refusal = match refusal {
                Refusal::TooLong { .. } => Refusal::TooLong { max: 65_536 },
                Refusal::Unkept { .. } => Refusal::Unkept { status: 201 },
                refusal => refusal,
            };
            assert_eq!((refusal.name(), Refusal::parse(&refusal.text())), (word, Some(refusal)));
        }
        for text in ["", "unkept", "unkept x", "running 1", "Running"] {
            assert_eq!(Refusal::parse(text), None, "{text}");
        }
    }
}
