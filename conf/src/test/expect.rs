//! What a step of a test expects.

use super::raw::RawExpect;
use super::{Expect, WITHIN_MAX, fields};
use crate::directory::Directory;
use crate::finding::Check;
use crate::known::Known;
use crate::raw::{At, Text};
use crate::value::Wrong;

/// Checks what is expected: every name is one of the config's.
pub(super) fn lower(written: &At<RawExpect>, known: &Known, check: &mut Check<'_>) -> Option<Expect> {
    let raw = &written.value;
    let status = match &raw.status {
        None => Some(None),
        Some(status) => check.number(Some(status), 200..600, 200).map(Some),
    };
    let rule = one_or_none(raw.rule.as_ref(), &known.rules, check);
    let limit = one_or_none(raw.limit.as_ref(), &known.limits, check);
    let tags = check.list(&raw.tags, WITHIN_MAX, |text| Ok(text.to_owned()));
    let monitored = check.list(&raw.monitored, WITHIN_MAX, |text| known.rules.find(text));
    let origin = check.value_or(raw.origin.as_ref(), None, |text| known.origins.find(text).map(Some));
    let headers = fields(&raw.headers, check);
    let text = |written: &Option<At<Text>>| written.as_ref().map(|text| text.value.as_ref().to_owned());
    let expect = Expect {
        status: status?,
        rule: rule?,
        limit: limit?,
        tags: tags?,
        monitored: monitored?,
        location: text(&raw.location),
        path: text(&raw.path),
        origin: origin?,
        headers: headers?,
        banned: raw.banned.as_ref().map(|banned| banned.value),
    };
    if expect == Expect::default() {
        let wrong = Wrong::new("nothing is expected, so this cannot fail");
        check.note(written.span(), wrong.advice("say what, such as { status = 403 }"));
        return None;
    }
    Some(expect)
}

/// A name, or `""` for none.
fn one_or_none(
    written: Option<&At<Text>>,
    directory: &Directory,
    check: &mut Check<'_>,
) -> Option<Option<Option<usize>>> {
    check.value_or(written, None, |text| match text {
        "" => Ok(Some(None)),
        name => directory.find(name).map(|place| Some(Some(place))),
    })
}
