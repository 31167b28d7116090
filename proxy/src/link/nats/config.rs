//! Where NATS is and how this node is known to it: read once, at the start, so that what is wrong with a file is told with
//! its name.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_nats::{ConnectOptions, ServerAddr};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// A seed of an NKey: base32, 58 characters.
const SEED_LENGTH: usize = 58;

/// What is wrong with what NATS is reached by.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// A server.
    #[error("NATS server {server}: {cause}")]
    Server {
        /// As in the config.
        server: String,
        /// Why it is none.
        cause: io::Error,
    },
    /// The credentials.
    #[error("NATS credentials {}: {cause}", path.display())]
    Credentials {
        /// Their file.
        path: PathBuf,
        /// Why they are none.
        cause: io::Error,
    },
    /// The authorities.
    #[error("NATS CA file {}: {cause}", path.display())]
    Authorities {
        /// Their file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
}

/// Where NATS is and how this node is known to it.
#[derive(Clone)]
pub struct NatsConfig {
    servers: Vec<ServerAddr>,
    credentials: Option<Credentials>,
    /// None: TLS, where it is asked for, goes by the authorities of the system.
    tls: Option<ClientConfig>,
}

/// How this node is known.
#[derive(Clone)]
enum Credentials {
    /// A user's JWT and seed, as `nsc` writes them.
    Jwt(String),
    /// The seed of a key that the servers' config names.
    Seed(String),
}

impl fmt::Debug for NatsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsConfig").field("servers", &self.servers).finish_non_exhaustive()
    }
}

impl NatsConfig {
    /// Reads the files that the config names.
    ///
    /// # Errors
    /// [`NatsError`] naming the file, or the server.
    pub fn load(nats: &selvedge_conf::Nats) -> Result<Self, NatsError> {
        let server =
            |server: &String| server.parse().map_err(|cause| NatsError::Server { server: server.clone(), cause });
        Ok(Self {
            servers: nats.servers.iter().map(server).collect::<Result<_, _>>()?,
            credentials: nats.credentials.as_deref().map(Credentials::load).transpose()?,
            tls: nats.ca.as_deref().map(trusting).transpose()?,
        })
    }

    /// Its servers, and options with what this node is known by.
    pub(super) fn options(&self) -> io::Result<(Vec<ServerAddr>, ConnectOptions)> {
        // A server of the config may stand for one on this host, without TLS. Others that it names may be anywhere.
        let options = ConnectOptions::new().ignore_discovered_servers();
        let options = match &self.credentials {
            None => options,
            Some(Credentials::Jwt(text)) => options.credentials(text)?,
            Some(Credentials::Seed(seed)) => options.nkey(seed.clone()),
        };
        let options = match &self.tls {
            None => options,
            Some(tls) => options.tls_client_config(tls.clone()),
        };
        Ok((self.servers.clone(), options))
    }
}

impl Credentials {
    fn load(path: &Path) -> Result<Self, NatsError> {
        let bad = |cause| NatsError::Credentials { path: path.to_owned(), cause };
        let text = std::fs::read_to_string(path).map_err(bad)?;
        if let Some(seed) = seed(&text) {
            return Ok(Self::Seed(seed.to_owned()));
        }
        match ConnectOptions::new().credentials(&text) {
            Ok(_) => Ok(Self::Jwt(text)),
            Err(_) => {
                Err(bad(io::Error::other("neither a JWT and a seed as `nsc` writes them, nor a seed of a user alone")))
            }
        }
    }
}

/// The seed, where the file has nothing else but comments.
fn seed(text: &str) -> Option<&str> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let seed = lines.next().filter(|_| lines.next().is_none())?;
    let base32 = |byte: u8| matches!(byte, b'A'..=b'Z' | b'2'..=b'7');
    (seed.len() == SEED_LENGTH && seed.starts_with("SU") && seed.bytes().all(base32)).then_some(seed)
}

fn trusting(path: &Path) -> Result<ClientConfig, NatsError> {
    let bad = |cause: String| NatsError::Authorities { path: path.to_owned(), cause };
    let text = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(&text) {
        let authority = authority.map_err(|error| bad(crate::pem::cause(&error)))?;
        roots.add(authority).map_err(|error| bad(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(bad("no certificate is in it".to_owned()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

    fn load(credentials: Option<&str>, ca: Option<&str>) -> Result<NatsConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: Option<&str>| {
            let path = folder.path().join(name);
            text.map(|text| std::fs::write(&path, text).unwrap()).map(|()| path)
        };
        let (credentials, ca) = (write("pop.creds", credentials), write("ca.pem", ca));
        let nats = selvedge_conf::Nats { servers: vec!["tls://nats.example.net".into()], credentials, ca };
        let folder = format!("{}/", folder.path().display());
        NatsConfig::load(&nats).map_err(|error| error.to_string().replace(&folder, ""))
    }

    #[test]
    fn credentials_are_a_seed_or_a_jwt_and_a_seed() {
        assert!(load(None, None).is_ok());
        assert!(matches!(load(Some(SEED), None).unwrap().credentials, Some(Credentials::Seed(_))));
        assert!(matches!(
            load(Some(&format!("# fra\n{SEED}\n")), None).unwrap().credentials,
            Some(Credentials::Seed(_))
        ));
        let nsc = format!(
            "-----BEGIN NATS USER JWT-----\na.b.c\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
        );
        let loaded = load(Some(&nsc), None).unwrap();
        assert!(matches!(loaded.credentials, Some(Credentials::Jwt(_))));
        assert!(!format!("{loaded:?}").contains("SUAC"), "{loaded:?}");
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_name() {
        for text in ["", "password", &SEED[1..], &format!("{SEED}\n{SEED}")] {
            let error = load(Some(text), None).unwrap_err();
            assert!(error.starts_with("NATS credentials pop.creds: neither a JWT"), "{error}");
        }
        assert_eq!(load(None, Some("x")).unwrap_err(), "NATS CA file ca.pem: no certificate is in it");
        let missing = selvedge_conf::Nats { servers: vec![], credentials: Some("/none/x".into()), ca: None };
        let error = NatsConfig::load(&missing).unwrap_err().to_string();
        assert!(error.starts_with("NATS credentials /none/x: No such file"), "{error}");
    }
}
