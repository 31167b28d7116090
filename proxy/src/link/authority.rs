//! The cluster's certificate authority and what it issues. A private authority made for one cluster: POPs trust it and
//! nothing else, so holding its key means being able to join. A POP's certificate serves both ends of a link.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long before its making a certificate is already valid: other nodes' clocks may be behind.
pub const BACKDATE: Duration = Duration::from_secs(60 * 60);

/// A certificate authority with its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// From when until when a certificate holds.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    /// Not valid before.
    pub from: SystemTime,
    /// Not valid after.
    pub until: SystemTime,
}

/// A certificate and its private key, both PEM.
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The private key (PKCS #8).
    pub key: String,
}

impl Validity {
    /// Valid for `days` from `now`, and [`BACKDATE`] before.
    pub fn days(now: SystemTime, days: u32) -> Self {
        Self { from: now - BACKDATE, until: now + DAY * days }
    }
}

impl Authority {
    /// A new authority for `cluster`, with a fresh key.
    ///
    /// # Errors
    /// When the key or the certificate cannot be made.
    pub fn new(cluster: &str, validity: Validity) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = params(&format!("Selvedge cluster {cluster}"), &[], validity)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// The authority's certificate, PEM: what every POP trusts.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The authority's private key, PEM: it stays with the operator and goes to no POP.
    pub fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Issues a certificate with a fresh key for the DNS name `name`.
    ///
    /// # Errors
    /// When the name cannot stand in a certificate, or the key or the certificate cannot be made.
    pub fn issue(&self, name: &str, validity: Validity) -> Result<Issued, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = params(name, &[name.to_owned()], validity)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // One certificate for both ends of a link: which POP dials is decided by the ids, not by the certificate.
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued { certificate, key: key.serialize_pem() })
    }
}

fn params(subject: &str, names: &[String], validity: Validity) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, subject);
    params.distinguished_name = name;
    let since_epoch = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
    params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(validity.from);
    params.not_after = date_time_ymd(1970, 1, 1) + since_epoch(validity.until);
    Ok(params)
}
