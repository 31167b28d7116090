//! Certificates for clients: which one answers is chosen by the name in the ClientHello (SNI).

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The certificates of one listening address.
pub struct Certificates {
    config: Arc<ServerConfig>,
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
    /// Loads PEM files, each with a chain and its key. The first one answers clients that name no host or an unknown one.
    ///
    /// # Errors
    /// [`CertificateError`] naming the file: unreadable, no certificate, no key, or a key that is not the certificate's.
    pub fn load(files: &[PathBuf]) -> Result<Certificates, CertificateError> {
        let keys = files.iter().map(|path| load(path)).collect::<Result<Vec<_>, _>>()?;
        let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(ByName::new(keys)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Certificates { config: Arc::new(config) })
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

fn load(path: &Path) -> Result<Arc<CertifiedKey>, CertificateError> {
    let wrong = |cause: String| CertificateError { path: path.to_owned(), cause };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong("it holds no certificate".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| wrong("it holds no private key".to_owned()))?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(|error| wrong(error.to_string()))?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(|_| wrong("its key does not belong to its certificate".to_owned()))?;
    Ok(Arc::new(certified))
}

/// Certificates by the names they are valid for; the first of all for any other name.
#[derive(Debug)]
struct ByName {
    names: HashMap<String, Arc<CertifiedKey>>,
    first: Option<Arc<CertifiedKey>>,
}

impl ByName {
    fn new(keys: Vec<Arc<CertifiedKey>>) -> ByName {
        let mut names = HashMap::new();
        for key in &keys {
            for name in dns_names(key) {
                // Two certificates for one name: the first one is used, as the config has them.
                names.entry(name).or_insert_with(|| Arc::clone(key));
            }
        }
        ByName { names, first: keys.into_iter().next() }
    }

    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        // A wildcard stands for one label (RFC 9525 section 6.3).
        let wildcard = || name.split_once('.').and_then(|(_, rest)| self.names.get(&format!("*.{rest}")));
        self.names.get(&name).or_else(wildcard)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        hello.server_name().and_then(|name| self.find(name)).or(self.first.as_ref()).cloned()
    }
}

fn dns_names(key: &CertifiedKey) -> Vec<String> {
    let parsed = key.cert.first().and_then(|certificate| webpki::EndEntityCert::try_from(certificate).ok());
    parsed.map_or(Vec::new(), |certificate| certificate.valid_dns_names().map(str::to_ascii_lowercase).collect())
}
