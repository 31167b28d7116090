//! Why a link did not come up or ended, as values with plain words: what the operator reads in `status` and what the
//! tests compare. TLS libraries speak in alerts and variants; the translation is here and nowhere else.

use std::io;
use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

/// Why one side refused the other. "It" is the other side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// Plain text, another protocol or garbage.
    #[error("what it sent is not TLS")]
    NotTls,
    /// A TLS version or algorithm that this cluster does not use.
    #[error("it does not speak TLS 1.3 the way this cluster does: {0}")]
    Incompatible(String),
    /// A client without a certificate.
    #[error("it presented no certificate")]
    NoCertificate,
    /// A certificate of some other authority.
    #[error("its certificate was not issued by this cluster's authority")]
    OtherAuthority,
    /// A certificate past its end.
    #[error("its certificate expired on {0}")]
    Expired(String),
    /// A certificate before its beginning.
    #[error("its certificate is not valid before {0}")]
    NotYetValid(String),
    /// The POP that was dialled showed a certificate of another name.
    #[error("its certificate is for {presented}, not for {expected}")]
    OtherName {
        /// The name of the POP that was dialled.
        expected: String,
        /// The names in the certificate.
        presented: String,
    },
    /// A client whose certificate names no POP of the roster.
    #[error("its certificate is for {0}, which the roster does not name")]
    NotInRoster(String),
    /// A client with the certificate of this POP, or of a POP that this one dials.
    #[error("its certificate is for {0}, which must not dial this POP")]
    MustNotDial(String),
    /// A peer that goes by links where they go over NATS.
    #[error("this node exchanges over NATS, and the peer over links")]
    OverNats,
    /// Any other fault of a certificate.
    #[error("its certificate was refused: {0}")]
    Certificate(String),
    /// The other side refused this node.
    #[error("it refused this node: {0}")]
    ByPeer(String),
    /// No handshake in time.
    #[error("it finished no TLS handshake within {} s", .0.as_secs())]
    Slow(Duration),
    /// Any other fault of the handshake.
    #[error("the TLS handshake failed: {0}")]
    Handshake(String),
    /// It wants to watch, and as many as may do so already.
    #[error("it wants to watch, and {0} do so already")]
    Watchers(usize),
    /// The hello was refused: another cluster, another secret.
    #[error("{0}")]
    Hello(String),
}

/// Why an established link ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Down {
    /// The peer closed it.
    #[error("the peer closed the link")]
    PeerClosed,
    /// The network broke it.
    #[error("{0}")]
    Network(String),
    /// Nothing arrived for so long.
    #[error("nothing heard for {} s", .0.as_secs())]
    Silent(Duration),
    /// A write made no way for so long.
    #[error("the peer took nothing for {} s", .0.as_secs())]
    Stuck(Duration),
    /// More frames waiting than a link may hold.
    #[error("{0} frames waiting: the peer reads too slowly")]
    Backlog(usize),
    /// A frame announced longer than the bound.
    #[error("a frame of {length} bytes, more than {max}")]
    FrameTooLong {
        /// The announced length in bytes.
        length: u32,
        /// The bound in bytes.
        max: usize,
    },
    /// A newer link of the same POP took its place.
    #[error("a newer link of the same POP took its place")]
    Superseded,
    /// One side refused the other.
    #[error("{0}")]
    Refused(Cause),
    /// The replica closed it, with its reason.
    #[error("{0}")]
    Replica(String),
    /// This node stops.
    #[error("this node stops")]
    Stopping,
    /// An operator keeps this node apart.
    #[error("this node keeps apart")]
    Apart,
    /// A defect in this program, isolated to the link.
    #[error("a defect in this node: {0}")]
    Fault(String),
}

impl Cause {
    /// The cause behind a failed handshake, or none when it was the network's doing and nobody refused anybody.
    pub(crate) fn of_handshake(error: &io::Error) -> Option<Self> {
        Self::of(tls_error(error)?)
    }

