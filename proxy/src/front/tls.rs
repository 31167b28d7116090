//! Certificates for clients: which one answers is chosen by the name in the ClientHello (SNI).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
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
        let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(ByName { keys }));
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

/// The first certificate that is valid for the name asked for, else the first of all.
#[derive(Debug)]
struct ByName {
    keys: Vec<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.keys.iter().find(|key| valid_for(key, name)));
        named.or(self.keys.first()).cloned()
    }
}

fn valid_for(key: &CertifiedKey, name: &str) -> bool {
    let (Some(certificate), Ok(name)) = (key.cert.first(), ServerName::try_from(name)) else { return false };
    webpki::EndEntityCert::try_from(certificate)
        .is_ok_and(|certificate| certificate.verify_is_valid_for_subject_name(&name).is_ok())
}
