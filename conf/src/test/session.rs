//! The session that a test's request has.

use crate::expr::Type;
use crate::finding::Check;
use crate::raw::{At, Entries, Text};
use crate::suggest;
use crate::value::{Wrong, shown};

/// What it holds and has counted.
pub(super) fn held(written: &At<Entries<Text>>, check: &mut Check<'_>) -> Option<Vec<(String, String)>> {
    let sessions = &check.names.sessions;
    let counters = sessions.iter().flat_map(|session| session.counters.iter().map(|name| (name.clone(), Type::Int)));
    let attributes = sessions.iter().flat_map(|session| session.attributes.iter().cloned());
    let known: Vec<(String, Type)> = attributes.chain(counters).collect();
    let mut held = Vec::new();
    for (name, value) in &written.value.0 {
        let ty = known.iter().find(|(held, _)| *held == name.value).map(|(_, ty)| ty);
        if ty.is_none() {
            let wrong = Wrong::new(format!("no session holds or counts `{}`", shown(&name.value)));
            let near = suggest::among(&name.value, || known.iter().map(|(name, _)| name.as_str()));
            check.note(name.span(), wrong.help(near));
        }
        let text = ty.and_then(|ty| check.value(value, |text| of(ty, text)));
        held.push(text.map(|text| (name.value.clone(), text)));
    }
    held.into_iter().collect()
}

fn of(ty: &Type, text: &str) -> Result<String, Wrong> {
    let fits = match ty {
        Type::Bool => text.parse::<bool>().is_ok(),
        Type::Int => text.parse::<i64>().is_ok_and(|value| value.to_string() == text),
        _ => !text.contains(char::is_control),
    };
    if fits { Ok(text.to_owned()) } else { Err(Wrong::new(format!("`{}` is not of type {ty}", shown(text)))) }
}
