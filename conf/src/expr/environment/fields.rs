//! The table of fields: what is known of a request, its client, its response, the cache and the peers.

use super::shape::Shape;
use crate::expr::tree::{Field, Phase};

/// A field, `root.name`.
pub(in crate::expr) struct FieldEntry {
    pub(in crate::expr) root: &'static str,
    pub(in crate::expr) name: &'static str,
    pub(in crate::expr) field: Field,
    pub(in crate::expr) shape: Shape,
    pub(in crate::expr) phase: Phase,
    pub(in crate::expr) needs: Needs,
    /// What reading it takes, in nanoseconds, roughly.
    pub(in crate::expr) cost: u64,
    pub(in crate::expr) doc: &'static str,
}

/// What a field needs of the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::expr) enum Needs {
    Nothing,
    /// A database of countries.
    Country,
    /// A database of cities.
    City,
    /// A database of autonomous systems.
    Asn,
    /// Sessions.
    Session,
    /// Challenges.
    Challenge,
}

impl Needs {
    /// The key of `[geoip]`.
    pub(in crate::expr) fn key(self) -> Option<&'static str> {
        match self {
            Needs::Nothing | Needs::Session | Needs::Challenge => None,
            Needs::Country => Some("country"),
            Needs::City => Some("city"),
            Needs::Asn => Some("asn"),
        }
    }
}

/// A field that takes nothing but reading it.
const fn plain(
    root: &'static str,
    name: &'static str,
    field: Field,
    shape: Shape,
    phase: Phase,
    doc: &'static str,
) -> FieldEntry {
    FieldEntry { root, name, field, shape, phase, needs: Needs::Nothing, cost: 2, doc }
}

impl FieldEntry {
    const fn takes(self, cost: u64) -> FieldEntry {
        FieldEntry { cost, ..self }
    }

    const fn needing(self, needs: Needs) -> FieldEntry {
        FieldEntry { needs, ..self }
    }
}

use Field as F;
use Phase::{Connection, Request, Response};
use Shape as S;

