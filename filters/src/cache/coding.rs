//! Which content coding a response is sent and stored in (RFC 9110 section 12.5.3), and which responses are coded here.

use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap,
};
use http::{HeaderValue, StatusCode};
use selvedge_conf::{Compression, Encoding};

use super::languages::thousandths;

/// The coding that a client weighs the most among those that are offered; of those that it weighs alike the one that is offered first. `None`:
/// it takes none of them, or prefers what is not coded.
pub fn preferred(request: &HeaderMap, offered: &[Encoding]) -> Option<Encoding> {
    let named: Vec<_> = members(request).collect();
    let weights = offered.iter().map(|encoding| (weight(&named, encoding.as_str()), *encoding));
    // What is not coded is acceptable unless that is refused, and preferred only where it is named.
    let identity = named.iter().find(|(name, _)| name == "identity").map_or(0, |(_, weight)| *weight);
    let acceptable = weights.filter(|(weight, _)| *weight > 0 && *weight >= identity);
    // The first of the greatest.
    acceptable.rev().max_by_key(|(weight, _)| *weight).map(|(_, encoding)| encoding)
}

/// What a client weighs a coding: 0, not acceptable, to 1000. Without the field any is acceptable, but few clients that do not name one can
/// read it.
fn weight(named: &[(String, u16)], coding: &str) -> u16 {
    let is_it = |name: &str| name == coding || coding == "gzip" && name == "x-gzip";
    let of_all = || named.iter().rfind(|(name, _)| name == "*");
    named.iter().find(|(name, _)| is_it(name)).or_else(of_all).map_or(0, |(_, weight)| *weight)
}

/// The codings a request names with their weights. A weight that cannot be read is none.
fn members(request: &HeaderMap) -> impl Iterator<Item = (String, u16)> {
    let lines = request.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|member| {
        let (name, weight) = member.split_once(';').unwrap_or((member, "q=1"));
        (name.trim().to_ascii_lowercase(), thousandths(weight.trim()).unwrap_or(0))
    })
}

/// Why a response is not coded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotCoded {
    /// It has no whole body, or its status says nothing of one.
    Status,
    /// It is coded already.
    Coded,
    /// It says `no-transform` (RFC 9111 section 5.2.2.6).
    NoTransform,
    /// Its media type is none of those, or it is a stream of events, which a coder would hold back.
    Type,
    /// It is smaller than what is worth it.
    Small,
}

/// Whether a response is to be coded.
///
/// # Errors
/// [`NotCoded`].
pub fn is_coded(status: StatusCode, response: &HeaderMap, rules: &Compression) -> Result<(), NotCoded> {
    // A part of a body would be coded as if it were a whole one.
    if status.is_redirection() || status == StatusCode::PARTIAL_CONTENT || response.contains_key(CONTENT_RANGE) {
        return Err(NotCoded::Status);
    }
    if response.contains_key(CONTENT_ENCODING) {
        return Err(NotCoded::Coded);
    }
    if response.get_all(CACHE_CONTROL).iter().any(forbids) {
        return Err(NotCoded::NoTransform);
    }
    let media_type = response.get(CONTENT_TYPE).and_then(|field| field.to_str().ok());
    let media_type = media_type.map(|field| field.split(';').next().unwrap_or(field).trim());
    let is_of_those = |media_type: &str| {
        !media_type.eq_ignore_ascii_case("text/event-stream")
            && rules.types.iter().any(|range| range.contains(media_type))
    };
    if !media_type.is_some_and(is_of_those) {
        return Err(NotCoded::Type);
    }
    let length = response.get(CONTENT_LENGTH).and_then(|field| field.to_str().ok()?.trim().parse::<u64>().ok());
    if length.is_some_and(|length| length < rules.min_size) {
        return Err(NotCoded::Small);
    }
    Ok(())
}

fn forbids(field: &HeaderValue) -> bool {
    let mut directives = field.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    directives.any(|directive| directive.eq_ignore_ascii_case(b"no-transform"))
}

#[cfg(test)]
mod tests {
    use Encoding::{Brotli, Gzip, Zstd};
    use selvedge_conf::MediaRange;

    use super::*;

    type Field = (&'static str, &'static str);

    fn headers(fields: &[Field]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_client_weighs_and_the_edge_chooses_among_equals() {
        let all = [Zstd, Brotli, Gzip];
        let table: [(&'static str, &[Encoding], Option<Encoding>); 18] = [
            ("gzip, deflate, br, zstd", &all, Some(Zstd)),
            ("gzip, deflate, br", &all, Some(Brotli)),
            ("gzip, deflate, br", &[Gzip, Brotli], Some(Gzip)),
            ("gzip;q=0.5, br;q=0.4", &all, Some(Gzip)),
            ("GZIP", &all, Some(Gzip)),
            ("x-gzip", &all, Some(Gzip)),
            ("*", &all, Some(Zstd)),
            ("*, zstd;q=0", &all, Some(Brotli)),
            ("*;q=0", &all, None),
            ("br;q=0, gzip;q=0", &all, None),
            ("identity", &all, None),
            ("identity;q=0.5, gzip;q=0.5", &all, Some(Gzip)),
            ("identity;q=0.6, gzip;q=0.5", &all, None),
            ("identity;q=0, gzip;q=0.1", &all, Some(Gzip)),
            ("deflate", &all, None),
            ("", &all, None),
            ("gzip;q=x", &all, None),
            ("br ; q=1.000 , gzip", &[Gzip, Brotli], Some(Gzip)),
        ];
        for (accept, offered, expected) in table {
            assert_eq!(preferred(&headers(&[("accept-encoding", accept)]), offered), expected, "{accept}");
        }
        assert_eq!(preferred(&HeaderMap::new(), &all), None, "who names none may read none");
        let lines = headers(&[("accept-encoding", "gzip"), ("accept-encoding", "br")]);
        assert_eq!(preferred(&lines, &all), Some(Brotli), "over all lines");
    }

    #[test]
    fn what_is_coded_and_what_is_not() {
        let rules = Compression {
            encodings: vec![Gzip],
            types: vec![MediaRange::Of("text/".to_owned()), MediaRange::Suffix("+json".to_owned())],
            min_size: 100,
        };
        let html = ("content-type", "Text/HTML; charset=utf-8");
        let table: [(u16, &[Field], Result<(), NotCoded>); 13] = [
            (200, &[html], Ok(())),
            (404, &[html], Ok(())),
            (200, &[("content-type", "application/problem+json")], Ok(())),
            (200, &[html, ("content-length", "100")], Ok(())),
            (200, &[html, ("content-length", "99")], Err(NotCoded::Small)),
            (200, &[("content-type", "image/png")], Err(NotCoded::Type)),
            (200, &[("content-type", "text/event-stream")], Err(NotCoded::Type)),
            (200, &[], Err(NotCoded::Type)),
            (200, &[html, ("content-encoding", "br")], Err(NotCoded::Coded)),
            (200, &[html, ("cache-control", "max-age=5, No-Transform")], Err(NotCoded::NoTransform)),
            (206, &[html], Err(NotCoded::Status)),
            (200, &[html, ("content-range", "bytes 0-1/2")], Err(NotCoded::Status)),
            (304, &[html], Err(NotCoded::Status)),
        ];
        for (status, fields, expected) in table {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(is_coded(status, &headers(fields), &rules), expected, "{status} {fields:?}");
        }
    }
}
