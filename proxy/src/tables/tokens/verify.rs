//! Signatures by `ring`, behind `jsonwebtoken`'s own trait: no second crypto provider. Only public halves and shared secrets are
//! ever held, and nothing is signed.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{Error as Mismatch, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::hmac;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use selvedge_conf::Algorithm as Facts;

static PROVIDER: CryptoProvider =
    CryptoProvider { signer_factory, verifier_factory, key_utils: KeyUtils::new_unimplemented() };

/// Makes it the provider of the process. Once is enough; more does no harm.
pub(super) fn install() {
    // Fails only when there is one already, and nobody else installs any.
    let _ = PROVIDER.install_default();
}

/// The crate's word for an algorithm of the config.
pub(super) fn algorithm(facts: Facts) -> Algorithm {
    match facts {
        Facts::Hs256 => Algorithm::HS256,
        Facts::Hs384 => Algorithm::HS384,
        Facts::Hs512 => Algorithm::HS512,
        Facts::Rs256 => Algorithm::RS256,
        Facts::Rs384 => Algorithm::RS384,
        Facts::Rs512 => Algorithm::RS512,
        Facts::Ps256 => Algorithm::PS256,
        Facts::Ps384 => Algorithm::PS384,
        Facts::Ps512 => Algorithm::PS512,
        Facts::Es256 => Algorithm::ES256,
        Facts::Es384 => Algorithm::ES384,
        Facts::EdDsa => Algorithm::EdDSA,
    }
}

fn signer_factory(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

fn verifier_factory(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    // A public key must never pass for a shared secret.
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    Ok(Box::new(Ring { algorithm: *algorithm, key: key.kind().clone() }))
}

struct Ring {
    algorithm: Algorithm,
    key: DecodingKeyKind,
}

impl JwtVerifier for Ring {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for Ring {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Mismatch> {
        match self.algorithm {
            Algorithm::HS256 => self.secret(hmac::HMAC_SHA256, message, signature),
            Algorithm::HS384 => self.secret(hmac::HMAC_SHA384, message, signature),
            Algorithm::HS512 => self.secret(hmac::HMAC_SHA512, message, signature),
            Algorithm::RS256 => self.rsa(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature),
            Algorithm::RS384 => self.rsa(&signature::RSA_PKCS1_2048_8192_SHA384, message, signature),
            Algorithm::RS512 => self.rsa(&signature::RSA_PKCS1_2048_8192_SHA512, message, signature),
            Algorithm::PS256 => self.rsa(&signature::RSA_PSS_2048_8192_SHA256, message, signature),
            Algorithm::PS384 => self.rsa(&signature::RSA_PSS_2048_8192_SHA384, message, signature),
            Algorithm::PS512 => self.rsa(&signature::RSA_PSS_2048_8192_SHA512, message, signature),
            // RFC 7518 section 3.4: the two numbers side by side, each of fixed length.
            Algorithm::ES256 => self.public(&signature::ECDSA_P256_SHA256_FIXED, message, signature),
            Algorithm::ES384 => self.public(&signature::ECDSA_P384_SHA384_FIXED, message, signature),
            Algorithm::EdDSA => self.public(&signature::ED25519, message, signature),
            // The crate may learn others; no config can name them.
            _ => Err(Mismatch::new()),
        }
    }
}

impl Ring {
    fn bytes(&self) -> Result<&[u8], Mismatch> {
        match &self.key {
            DecodingKeyKind::SecretOrDer(bytes) => Ok(bytes),
            DecodingKeyKind::RsaModulusExponent { .. } => Err(Mismatch::new()),
        }
    }

    fn secret(&self, algorithm: hmac::Algorithm, message: &[u8], signature: &[u8]) -> Result<(), Mismatch> {
        let key = hmac::Key::new(algorithm, self.bytes()?);
        hmac::verify(&key, message, signature).map_err(|_| Mismatch::new())
    }

    fn public(
        &self,
        algorithm: &'static dyn VerificationAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Mismatch> {
        let key = UnparsedPublicKey::new(algorithm, self.bytes()?);
        key.verify(message, signature).map_err(|_| Mismatch::new())
    }

    fn rsa(&self, algorithm: &'static RsaParameters, message: &[u8], signature: &[u8]) -> Result<(), Mismatch> {
        match &self.key {
            DecodingKeyKind::SecretOrDer(_) => self.public(algorithm, message, signature),
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(algorithm, message, signature).map_err(|_| Mismatch::new())
            }
        }
    }
}
