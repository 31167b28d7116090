//! `[[test]]` as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::raw::{At, DurationText, Entries, Number, Text, TimeText};

/// `[[test]]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTest {
    /// The name in reports.
    pub(super) name: At<Text>,
    /// The time it starts at. Default `2026-01-01T00:00:00Z`.
    pub(super) at: Option<At<TimeText>>,
    /// The state it starts with, such as `[{ count = "not-found", key = ["192.0.2.9"], n = 60 }]`.
    #[serde(default)]
    pub(super) given: Vec<At<RawGiven>>,
    /// The request of a test that has only one.
    pub(super) request: Option<At<RawRequest>>,
    /// What the origin answers to it.
    pub(super) response: Option<At<RawResponse>>,
    /// What is expected of it.
    pub(super) expect: Option<At<RawExpect>>,
    /// Several requests, one after the other, each written as `[[test.step]]`.
    pub(super) step: Option<At<Vec<At<RawStep>>>>,
}

/// An element of `given` as it is written: a count, different values, a ban, an element of a list, or the peers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawGiven {
    /// The name of a counter or limit that has counted `n` just now.
    pub(super) count: Option<At<Text>>,
    /// The name of a unique that has seen `n` different values just now.
    pub(super) unique: Option<At<Text>>,
    /// The values of the key's parts, in their order.
    pub(super) key: Option<At<Vec<At<Text>>>>,
    /// How many, 1 to 1,000,000.
    pub(super) n: Option<At<Number>>,
    /// An address or network that is banned.
    pub(super) ban: Option<At<Text>>,
    /// The name of a list in which `add` is.
    pub(super) list: Option<At<Text>>,
    /// The element.
    pub(super) add: Option<At<Text>>,
    /// How long the ban or the element holds.
    #[serde(rename = "for")]
    pub(super) length: Option<At<DurationText>>,
    /// How many POPs are heard, this one included.
    pub(super) peers: Option<At<Number>>,
    /// How many POPs there are, this one included.
    pub(super) of: Option<At<Number>>,
    /// How old the news of the peer is that was heard least. Default `0s`.
    pub(super) lag: Option<At<DurationText>>,
}

/// `request` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRequest {
    /// The method. Default `GET`.
    pub(super) method: Option<At<Text>>,
    /// The URL, such as `https://www.example.com/login?next=/`.
    pub(super) url: At<Text>,
    /// Header fields, such as `{ user-agent = "curl" }`.
    #[serde(default)]
    pub(super) headers: Entries<Text>,
    /// The body, such as `user=anna&password=x`.
    pub(super) body: Option<At<Text>>,
    /// The valid session that it has, such as `{ user = "42", clicks = "3" }`; the one that earlier steps left its client with when absent.
    pub(super) session: Option<At<Entries<Text>>>,
    /// How hard the puzzle was that its client has a pass for, 8 to 26; no pass when absent.
    pub(super) challenge: Option<At<Number>>,
    /// The client's address. Default `192.0.2.1`.
    pub(super) client_ip: Option<At<Text>>,
    /// The other end of the connection, when a trusted proxy speaks for the client. Default: the client.
    pub(super) peer_ip: Option<At<Text>>,
}

/// `response` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawResponse {
    /// The status, 200 to 599. Default 200.
    pub(super) status: Option<At<Number>>,
    /// Header fields, such as `{ server = "nginx" }`.
    #[serde(default)]
    pub(super) headers: Entries<Text>,
}

/// `[[test.step]]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawStep {
    /// Time that passes before it. Default `0s`.
    pub(super) after: Option<At<DurationText>>,
    /// How often the request is sent, 1 to 10,000; each time all that is expected must come. Default 1.
    pub(super) times: Option<At<Number>>,
    /// The request.
    pub(super) request: At<RawRequest>,
    /// What the origin answers.
    pub(super) response: Option<At<RawResponse>>,
    /// What is expected.
    pub(super) expect: At<RawExpect>,
}

/// `expect` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawExpect {
    /// The status that the client gets.
    pub(super) status: Option<At<Number>>,
    /// The rule that answers; `""` for none.
    pub(super) rule: Option<At<Text>>,
    /// The limit that refuses; `""` for none.
    pub(super) limit: Option<At<Text>>,
    /// Tags that the request has; it may have others.
    #[serde(default)]
    pub(super) tags: Vec<At<Text>>,
    /// Rules in monitor mode that would be carried out; there may be others.
    #[serde(default)]
    pub(super) monitored: Vec<At<Text>>,
    /// Where it is redirected to.
    pub(super) location: Option<At<Text>>,
    /// The path that the origin sees.
    pub(super) path: Option<At<Text>>,
    /// The origin that answers.
    pub(super) origin: Option<At<Text>>,
    /// Header fields of the response and their values; it may have others.
    #[serde(default)]
    pub(super) headers: Entries<Text>,
    /// Whether the client is banned afterwards.
    pub(super) banned: Option<At<bool>>,
}
