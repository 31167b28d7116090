//! A server as Pingora's peer: TLS with a name that is always verified unless the config says otherwise, and every timeout set.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pingora::protocols::tls::CaType;
use pingora::upstreams::peer::{HttpPeer, PeerOptions};
use pingora::utils::tls::{WrappedX509, parse_x509};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use selvedge_conf::{Origin, Scheme, Server};

/// An origin cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("origin {origin}: CA file {}: {cause}", path.display())]
pub struct OriginError {
    /// The origin's name.
    pub origin: String,
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub cause: String,
}

/// Everything about a peer but its address.
#[derive(Debug)]
pub(super) struct Template {
    tls: bool,
    sni: String,
    options: PeerOptions,
    /// Kept connections are shared within it only: another origin may trust another CA.
    group: u64,
}

impl Template {
    pub(super) fn new(origin: &Origin, server: &Server, group: u64) -> Result<Template, OriginError> {
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
        if let Some(path) = &origin.tls.ca {
            let wrong = |cause| OriginError { origin: origin.name.clone(), path: path.clone(), cause };
            options.ca = Some(load_ca(path).map_err(wrong)?);
        }
        Ok(Template { tls, sni, options, group })
    }

    pub(super) fn peer(&self, address: SocketAddr) -> HttpPeer {
        let mut peer = HttpPeer::new(address, self.tls, self.sni.clone());
        peer.options = self.options.clone();
        peer.group_key = self.group;
        peer
    }
}

/// Reads the certificates of a PEM file. Each one is checked first: Pingora's own parser panics on what is not a certificate.
fn load_ca(path: &Path) -> Result<Arc<CaType>, String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .map(|certificate| {
            let certificate = certificate.map_err(|error| error.to_string())?;
            webpki::anchor_from_trusted_cert(&certificate).map_err(|error| error.to_string())?;
            Ok(WrappedX509::new(certificate.to_vec(), parse_x509))
        })
        .collect::<Result<Vec<_>, String>>()?;
    if certificates.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    Ok(Arc::from(certificates))
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
