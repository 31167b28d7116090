//! The cookies that name servers. What one says is its signature: of the origin and the server, by a secret that all POPs share. So a server has one
//! ticket for all clients, none says where it is, and nobody makes one up. The first secret signs, and all are believed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac::{self, HMAC_SHA256};
use selvedge_conf::{Scheme, Server};
use subtle::ConstantTimeEq;

use super::peer;

/// How much of a signature a ticket is, bytes (RFC 2104 section 5: at least half of it).
const TICKET_LEN: usize = 16;

/// The tickets of an origin's servers.
#[derive(Debug)]
pub(crate) struct Tickets {
    cookie: String,
    /// Of each secret, the ticket of each server.
    tickets: Vec<Vec<String>>,
}

impl Tickets {
    /// Of an origin, by its cookie and its secrets.
    pub(crate) fn new<S: AsRef<[u8]>>(cookie: &str, secrets: &[S], origin: &str, servers: &[Server]) -> Tickets {
        let of = |secret: &S| {
            let key = hmac::Key::new(HMAC_SHA256, secret.as_ref());
            servers.iter().map(|server| ticket(&key, origin, server)).collect()
        };
        Tickets { cookie: cookie.to_owned(), tickets: secrets.iter().map(of).collect() }
    }

    /// The name of the cookie.
    pub(crate) fn cookie(&self) -> &str {
        &self.cookie
    }

    /// The server that a client's ticket names, by its place. All are compared, each in the same time whatever it is.
    pub(crate) fn server(&self, presented: &str) -> Option<usize> {
        let is = |ticket: &String| bool::from(ticket.as_bytes().ct_eq(presented.as_bytes()));
        let all = self.tickets.iter().flat_map(|of| of.iter().enumerate());
        all.fold(None, |found, (place, ticket)| if is(ticket) { found.or(Some(place)) } else { found })
    }

    /// The ticket of a server.
    pub(crate) fn of(&self, server: usize) -> Option<&str> {
        self.tickets.first()?.get(server).map(String::as_str)
    }
}

fn ticket(key: &hmac::Key, origin: &str, server: &Server) -> String {
    // No name of an origin has a zero byte in it.
    let scheme = if server.scheme == Scheme::Https { "https" } else { "http" };
    let said = format!("selvedge server 1\0{origin}\0{scheme}\0{}", peer::authority(server));
    let signed = hmac::sign(key, said.as_bytes());
    URL_SAFE_NO_PAD.encode(signed.as_ref().get(..TICKET_LEN).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(ports: &[u16]) -> Vec<Server> {
        let server = |port: &u16| Server { scheme: Scheme::Http, host: "10.1.0.11".to_owned(), port: *port };
        ports.iter().map(server).collect()
    }

    fn tickets(secrets: &[&str], origin: &str, ports: &[u16]) -> Tickets {
        Tickets::new("server", secrets, origin, &servers(ports))
    }

    #[test]
    fn a_ticket_names_its_server_wherever_that_stands_in_the_list() {
        let at_first = tickets(&["old"], "app", &[1, 2, 3]);
        let ticket = at_first.of(1).unwrap();
        assert_eq!(ticket.len(), 22);
        assert_eq!(at_first.server(ticket), Some(1));
        assert_eq!(tickets(&["old"], "app", &[3, 4, 2]).server(ticket), Some(2));
        assert_eq!(tickets(&["old"], "app", &[1, 3]).server(ticket), None, "it is gone");
        assert_eq!(tickets(&["old"], "api", &[1, 2, 3]).server(ticket), None, "it is another origin's");
        for other in ["", "A", &ticket[1..], &format!("{ticket}A"), "AAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(at_first.server(other), None, "{other}");
        }
    }

    #[test]
    fn while_secrets_are_exchanged_the_first_signs_and_all_are_believed() {
        let (old, both) = (tickets(&["old"], "app", &[1, 2]), tickets(&["new", "old"], "app", &[1, 2]));
        assert_eq!(both.server(old.of(1).unwrap()), Some(1));
        assert_ne!(both.of(1), old.of(1));
        assert_eq!(tickets(&["new"], "app", &[1, 2]).server(both.of(0).unwrap()), Some(0));
        assert_eq!(tickets(&["new"], "app", &[1, 2]).server(old.of(0).unwrap()), None);
    }
}
