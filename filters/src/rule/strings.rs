//! The string functions that make something: places and lengths are in characters.

use std::fmt::Write;

use super::datum::Datum;
use super::scratch::Scratch;
use super::value::Value;

/// Characters.
pub(super) fn size(text: &str) -> i64 {
    whole(text.chars().count())
}

/// A length as an int.
pub(super) fn whole(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

/// Where a part begins, in characters; -1 when it is not there.
pub(super) fn index_of(text: &str, part: &str) -> i64 {
    text.find(part).and_then(|at| text.get(..at)).map_or(-1, size)
}

/// From a character up to another; absent when there are not so many, or the end lies before the start.
pub(super) fn substring(text: &str, start: i64, end: Option<i64>) -> Option<&str> {
    let place = |character: i64| {
        let character = usize::try_from(character).ok()?;
        let mut places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        places.nth(character)
    };
    text.get(place(start)?..end.map_or(Some(text.len()), place)?)
}

/// In lower case, ASCII letters only.
pub(super) fn lower<'v>(text: &'v str, scratch: Scratch<'v>) -> Option<&'v str> {
    if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some(text);
    }
    let mut made = scratch.brought(text.len())?;
    made.extend(text.chars().map(|character| character.to_ascii_lowercase()));
    Some(made.into_bump_str())
}

/// In upper case, ASCII letters only.
pub(super) fn upper<'v>(text: &'v str, scratch: Scratch<'v>) -> Option<&'v str> {
    if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Some(text);
    }
    let mut made = scratch.brought(text.len())?;
    made.extend(text.chars().map(|character| character.to_ascii_uppercase()));
    Some(made.into_bump_str())
}

/// Every part replaced, from left to right; an empty part is found before each character and at the end.
pub(super) fn replace<'v>(text: &'v str, part: &str, new: &str, scratch: Scratch<'v>) -> Option<&'v str> {
    let found = text.matches(part).count();
    if found == 0 {
        return Some(text);
    }
    let len = (text.len() - found * part.len()).checked_add(found.checked_mul(new.len())?)?;
    let mut made = scratch.text(len)?;
    let mut end = 0;
    for (at, part) in text.match_indices(part) {
        made.push_str(text.get(end..at)?);
        made.push_str(new);
        end = at + part.len();
    }
    made.push_str(text.get(end..)?);
    Some(made.into_bump_str())
}

/// The pieces between separators; every character when the separator is empty.
pub(super) fn split<'v>(text: &'v str, separator: &str, scratch: Scratch<'v>) -> Option<Datum<'v>> {
    let mut list = scratch.list(0)?;
    let mut add = |piece: &'v str| list.push(Datum::Scalar(Value::String(piece)));
    if separator.is_empty() {
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let (piece, after) = rest.split_at_checked(character.len_utf8())?;
            add(piece);
            rest = after;
        }
    } else {
        text.split(separator).for_each(add);
    }
    Some(Datum::List(list.into_bump_slice()))
}

/// What writes itself, as text.
pub(super) fn shown<'v>(value: impl std::fmt::Display, scratch: Scratch<'v>) -> Option<&'v str> {
    let mut text = scratch.text(0)?;
    write!(text, "{value}").ok()?;
    Some(text.into_bump_str())
}
