//! Certificates for clients: which one answers is chosen by the name in the ClientHello (SNI). They can be replaced while
//! connections are served; a handshake sees the old ones or the new ones.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The certificates of one listening address, whichever they are by now.
pub struct Certificates {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Certificates")
    }
}

/// A certificate file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("certificate file {}: {cause}", path.display())]
pub struct CertificateError {
    /// The file from the config.
    pub path: PathBuf,
    /// What is wrong with it.
    pub cause: String,
}

impl Certificates {
    /// Answers with these until they are replaced.
    pub fn new(keyring: Arc<Keyring>) -> Certificates {
        let current = Arc::new(Current(ArcSwap::new(keyring)));
        let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::clone(&current) as _);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Certificates { config: Arc::new(config), current }
    }

    /// Answers later handshakes with these.
    pub fn replace(&self, keyring: Arc<Keyring>) {
        self.current.0.store(keyring);
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// Certificates with their keys, by the names they are valid for; the first of all for any other name.
#[derive(Debug)]
pub struct Keyring {
    names: HashMap<String, Arc<CertifiedKey>>,
    first: Option<Arc<CertifiedKey>>,
}

impl Keyring {
    /// Loads PEM files, each with a chain and its key. The first one answers clients that name no host or an unknown one.
    ///
    /// # Errors
    /// A [`CertificateError`] for each file that is unreadable, has no certificate, no key, or a key that is not the
    /// certificate's.
    pub fn load(
        files: &[PathBuf],
        read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Keyring, Vec<CertificateError>> {
        let mut errors = Vec::new();
        let mut keys = Vec::new();
        for path in files {
            match read(path).map_err(|error| error.to_string()).and_then(|pem| parse(&pem)) {
                Ok(key) => keys.push(key),
                Err(cause) => errors.push(CertificateError { path: path.clone(), cause }),
            }
        }
        if errors.is_empty() { Ok(Keyring::new(keys)) } else { Err(errors) }
    }

    fn new(keys: Vec<Arc<CertifiedKey>>) -> Keyring {
        let mut names = HashMap::new();
        for key in &keys {
            for name in dns_names(key) {
                // Two certificates for one name: the first one is used, as the config has them.
                names.entry(name).or_insert_with(|| Arc::clone(key));
            }
        }
        Keyring { names, first: keys.into_iter().next() }
    }

    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        // A wildcard stands for one label (RFC 9525 section 6.3).
        let wildcard = || name.split_once('.').and_then(|(_, rest)| self.names.get(&format!("*.{rest}")));
        self.names.get(&name).or_else(wildcard)
    }
}

fn parse(pem: &[u8]) -> Result<Arc<CertifiedKey>, String> {
    let chain = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| crate::pem::cause(&error))?;
    if chain.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| "it holds no private key".to_owned())?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(|error| error.to_string())?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(|_| "its key does not belong to its certificate".to_owned())?;
    Ok(Arc::new(certified))
}

/// The keyring in force.
#[derive(Debug)]
struct Current(ArcSwap<Keyring>);

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let keyring = self.0.load();
        hello.server_name().and_then(|name| keyring.find(name)).or(keyring.first.as_ref()).cloned()
    }
}

fn dns_names(key: &CertifiedKey) -> Vec<String> {
    let parsed = key.cert.first().and_then(|certificate| webpki::EndEntityCert::try_from(certificate).ok());
    parsed.map_or(Vec::new(), |certificate| certificate.valid_dns_names().map(str::to_ascii_lowercase).collect())
}
