//! What is wrong with a PEM file (RFC 7468), in words: the parser's own messages show the bytes of a line as numbers.

use rustls::pki_types::pem::Error;

/// The cause for people.
pub(crate) fn cause(error: &Error) -> String {
    match error {
        Error::MissingSectionEnd { end_marker } => {
            format!("it was cut off: the end of a {:?} is missing", String::from_utf8_lossy(end_marker))
        }
        Error::IllegalSectionStart { line } => format!("{:?} begins no section", String::from_utf8_lossy(line)),
        Error::Base64Decode(_) => "a section is not base64".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    fn told(pem: &str) -> String {
        super::cause(&CertificateDer::from_pem_slice(pem.as_bytes()).unwrap_err())
    }

    #[test]
    fn causes_are_words() {
        assert_eq!(
            told("-----BEGIN CERTIFICATE-----\nAAAA\n"),
            "it was cut off: the end of a \"CERTIFICATE\" is missing"
        );
        assert_eq!(told("-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n"), "a section is not base64");
        assert_eq!(told("-----BEGIN CERT\n"), "\"-----BEGIN CERT\" begins no section");
    }
}
