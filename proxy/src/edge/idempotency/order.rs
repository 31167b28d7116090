//! What a POP says with a request to the home of its key, beside what any POP says with a request to another; and the home's word in return, without which nothing
//! was run as far as anybody knows.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use selvedge_filters::idempotency::{Fence, Name, Print, Refusal};
use serde::{Deserialize, Serialize};

use super::run::Failed;
use crate::shield;

/// The field of the order. Clients' are taken off.
pub(in crate::edge) const RUN: &str = "selvedge-run";

/// The number of a run, for its origin.
pub(in crate::edge) const FENCE: &str = "selvedge-fence";

/// Whether a response is that of the first request or given again, for clients; that a run was made without the home of its key, for origins.
pub(in crate::edge) const STATUS: &str = "selvedge-idempotency";

/// The field of the home's word.
pub(in crate::edge) const ANSWER: &str = "selvedge-answer";

/// What the home is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::edge) struct Order {
    /// For whom and for what the request is.
    pub(super) request: shield::Order,
    /// The policy's name.
    pub(super) policy: String,
    name: [u8; 32],
    print: [u8; 32],
}

impl Order {
    pub(super) fn new(request: shield::Order, policy: &str, (name, print): (Name, Print)) -> Order {
        Order { request, policy: policy.to_owned(), name: name.to_bytes(), print: print.to_bytes() }
    }

    pub(super) fn name(&self) -> Name {
        Name::from_bytes(self.name)
    }

    pub(super) fn print(&self) -> Print {
        Print::from_bytes(self.print)
    }

    /// The value of its field.
    pub(super) fn encode(&self) -> String {
        // A struct of texts and numbers is always written.
        STANDARD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads the order of a request; none where it brings none that can be taken.
    pub(super) fn read(headers: &HeaderMap) -> Option<Order> {
        let mut values = headers.get_all(RUN).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let order: Order = serde_json::from_slice(&STANDARD.decode(value).ok()?).ok()?;
        order.request.is_known().then_some(order)
    }
}

/// A home's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// It was run, and this is the response.
    First(Fence),
    /// It was run before, and this was the response.
    Repeat,
    /// It is not run.
    Refused(Refusal),
    /// It was not run, or nobody knows.
    Failed(Failed),
}

impl Word {
    /// The value of its field.
    pub(super) fn text(self) -> String {
        match self {
            Word::First(fence) => format!("first {fence}"),
            Word::Repeat => "repeat".to_owned(),
            Word::Refused(refusal) => refusal.text(),
            Word::Failed(failed) => failed.text(),
        }
    }

    /// Reads what a response says; none where it is no answer of a home.
    pub(super) fn read(headers: &HeaderMap) -> Option<Word> {
        let text = headers.get(ANSWER)?.to_str().ok()?;
        if text == "repeat" {
            return Some(Word::Repeat);
        }
        if let Some(fence) = text.strip_prefix("first ") {
            return Some(Word::First(Fence(fence.parse().ok()?)));
        }
        Failed::parse(text).map(Word::Failed).or_else(|| Refusal::parse(text).map(Word::Refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_given() {
        let hashes = (Name::from_bytes([7; 32]), Print::from_bytes([8; 32]));
        let order = Order::new(shield::Order::new("app", 5), "payments", hashes);
        let fields = |values: &[&str]| {
            values.iter().fold(HeaderMap::new(), |mut headers, value| {
                headers.append(RUN, value.parse().unwrap());
                headers
            })
        };
        let text = order.encode();
        assert_eq!(Order::read(&fields(&[&text])), Some(order.clone()));
        assert_eq!((order.name(), order.print()), hashes);
        let other = STANDARD
            .encode(String::from_utf8(STANDARD.decode(&text).unwrap()).unwrap().replace("\"form\":1", "\"form\":9"));
        for values in [&[][..], &["x"], &["e30="], &[&text, &text], &[&other]] {
            assert_eq!(Order::read(&fields(values)), None, "{values:?}");
        }
    }

    #[test]
    fn a_word_is_read_as_it_was_said() {
        for word in [
            Word::First(Fence(7)),
            Word::Repeat,
            Word::Refused(Refusal::Running),
            Word::Refused(Refusal::Unkept { status: 201 }),
            Word::Failed(Failed { was_sent: false, is_late: false }),
            Word::Failed(Failed { was_sent: true, is_late: true }),
        ] {
            let headers = HeaderMap::from_iter([(ANSWER.parse().unwrap(), word.text().parse().unwrap())]);
            assert_eq!(Word::read(&headers), Some(word));
        }
        for text in ["", "first", "first x", "second"] {
            let headers = HeaderMap::from_iter([(ANSWER.parse().unwrap(), text.parse().unwrap())]);
            assert_eq!(Word::read(&headers), None, "{text}");
        }
        assert_eq!(Word::read(&HeaderMap::new()), None);
    }
}
