//! A server as Pingora's peer: TLS with a name that is always verified unless the config says otherwise, and every timeout set.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use pingora::protocols::tls::CaType;
use pingora::upstreams::peer::{HttpPeer, PeerOptions};
use pingora::utils::tls::{CertKey, WrappedX509, parse_x509};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use selvedge_conf::{Origin, Scheme, Server};

/// Authorities that an origin's certificates are checked against, instead of the public ones.
#[derive(Clone)]
pub struct Authorities {
    chain: Arc<CaType>,
    /// What they were read from: authorities of the same text are the same.
    pem: Arc<[u8]>,
}

impl fmt::Debug for Authorities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Authorities").field(&self.chain.len()).finish()
    }
}

impl PartialEq for Authorities {
    fn eq(&self, other: &Authorities) -> bool {
        self.pem == other.pem
    }
}

impl Authorities {
    /// Reads the certificates of a PEM file.
    ///
    /// # Errors
    /// In words, when one is no certificate, or there is none.
    pub fn parse(pem: &[u8]) -> Result<Authorities, String> {
        let certificates = CertificateDer::pem_slice_iter(pem)
            .map(|certificate| {
                let certificate = certificate.map_err(|error| crate::pem::cause(&error))?;
                // Checked first: Pingora's own parser panics on what is not a certificate.
                webpki::anchor_from_trusted_cert(&certificate).map_err(|error| error.to_string())?;
                Ok(WrappedX509::new(certificate.to_vec(), parse_x509))
            })
            .collect::<Result<Vec<_>, String>>()?;
        if certificates.is_empty() {
            return Err("it holds no certificate".to_owned());
        }
        Ok(Authorities { chain: Arc::from(certificates), pem: pem.into() })
    }
}

/// Everything about a peer but its address.
#[derive(Debug)]
pub(super) struct Template {
    tls: bool,
    sni: String,
    options: PeerOptions,
    /// What it is shown, where it asks who comes.
    shown: Option<Arc<CertKey>>,
    /// Kept connections are shared within it only: another origin may trust another CA.
    group: u64,
}

impl Template {
    pub(super) fn new(
        (origin, server): (&Origin, &Server),
        authorities: Option<&Authorities>,
        shown: Option<&Arc<CertKey>>,
        group: u64,
    ) -> Template {
        let tls = server.scheme == Scheme::Https;
        // Never empty: Pingora takes an empty name as leave not to verify at all.
        let sni = origin.tls.sni.clone().unwrap_or_else(|| server.host.clone());
        let mut options = PeerOptions::new();
        options.connection_timeout = Some(origin.timeouts.connect);
        options.total_connection_timeout = Some(origin.timeouts.connect);
        options.read_timeout = Some(origin.timeouts.read);
        options.write_timeout = Some(origin.timeouts.write);
        options.idle_timeout = Some(origin.timeouts.idle);
        options.verify_cert = origin.tls.verify;
        options.verify_hostname = origin.tls.verify;
        options.ca = authorities.map(|authorities| Arc::clone(&authorities.chain));
        Template { tls, sni, options, shown: shown.cloned(), group }
    }

    pub(super) fn peer(&self, address: SocketAddr) -> HttpPeer {
        let mut peer = HttpPeer::new(address, self.tls, self.sni.clone());
        peer.options = self.options.clone();
        peer.client_cert_key.clone_from(&self.shown);
        peer.group_key = self.group;
        peer
    }
}

/// A server's `host:port`, without the port its scheme has by default.
pub(super) fn authority(server: &Server) -> String {
    let default = match server.scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    };
    let host = if server.host.contains(':') { format!("[{}]", server.host) } else { server.host.clone() };
    if server.port == default { host } else { format!("{host}:{}", server.port) }
}
