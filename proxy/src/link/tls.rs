//! Who a node is to its peers and how it knows them: TLS 1.3 with certificates on both sides, from the cluster's own
//! authority. The dialling side checks the name of the POP it dials; the accepting side finds which POP of the roster
//! the client's certificate is valid for. There is no mode without TLS.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pingora::utils::tls::CertKey;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use selvedge_state::PopId;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::cause::{Cause, listed};
use super::fetch::FETCH_PROTOCOL;
use super::roster::{Roster, RosterPop};
use super::watch::WATCH_PROTOCOL;

/// What POPs speak that fetch through another: HTTP/1.1, by its own name (RFC 7301 section 6).
const SHIELD_PROTOCOL: &[u8] = b"http/1.1";

/// The most authorities a CA file may hold: one, and its successor while the roots change.
pub const AUTHORITIES_MAX: usize = 4;

/// A node's certificate and key and the authorities it trusts, ready for both ends of a link.
#[derive(Clone)]
pub struct Identity {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    watcher: Arc<ClientConfig>,
    fetcher: Arc<ClientConfig>,
    shield: Arc<ServerConfig>,
    shown: Arc<CertKey>,
    chain: Vec<CertificateDer<'static>>,
}

/// Why an identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file could not be read.
    #[error("{path}: cannot read the {what}: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds no usable PEM.
    #[error("{path}: no {what} in PEM form: {cause}", path = .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// More than [`AUTHORITIES_MAX`] authorities.
    #[error("{path}: {count} authorities, at most {AUTHORITIES_MAX} are trusted at once", path = .path.display())]
    Authorities {
        /// The CA file.
        path: PathBuf,
        /// How many it holds.
        count: usize,
    },
    /// The certificate and the key do not fit, or TLS cannot use them.
    #[error("{path}: {source}", path = .path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// What TLS said.
        source: rustls::Error,
    },
    /// The certificate is another POP's.
    #[error("{path}: this certificate is for {presented}, this POP needs one for {expected}", path = .path.display())]
    OtherName {
        /// The certificate's file.
        path: PathBuf,
        /// The name it must carry.
        expected: String,
        /// The names it carries.
        presented: String,
    },
}

impl Identity {
    /// Reads the identity of `me` and checks that the certificate is its own. An expired one is let through: the node
    /// serves alone and its peers say why they refuse it.
    ///
    /// # Errors
    /// A file that cannot be read or used, a certificate of another POP.
    pub fn load(roster: &Roster, me: &RosterPop, certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        let identity = Self::read(roster.ca(), certificate, key)?;
        let expected = roster.certificate_name(me);
        if identity.chain.first().is_some_and(|leaf| is_for(leaf, &expected)) {
            return Ok(identity);
        }
        let presented = identity.chain.first().map(names).unwrap_or_default();
        Err(IdentityError::OtherName { path: certificate.to_owned(), expected, presented })
    }

    /// Reads an identity without asking whose it is; the peers will.
    ///
    /// # Errors
    /// A file that cannot be read or used.
    pub fn read(ca: &Path, certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        let authorities = certificates(ca, "authority certificate")?;
        if authorities.len() > AUTHORITIES_MAX {
            return Err(IdentityError::Authorities { path: ca.to_owned(), count: authorities.len() });
        }
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority).map_err(|source| IdentityError::Unusable { path: ca.to_owned(), source })?;
        }
        let chain = certificates(certificate, "certificate")?;
        let key = PrivateKeyDer::from_pem_slice(&read(key, "private key")?)
            .map_err(|cause| pem_error(key, "private key", &crate::pem::cause(&cause)))?;
        Self::assemble(roots, chain, key)
            .map_err(|source| IdentityError::Unusable { path: certificate.to_owned(), source })
    }

    fn assemble(
        roots: RootCertStore,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(roots);
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())?;
        // A resumed session would skip the certificates, and with them expiry; links are few and long-lived.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        // Whoever names no protocol speaks the replica's, whoever names another is refused (RFC 7301 section 3.2).
        server.alpn_protocols = vec![WATCH_PROTOCOL.to_vec(), FETCH_PROTOCOL.to_vec()];
        let mut shield = server.clone();
        shield.alpn_protocols = vec![SHIELD_PROTOCOL.to_vec()];
        let shown = shown(&chain, &key)?;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain.clone(), key)?;
        client.resumption = Resumption::disabled();
        let mut watcher = client.clone();
        watcher.alpn_protocols = vec![WATCH_PROTOCOL.to_vec()];
        let mut fetcher = client.clone();
        fetcher.alpn_protocols = vec![FETCH_PROTOCOL.to_vec()];
        let (client, watcher, fetcher) = (Arc::new(client), Arc::new(watcher), Arc::new(fetcher));
        let (server, shield) = (Arc::new(server), Arc::new(shield));
        Ok(Self { server, client, watcher, fetcher, shield, shown: Arc::new(shown), chain })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.server))
    }

    pub(crate) fn connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::clone(&self.client))
    }

    /// As [`Identity::connector`], for a connection that watches or fetches, by the name of what it speaks.
    pub(crate) fn asking(&self, protocol: &'static [u8]) -> TlsConnector {
        TlsConnector::from(Arc::clone(if protocol == FETCH_PROTOCOL { &self.fetcher } else { &self.watcher }))
    }
}