    fn of(error: &rustls::Error) -> Option<Self> {
        use rustls::Error;
        Some(match error {
            Error::InvalidMessage(_) | Error::InappropriateMessage { .. } | Error::PeerSentOversizedRecord => {
                Self::NotTls
            }
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::PeerIncompatible(what) => Self::Incompatible(format!("{what:?}")),
            Error::AlertReceived(AlertDescription::CloseNotify) => return None,
            Error::AlertReceived(alert) => Self::ByPeer(alert_words(*alert)),
            Error::InvalidCertificate(fault) => Self::of_certificate(fault),
            other => Self::Handshake(other.to_string()),
        })
    }

    fn of_certificate(fault: &CertificateError) -> Self {
        match fault {
            // An authority of the same name but another key fails at the signature instead of at the name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::OtherAuthority,
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired(date(*not_after)),
            CertificateError::NotValidYetContext { not_before, .. } => Self::NotYetValid(date(*not_before)),
            CertificateError::NotValidForNameContext { expected, presented } => {
                // rustls quotes what it presents as `DnsName("a.b")`.
                let names = presented.iter().map(|name| name.split('"').nth(1).unwrap_or(name));
                Self::OtherName { expected: expected.to_str().into_owned(), presented: listed(names) }
            }
            other => Self::Certificate(other.to_string()),
        }
    }
}

impl Down {
    /// What an input or output error on an established link means.
    pub(crate) fn of_io(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::PeerClosed;
        }
        // In TLS 1.3 the server's verdict on the client's certificate arrives after the client's handshake is over
        // (RFC 8446 section 4.4.2.4): it is a refusal, though it comes as an error of an established link.
        match tls_error(error).and_then(Cause::of) {
            Some(cause) => Self::Refused(cause),
            None => Self::Network(error.to_string()),
        }
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn date(time: UnixTime) -> String {
    /// The last second that an HTTP date can name, the end of the year 9999.
    const LAST: u64 = 253_402_300_799;
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(time.as_secs().min(LAST)))
}

fn alert_words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::UnknownCA => "this node's certificate is of another authority".into(),
        AlertDescription::CertificateExpired => "this node's certificate is expired or not yet valid".into(),
        AlertDescription::CertificateRequired => "this node presented no certificate".into(),
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "this node's certificate has another name or a fault".into()
        }
        AlertDescription::DecryptError => {
            "this node's certificate is of another authority, or its key does not fit".into()
        }
        AlertDescription::NoApplicationProtocol => "it does not speak the protocol that this node asks for".into(),
        other => format!("TLS alert {other:?}"),
    }
}

/// Names for a message: the first four, since a certificate may carry any number.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let shown: Vec<&str> = names.take(4).collect();
    if shown.is_empty() { "no DNS name".to_owned() } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(error: rustls::Error) -> Option<Cause> {
        Cause::of_handshake(&io::Error::new(io::ErrorKind::InvalidData, error))
    }

    #[test]
    fn the_network_refuses_nobody() {
        assert_eq!(Cause::of_handshake(&io::Error::from(io::ErrorKind::ConnectionReset)), None);
        assert_eq!(Down::of_io(&io::Error::from(io::ErrorKind::UnexpectedEof)), Down::PeerClosed);
    }

    #[test]
    fn another_authority_is_told_by_name_and_by_signature() {
        for fault in [CertificateError::UnknownIssuer, CertificateError::BadSignature] {
            assert_eq!(of(rustls::Error::InvalidCertificate(fault)), Some(Cause::OtherAuthority));
        }
    }

    #[test]
    fn dates_are_readable_and_total() {
        assert_eq!(date(UnixTime::since_unix_epoch(Duration::ZERO)), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(UnixTime::since_unix_epoch(Duration::MAX)), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn a_late_verdict_of_the_server_is_a_refusal() {
        let alert = rustls::Error::AlertReceived(AlertDescription::CertificateExpired);
        let down = Down::of_io(&io::Error::new(io::ErrorKind::InvalidData, alert));
        assert_eq!(down.to_string(), "it refused this node: this node's certificate is expired or not yet valid");
    }

    #[test]
    fn a_certificate_with_many_names_is_cut() {
        assert_eq!(listed(["a", "b", "c", "d", "e"].into_iter()), "a, b, c, d");
        assert_eq!(listed([].into_iter()), "no DNS name");
    }
}
