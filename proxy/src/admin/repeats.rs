//! Answers that are given again: whoever did not hear the answer asks once more under the same `Idempotency-Key`
//! (draft-ietf-httpapi-idempotency-key-header), and nothing is done twice. At this node, for an hour, in bounded room.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::HeaderMap;
use bytes::Bytes;
use selvedge_state::Time;

/// Why a question under a key is not answered.
pub(crate) const RUNNING: &str = "the first question with this Idempotency-Key is not answered yet";
pub(crate) const OTHER: &str = "this Idempotency-Key was another question's";

/// The longest key, bytes.
const KEY_MAX: usize = 256;

/// How long an answer is kept, ms.
const KEPT_FOR: u64 = 3_600_000;

/// The most answers that are kept, and their bytes all in all. The oldest go first.
const ANSWERS_MAX: usize = 1024;
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Answers by key, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Repeats(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    key: String,
    question: u64,
    at: Time,
    /// None while it is being made.
    answer: Option<Bytes>,
}

/// What a key says about a question.
pub(super) enum Asked<'a> {
    /// It is asked for the first time.
    First(Turn<'a>),
    /// It was answered so.
    Again(Bytes),
    /// It is being answered.
    Running,
    /// The key was another question's.
    Other,
}

/// The first one to ask a question. Dropped without an answer, it forgets that it asked.
pub(super) struct Turn<'a> {
    repeats: &'a Repeats,
    key: String,
}

impl Repeats {
    /// Asks a question, as its text, under a key.
    pub(super) fn ask(&self, key: String, question: &[u8], now: Time) -> Asked<'_> {
        let mut hasher = DefaultHasher::new();
        hasher.write(question);
        let question = hasher.finish();
        let mut kept = self.kept();
        kept.retain(|kept| kept.answer.is_none() || now.0 < kept.at.0.saturating_add(KEPT_FOR));
        match kept.iter().find(|kept| kept.key == key) {
            Some(known) if known.question != question => return Asked::Other,
            Some(Kept { answer: Some(answer), .. }) => return Asked::Again(answer.clone()),
            Some(Kept { answer: None, .. }) => return Asked::Running,
            None => {}
        }
        kept.push_back(Kept { key: key.clone(), question, at: now, answer: None });
        let bytes =
            |kept: &VecDeque<Kept>| kept.iter().filter_map(|kept| kept.answer.as_ref()).map(Bytes::len).sum::<usize>();
        while kept.len() > ANSWERS_MAX || bytes(&kept) > BYTES_MAX {
            kept.pop_front();
        }
        drop(kept);
        Asked::First(Turn { repeats: self, key })
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// This is what is answered from now on.
    pub(super) fn keep(self, answer: Bytes) {
        let mut kept = self.repeats.kept();
        if let Some(kept) = kept.iter_mut().find(|kept| kept.key == self.key) {
            kept.answer = Some(answer);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.repeats.kept().retain(|kept| kept.answer.is_some() || kept.key != self.key);
    }
}

/// The key of a question, if it has one.
///
/// # Errors
/// In words, when it is none.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, String> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=KEY_MAX).contains(&key.len()));
    key.map(|key| Some(key.to_owned())).ok_or_else(|| format!("Idempotency-Key has 1 to {KEY_MAX} bytes of ASCII"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_800_000_000_000);

    fn first(repeats: &Repeats, key: &str, answer: &'static [u8]) {
        let Asked::First(turn) = repeats.ask(key.to_owned(), b"question", NOW) else { panic!("{key} was asked") };
        turn.keep(Bytes::from_static(answer));
    }

    fn again(repeats: &Repeats, key: &str, question: &[u8], now: Time) -> Result<Option<Bytes>, &'static str> {
        match repeats.ask(key.to_owned(), question, now) {
            Asked::First(_) => Ok(None),
            Asked::Again(answer) => Ok(Some(answer)),
            Asked::Running => Err("running"),
            Asked::Other => Err("other"),
        }
    }

    #[test]
    fn an_answer_is_given_again_for_an_hour() {
        let repeats = Repeats::default();
        first(&repeats, "a", b"1");
        let later = |ms| NOW.plus(ms);
        assert_eq!(again(&repeats, "a", b"question", later(3_599_999)), Ok(Some(Bytes::from_static(b"1"))));
        assert_eq!(again(&repeats, "a", b"another", later(1)), Err("other"));
        assert_eq!(again(&repeats, "b", b"another", later(1)), Ok(None));
        assert_eq!(again(&repeats, "a", b"another", later(3_600_000)), Ok(None));
    }

    #[test]
    fn a_question_that_came_to_nothing_was_not_asked() {
        let repeats = Repeats::default();
        let Asked::First(turn) = repeats.ask("a".to_owned(), b"question", NOW) else { panic!("asked") };
        assert_eq!(again(&repeats, "a", b"question", NOW), Err("running"));
        drop(turn);
        assert_eq!(again(&repeats, "a", b"question", NOW), Ok(None));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let repeats = Repeats::default();
        for key in 0..=ANSWERS_MAX {
            first(&repeats, &key.to_string(), b"x");
        }
        assert_eq!(repeats.kept().len(), ANSWERS_MAX);
        assert_eq!(again(&repeats, "0", b"question", NOW), Ok(None), "the oldest is gone");
        let large = Repeats::default();
        let Asked::First(turn) = large.ask("a".to_owned(), b"question", NOW) else { panic!("asked") };
        turn.keep(vec![0; BYTES_MAX + 1].into());
        first(&large, "b", b"x");
        assert_eq!(again(&large, "a", b"question", NOW), Ok(None), "too large to be kept beside others");
        let headers =
            |value: &str| HeaderMap::from_iter([("idempotency-key".parse().unwrap(), value.parse().unwrap())]);
        assert_eq!(key(&headers(&"k".repeat(KEY_MAX))), Ok(Some("k".repeat(KEY_MAX))));
        assert!(key(&headers(&"k".repeat(KEY_MAX + 1))).is_err() && key(&headers("")).is_err());
        assert_eq!(key(&HeaderMap::new()), Ok(None));
    }
}