impl Identity {
    /// As [`Identity::acceptor`], for POPs that fetch through this one.
    pub(crate) fn shield(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.shield)
    }

    /// What it shows to a POP that it fetches through, in Pingora's form.
    pub(crate) fn shown(&self) -> Arc<CertKey> {
        Arc::clone(&self.shown)
    }
}

/// Pingora's form of a certificate and its key.
fn shown(chain: &[CertificateDer<'_>], key: &PrivateKeyDer<'_>) -> Result<CertKey, rustls::Error> {
    // Checked first: Pingora's own parser panics on what is not a certificate.
    for certificate in chain {
        webpki::anchor_from_trusted_cert(certificate).map_err(|error| rustls::Error::General(error.to_string()))?;
    }
    let chain = chain.iter().map(|certificate| certificate.to_vec()).collect();
    Ok(CertKey::new(chain, key.secret_der().to_vec()))
}

impl fmt::Debug for Identity {
    /// The names alone: what holds a key is not printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.chain.first().map(names);
        f.debug_struct("Identity").field("certificate", &name).finish_non_exhaustive()
    }
}

/// Which POP a verified client is. Lower ids dial higher ones, so only a POP below `me` may dial it, and nodes of `me` itself where it
/// has several.
pub(crate) fn identify(
    roster: &Roster,
    me: PopId,
    takes_own: bool,
    chain: &[CertificateDer<'_>],
) -> Result<PopId, Cause> {
    let pop = of_roster(roster, chain)?;
    if pop.id < me || (pop.id == me && takes_own) { Ok(pop.id) } else { Err(Cause::MustNotDial(pop.name.clone())) }
}

/// Which POP a verified client is that may be any other one: one that watches, or fetches through this one.
pub(crate) fn identify_other(roster: &Roster, me: PopId, chain: &[CertificateDer<'_>]) -> Result<PopId, Cause> {
    let pop = of_roster(roster, chain)?;
    if pop.id == me { Err(Cause::MustNotDial(pop.name.clone())) } else { Ok(pop.id) }
}

/// The POP of the roster that a client's certificate is for, this one as well.
///
/// # Errors
/// Why it is for none.
pub(crate) fn identify_any(roster: &Roster, chain: &[CertificateDer<'_>]) -> Result<PopId, Cause> {
    of_roster(roster, chain).map(|pop| pop.id)
}

/// The POP that a client's certificate is for.
fn of_roster<'r>(roster: &'r Roster, chain: &[CertificateDer<'_>]) -> Result<&'r RosterPop, Cause> {
    let leaf = chain.first().ok_or(Cause::NoCertificate)?;
    let pop = roster.pops().find(|pop| is_for(leaf, &roster.certificate_name(pop)));
    pop.ok_or_else(|| Cause::NotInRoster(names(leaf)))
}

/// Whether the certificate is valid for the DNS name (RFC 6125 section 6.4, by webpki).
fn is_for(leaf: &CertificateDer<'_>, name: &str) -> bool {
    let (Ok(certificate), Ok(name)) = (webpki::EndEntityCert::try_from(leaf), ServerName::try_from(name)) else {
        return false;
    };
    certificate.verify_is_valid_for_subject_name(&name).is_ok()
}

fn names(leaf: &CertificateDer<'_>) -> String {
    match webpki::EndEntityCert::try_from(leaf) {
        Ok(certificate) => listed(certificate.valid_dns_names()),
        Err(_) => "no readable name".to_owned(),
    }
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path, what)?).collect();
    match found {
        Ok(list) if list.is_empty() => Err(pem_error(path, what, "no such section")),
        Ok(list) => Ok(list),
        Err(error) => Err(pem_error(path, what, &crate::pem::cause(&error))),
    }
}

fn pem_error(path: &Path, what: &'static str, cause: &str) -> IdentityError {
    IdentityError::Pem { path: path.to_owned(), what, cause: cause.to_owned() }
}

fn read(path: &Path, what: &'static str) -> Result<Vec<u8>, IdentityError> {
    std::fs::read(path).map_err(|source| IdentityError::Read { path: path.to_owned(), what, source })
}
