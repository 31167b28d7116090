//! Which requests a stored response answers (RFC 9111 section 4.1): the request fields its `Vary` names, normalised so that
//! requests that mean the same find the same response.

use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, VARY};
use http::{HeaderMap, HeaderName};
use selvedge_conf::Encoding;

use super::coding::preferred;
use super::languages::languages;

/// The most fields one `Vary` may name. A wider one is not stored: each field multiplies the variants.
pub const VARY_FIELDS_MAX: usize = 16;

/// What a response's `Vary` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vary {
    /// These request fields chose it; sorted, each once. Empty: any request will do.
    Fields(Vec<HeaderName>),
    /// `*`: something besides the request chose it. A member that is no field name counts as one.
    Any,
    /// More than [`VARY_FIELDS_MAX`] fields.
    TooWide,
}

/// Reads `Vary` over all its lines.
pub fn vary(response: &HeaderMap) -> Vary {
    let mut fields = Vec::new();
    for line in response.get_all(VARY) {
        for member in line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if member.is_empty() {
                continue;
            }
            match HeaderName::from_bytes(member) {
                // `*` is a token, so it parses as a name.
                Ok(name) if name != "*" => fields.push(name),
                _ => return Vary::Any,
            }
            if fields.len() > VARY_FIELDS_MAX {
                return Vary::TooWide;
            }
        }
    }
    fields.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    fields.dedup();
    Vary::Fields(fields)
}

/// One field that chose a response, and its normalised value in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Varying {
    /// The request field, in lower case, or `cookie:` and the name of a cookie.
    pub name: String,
    /// Its value, to be hashed; an absent field differs from an empty one.
    pub value: Vec<u8>,
}

/// What tells this request's variant of a stored response from the others; `None` when there is one for all. `offered` is what the edge codes
/// responses in, if it does: then the one coding of them that the request gets tells it from others, whatever else it names.
pub fn variance(stored: &HeaderMap, request: &HeaderMap, offered: Option<&[Encoding]>) -> Option<Vec<Varying>> {
    let Vary::Fields(fields) = vary(stored) else {
        // Such a response is not stored. Should one be found, no request matches it: the value below is not a field's.
        return Some(vec![Varying { name: VARY.to_string(), value: b"*".to_vec() }]);
    };
    if fields.is_empty() {
        return None;
    }
    Some(
        fields
            .into_iter()
            .map(|field| Varying { value: normalised(&field, request, offered), name: field.to_string() })
            .collect(),
    )
}

/// Fields that say who asks. Their text is compared as it is: what looks alike may be somebody else.
const OF_ONE_CLIENT: [HeaderName; 3] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];

/// Lines are joined and white space that means nothing is left out, as section 4.1 allows; `Accept-Encoding` and `Accept-Language`
/// are understood.
pub(super) fn normalised(field: &HeaderName, request: &HeaderMap, offered: Option<&[Encoding]>) -> Vec<u8> {
    if let Some(offered) = offered.filter(|_| field == ACCEPT_ENCODING) {
        let coding = preferred(request, offered).map_or("", Encoding::as_str);
        return format!("~{coding}").into_bytes();
    }
    if !request.contains_key(field) {
        return b"-".to_vec();
    }
    let mut value = b"+".to_vec();
    if field == ACCEPT_ENCODING {
        value.extend_from_slice(codings(request).as_bytes());
        return value;
    }
    if let Some(languages) = Some(field).filter(|field| *field == ACCEPT_LANGUAGE).and_then(|_| languages(request)) {
        return [b"=", languages.as_bytes()].concat();
    }
    for (index, line) in request.get_all(field).iter().enumerate() {
        if index > 0 {
            value.push(b',');
        }
        let line = line.as_bytes().trim_ascii();
        if OF_ONE_CLIENT.contains(field) {
            value.extend_from_slice(line);
        } else {
            push_list(&mut value, line);
        }
    }
    value
}

/// A line without the white space around its commas, but for those in quotes (RFC 9110 sections 5.6.1 and 5.6.4).
fn push_list(value: &mut Vec<u8>, line: &[u8]) {
    let (mut quoted, mut escaped, mut after_comma) = (false, false, false);
    let begin = value.len();
    for byte in line.iter().copied() {
        let blank = byte == b' ' || byte == b'\t';
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                while value.len() > begin && value.last().is_some_and(|last| matches!(last, b' ' | b'\t')) {
                    value.pop();
                }
            }
            _ if blank && after_comma => continue,
            _ => {}
        }
        after_comma = byte == b',' && !quoted;
        value.push(byte);
    }
}

/// The codings a request accepts, in order, without weights (RFC 9110 section 12.5.3): whichever of them was chosen for one
/// request is acceptable to the other. Unknown codings stay, or one client would get what only another can read.
fn codings(request: &HeaderMap) -> String {
    let mut accepted = Vec::new();
    for line in request.get_all(ACCEPT_ENCODING) {
        let Ok(line) = line.to_str() else {
            return String::from("unreadable");
        };
        for member in line.to_ascii_lowercase().split(',') {
            let (coding, weight) = member.split_once(';').unwrap_or((member, ""));
            let refused = weight.trim().strip_prefix("q=").is_some_and(is_zero);
            match (coding.trim(), refused) {
                ("", _) => {}
                // Identity is acceptable unless it is refused, so it is the refusal that tells requests apart.
                ("identity", false) => {}
                ("identity", true) => accepted.push(String::from("identity;q=0")),
                ("*", true) => accepted.push(String::from("*;q=0")),
                ("x-gzip", false) => accepted.push(String::from("gzip")),
                (coding, false) => accepted.push(coding.to_owned()),
                (_, true) => {}
            }
        }
    }
    accepted.sort_unstable();
    accepted.dedup();
    accepted.join(",")
}

/// A weight of zero: `0` to `0.000`.
fn is_zero(weight: &str) -> bool {
    weight.strip_prefix('0').is_some_and(|rest| rest.trim_start_matches('.').trim_start_matches('0').is_empty())
}
