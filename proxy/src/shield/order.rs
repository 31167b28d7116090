//! What a child says with a request to its parent, beside the request as an origin would get it: for whom and for what it is, which the
//! parent cannot know since the client is not its own. And the parent's word in return, without which an answer is none.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use selvedge_conf::CacheAction;
use serde::{Deserialize, Serialize};

/// The field of the order. Clients' are taken off.
pub(crate) const ORDER: &str = "selvedge-order";

/// The field of the purges that the child carries.
pub(crate) const PURGES: &str = "selvedge-purges";

/// The field of the answer: up to where the parent has the child's purges.
pub(crate) const HAVE: &str = "selvedge-have";

/// The form of orders. A parent of another one does not take them, and the child goes to the origin itself.
const FORM: u8 = 1;

/// One request's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// [`FORM`].
    pub(crate) form: u8,
    /// The origin's name in the config.
    pub(crate) origin: String,
    /// Whether a rule chose another one than the site's.
    pub(crate) rerouted: bool,
    /// Whether the client used TLS.
    pub(crate) is_tls: bool,
    /// Host and port that the client asked for, in one spelling.
    pub(crate) authority: String,
    /// The path that the client asked for, in one spelling: rules may ask the origin for another.
    pub(crate) path: String,
    /// Its query, likewise.
    pub(crate) query: Option<String>,
    /// The client.
    pub(crate) client: IpAddr,
    /// Whether a trusted proxy named the client.
    pub(crate) is_forwarded: bool,
    /// The other end of the client's connection.
    pub(crate) peer: IpAddr,
    /// The name of the cache policy that is for it.
    pub(crate) policy: Option<String>,
    /// What a rule says of freshness.
    pub(crate) freshness: Option<Freshness>,
    /// The request's id.
    pub(crate) request: u64,
}

/// How long a response is fresh, and may be used after that, ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Freshness {
    ttl: u64,
    stale_while_revalidate: Option<u64>,
    stale_if_error: Option<u64>,
}

impl Freshness {
    /// What a rule says of a response that is to be stored; nothing where it says that none is.
    pub(crate) fn of(action: CacheAction) -> Option<Freshness> {
        let CacheAction::Ttl { ttl, stale_while_revalidate, stale_if_error } = action else { return None };
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let (stale_while_revalidate, stale_if_error) = (stale_while_revalidate.map(ms), stale_if_error.map(ms));
        Some(Freshness { ttl: ms(ttl), stale_while_revalidate, stale_if_error })
    }

    /// The same as the rule says it.
    pub(crate) fn action(self) -> CacheAction {
        CacheAction::Ttl {
            ttl: Duration::from_millis(self.ttl),
            stale_while_revalidate: self.stale_while_revalidate.map(Duration::from_millis),
            stale_if_error: self.stale_if_error.map(Duration::from_millis),
        }
    }
}

/// Why a request to a parent is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadOrder {
    /// It brings no order, or no purges, or several.
    Missing,
    /// It cannot be read.
    Unreadable,
    /// It is of another form.
    Form,
}

impl BadOrder {
    /// For people.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            BadOrder::Missing => "it brings no order or no purges, or several",
            BadOrder::Unreadable => "its order cannot be read",
            BadOrder::Form => "its order is of a form that is not known here",
        }
    }
}

impl Order {
    /// One for a request, by its id, to an origin; the rest is to be filled in.
    pub(crate) fn new(origin: &str, request: u64) -> Order {
        Order {
            form: FORM,
            origin: origin.to_owned(),
            rerouted: false,
            is_tls: false,
            authority: String::new(),
            path: String::new(),
            query: None,
            client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            is_forwarded: false,
            peer: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            policy: None,
            freshness: None,
            request,
        }
    }

    /// Whether it is of the form that is known here.
    pub(crate) fn is_known(&self) -> bool {
        self.form == FORM
    }

