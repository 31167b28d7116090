//! What origins are told of the session of a request: fields of one family, of which a client's own never go on.

use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use selvedge_state::SessionKey;

use super::record::Record;
use super::shape::Shape;

/// What the names of these fields begin with.
pub const FAMILY: &str = "selvedge-session-";

/// What is written otherwise in a value: what no field can have, what a list of values is made of, and `%`.
const CODED: &AsciiSet = &CONTROLS.add(b'%').add(b';').add(b',').add(b'"').add(b' ');

/// Whether a field is one of the family, or is taken for one by origins that know no difference between `-` and `_`.
pub fn is_told(name: &HeaderName) -> bool {
    let name = name.as_str();
    let same = |(one, other): (u8, u8)| one == other || (one == b'_' && other == b'-');
    name.len() >= FAMILY.len() && name.bytes().zip(FAMILY.bytes()).all(same)
}

/// The fields of a request, whether it has a valid session or not: whether it has, and if so which, by the keyed hash of its id, whether all that
/// its client knows of is known here, and the attributes that are set and that the config names. Values are percent-encoded.
pub fn told(shape: &Shape, session: Option<&Record>) -> Vec<(HeaderName, HeaderValue)> {
    let mut fields = Vec::new();
    let mut tell = |name: &str, value: &str| {
        let name = HeaderName::from_bytes(format!("{FAMILY}{name}").as_bytes());
        let value = percent_encode(value.as_bytes(), CODED).to_string();
        // Names of attributes are those of fields, and what is encoded is a value: neither fails.
        fields.extend(name.ok().zip(HeaderValue::from_str(&value).ok()));
    };
    let truth = |is| if is { "true" } else { "false" };
    tell("valid", truth(session.is_some()));
    let Some(record) = session else { return fields };
    tell("fresh", truth(record.is_fresh));
    tell("id", &record.id);
    for name in shape.told() {
        if let Some(value) = record.attribute(name) {
            tell(&name.replace('_', "-"), &value.spelt());
        }
    }
    fields
}

/// A session's name for logs and origins: from it nobody comes to its cookie.
pub(crate) fn hashed(key: SessionKey) -> String {
    key.to_string()
}