pub(in crate::expr) static FIELDS: [FieldEntry; 36] = [
    plain("request", "method", F::Method, S::String, Request, "The method, as sent: `\"GET\"`."),
    plain("request", "host", F::Host, S::String, Request, "The host, in lower case, without the port."),
    plain(
        "request",
        "path",
        F::Path,
        S::String,
        Request,
        "The path in normal form, without the query: what rules, cache and origin all see.",
    ),
    plain("request", "raw_path", F::RawPath, S::String, Request, "The path as it came."),
    plain(
        "request",
        "segments",
        F::Segments,
        S::Strings,
        Request,
        "The normal path between its slashes: `[\"a\", \"b\"]` of `/a/b/`.",
    )
    .takes(100),
    plain("request", "raw_query", F::RawQuery, S::String, Request, "What follows `?`, as it came; `\"\"` when nothing does."),
    plain(
        "request",
        "query",
        F::Query,
        S::Named,
        Request,
        "A field of the query, decoded: `request.query[\"page\"]`. `\"\"` when it is absent; the first when there are several.",
    )
    .takes(80),
    plain("request", "scheme", F::Scheme, S::String, Request, "`\"http\"` or `\"https\"`."),
    plain("request", "protocol", F::Protocol, S::String, Request, "`\"HTTP/1.0\"`, `\"HTTP/1.1\"` or `\"HTTP/2\"`."),
    plain(
        "request",
        "headers",
        F::RequestHeaders,
        S::Named,
        Request,
        "A header by its name, in any case: `request.headers[\"user-agent\"]`. `\"\"` when it is absent; the first line when there are several.",
    )
    .takes(15),
    plain(
        "request",
        "cookies",
        F::Cookies,
        S::Named,
        Request,
        "A cookie: `request.cookies[\"session\"]`. `\"\"` when it is absent; the first when there are several.",
    )
    .takes(80),
    plain("request", "length", F::Length, S::Int, Request, "The declared length of the body in bytes; absent when none is declared.")
        .takes(20),
    plain(
        "request",
        "form_read",
        F::FormRead,
        S::Bool,
        Request,
        "Whether the body is a form that was read, so that its fields are known; not of one beyond 64 KiB.",
    ),
    plain("request", "time", F::Time, S::Timestamp, Request, "When the header was complete."),
    plain("request", "tags", F::Tags, S::Strings, Request, "What rules tagged the request with so far.").takes(10),
    plain("client", "ip", F::ClientIp, S::Ip, Connection, "The address of the client."),
    plain(
        "client",
        "net",
        F::ClientNet,
        S::Cidr,
        Connection,
        "The network of the client: its address cut to /32 for IPv4, to /64 for IPv6.",
    ),
    plain("client", "country", F::Country, S::String, Connection, "ISO 3166-1 alpha-2, such as `\"FR\"`; `\"\"` when unknown.")
        .takes(300)
        .needing(Needs::Country),
    plain("client", "continent", F::Continent, S::String, Connection, "Two letters, such as `\"EU\"`; `\"\"` when unknown.")
        .takes(300)
        .needing(Needs::Country),
    plain("client", "city", F::City, S::String, Connection, "The English name; `\"\"` when unknown.")
        .takes(1800)
        .needing(Needs::City),
    plain("client", "asn", F::Asn, S::Int, Connection, "The number of the autonomous system; 0 when unknown.")
        .takes(200)
        .needing(Needs::Asn),
    plain("client", "as_org", F::AsOrg, S::String, Connection, "Who runs the autonomous system; `\"\"` when unknown.")
        .takes(200)
        .needing(Needs::Asn),
    plain(
        "session",
        "valid",
        F::SessionValid,
        S::Bool,
        Request,
        "Whether the request has a session: one whose cookie was signed here, that is neither over nor idle for too long, and not revoked.",
    )
    .needing(Needs::Session),
    plain(
        "session",
        "id",
        F::SessionId,
        S::String,
        Request,
        "Which session it is: the keyed hash that logs and origins see, another one after a rotation; absent without one.",
    )
    .needing(Needs::Session),
    plain(
        "session",
        "fresh",
        F::SessionFresh,
        S::Bool,
        Request,
        "Whether all that its client wrote is known here, so that nothing read of the session is older; false without a session.",
    )
    .needing(Needs::Session),
    plain("session", "age", F::SessionAge, S::Duration, Request, "Since the session was started; absent without one.")
        .needing(Needs::Session),
    plain("response", "status", F::Status, S::Int, Response, "The status code."),
    plain(
        "response",
        "headers",
        F::ResponseHeaders,
        S::Named,
        Response,
        "A header of the response by its name, in any case; `\"\"` when it is absent.",
    )
    .takes(15),
    plain("response", "from", F::From, S::String, Response, "Who made the response: `\"origin\"`, `\"cache\"` or `\"edge\"`; `\"\"` when there is none to look at."),
    plain(
        "cache",
        "status",
        F::CacheStatus,
        S::String,
        Response,
        "`\"hit\"`, `\"miss\"`, `\"collapsed\"`, `\"revalidated\"`, `\"bypass\"`, or `\"\"` when the cache was not asked.",
    ),
    plain(
        "challenge",
        "passed",
        F::ChallengePassed,
        S::Bool,
        Request,
        "Whether the client has a pass: whether it has solved a puzzle here, however hard, and not too long ago.",
    )
    .takes(2000)
    .needing(Needs::Challenge),
    plain(
        "challenge",
        "result",
        F::ChallengeResult,
        S::String,
        Response,
        "What the response has to do with challenges: `\"posed\"` (it is a puzzle), `\"solved\"`, `\"failed\"`, or `\"\"`.",
    )
    .needing(Needs::Challenge),
    plain(
        "peers",
        "lag",
        F::Lag,
        S::Duration,
        Connection,
        "Age of the newest thing heard from the peer heard least; zero when alone.",
    )
    .takes(20),
    plain("peers", "heard", F::Heard, S::Int, Connection, "How many POPs are heard, this one included.").takes(20),
    plain(
        "peers",
        "warming",
        F::Warming,
        S::Bool,
        Connection,
        "Whether this POP has just started and not every other POP has said yet what it knows: for ten seconds at most.",
    )
    .takes(20),
    plain("peers", "roster", F::Roster, S::Int, Connection, "How many POPs are in the roster, this one included."),
];