    /// The value of its field.
    pub(crate) fn encode(&self) -> String {
        // A struct of texts and numbers is always written.
        STANDARD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads the order and the purges of a request.
    ///
    /// # Errors
    /// [`BadOrder`].
    pub(crate) fn read(headers: &HeaderMap) -> Result<(Order, Vec<u8>), BadOrder> {
        let decode = |field: &str| {
            let mut values = headers.get_all(field).iter();
            let (Some(value), None) = (values.next(), values.next()) else { return Err(BadOrder::Missing) };
            STANDARD.decode(value).map_err(|_| BadOrder::Unreadable)
        };
        let (order, purges) = (decode(ORDER)?, decode(PURGES)?);
        let order: Order = serde_json::from_slice(&order).map_err(|_| BadOrder::Unreadable)?;
        if order.form == FORM { Ok((order, purges)) } else { Err(BadOrder::Form) }
    }
}

/// The value of the field of the answer.
pub(crate) fn have(number: u64) -> String {
    number.to_string()
}

/// Reads it; nothing where there is none, so that the parent gave no answer of the origin's.
pub(crate) fn read_have(headers: &HeaderMap) -> Option<u64> {
    headers.get(HAVE)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        let action = CacheAction::Ttl {
            ttl: Duration::from_secs(60),
            stale_while_revalidate: None,
            stale_if_error: Some(Duration::from_millis(1500)),
        };
        Order {
            rerouted: true,
            is_tls: true,
            authority: "www.example.com:8443".to_owned(),
            path: "/\u{e4}".to_owned(),
            query: Some(String::new()),
            client: "192.0.2.1".parse().unwrap(),
            is_forwarded: false,
            peer: "2001:db8::1".parse().unwrap(),
            policy: Some("pages".to_owned()),
            freshness: Freshness::of(action),
            ..Order::new("app", u64::MAX)
        }
    }

    fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).fold(
            HeaderMap::new(),
            |mut headers, (name, value): (http::HeaderName, http::HeaderValue)| {
                headers.append(name, value);
                headers
            },
        )
    }

    #[test]
    fn an_order_is_read_as_it_was_given() {
        let (order, purges) = (order(), STANDARD.encode([0, 1, 255]));
        let read = Order::read(&fields(&[(ORDER, &order.encode()), (PURGES, &purges)]));
        assert_eq!(read, Ok((order, vec![0, 1, 255])));
        let kept = Freshness::of(CacheAction::Pass);
        assert_eq!(kept, None);
    }

    #[test]
    fn what_is_none_is_told_apart() {
        let (good, purges) = (order().encode(), STANDARD.encode([1]));
        let later = STANDARD
            .encode(String::from_utf8(STANDARD.decode(&good).unwrap()).unwrap().replace("\"form\":1", "\"form\":2"));
        for (headers, expected) in [
            (fields(&[]), BadOrder::Missing),
            (fields(&[(ORDER, &good)]), BadOrder::Missing),
            (fields(&[(PURGES, &purges)]), BadOrder::Missing),
            (fields(&[(ORDER, &good), (ORDER, &good), (PURGES, &purges)]), BadOrder::Missing),
            (fields(&[(ORDER, "x"), (PURGES, &purges)]), BadOrder::Unreadable),
            (fields(&[(ORDER, &good), (PURGES, "%")]), BadOrder::Unreadable),
            (fields(&[(ORDER, &STANDARD.encode("{}")), (PURGES, &purges)]), BadOrder::Unreadable),
            (fields(&[(ORDER, &later), (PURGES, &purges)]), BadOrder::Form),
        ] {
            assert_eq!(Order::read(&headers), Err(expected), "{headers:?}");
        }
    }

    #[test]
    fn an_answer_without_a_number_is_none() {
        assert_eq!(read_have(&fields(&[(HAVE, &have(7))])), Some(7));
        for value in ["", "x", "-1"] {
            assert_eq!(read_have(&fields(&[(HAVE, value)])), None, "{value}");
        }
    }
}
