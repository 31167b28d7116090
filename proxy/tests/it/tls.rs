//! TLS towards clients and towards origins.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use selvedge::link::authority::{Authority, Validity};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{Edge, Noise, Origin, get};

/// An authority, and a PEM file with chain and key for each name.
pub(crate) fn certificates(folder: &Path, names: &[&str]) -> Authority {
    let validity = Validity::days(SystemTime::now(), 30);
    let authority = Authority::new("test", validity).unwrap();
    for name in names {
        let issued = authority.issue(name, validity).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), format!("{}{}", issued.certificate, issued.key)).unwrap();
    }
    std::fs::write(folder.join("ca.pem"), authority.certificate()).unwrap();
    authority
}

pub(crate) fn config(folder: &Path, names: &[&str], origin: &str) -> String {
    let files: Vec<String> =
        names.iter().map(|name| format!("\"{}\"", folder.join(format!("{name}.pem")).display())).collect();
    format!(
        "[listen]\nhttps = [{{ address = \"127.0.0.1:0\", certificates = [{}] }}]\n[origin.app]\nservers = [\"{origin}\"]\n[site.\"*\"]\norigin = \"app\"\n",
        files.join(", ")
    )
}

pub(crate) async fn connect(
    edge: &Edge,
    authority: &Authority,
    name: &str,
    protocol: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(edge.address()).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

/// The certificate that a handshake shows.
fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn another_certificate_answers_after_a_reload_and_connections_stay() {
    let folder = tempfile::tempdir().unwrap();
    let old = certificates(folder.path(), &["a.example"]);
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "secured").await;
    let edge = Edge::with(&config(folder.path(), &["a.example"], &origin.url())).await;
    let kept = connect(&edge, &old, "a.example", "http/1.1").await.unwrap();
    let before = shown(&kept);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(kept)).await.unwrap();
    tokio::spawn(connection);
    let ask = async |sender: &mut SendRequest<Empty<Bytes>>| {
        let response = sender.send_request(request("/", "a.example")).await.unwrap();
        response.into_body().collect().await.unwrap().to_bytes()
    };
    assert_eq!(ask(&mut sender).await, "secured");

    std::fs::write(folder.path().join("a.example.pem"), "half a file").unwrap();
    let (code, _, error) = edge.command(&["reload"]).await;
    assert_eq!(code, 78);
    assert!(error.contains("a.example.pem: it holds no certificate"), "{error}");
    assert_eq!(shown(&connect(&edge, &old, "a.example", "h2").await.unwrap()), before);

    let new = certificates(folder.path(), &["a.example"]);
    assert_eq!(edge.command(&["reload"]).await.0, 0);
    assert_ne!(shown(&connect(&edge, &new, "a.example", "h2").await.unwrap()), before);
    assert!(connect(&edge, &old, "a.example", "h2").await.is_err(), "not of the old authority");
    assert_eq!(ask(&mut sender).await, "secured");
}

fn request(target: &str, host: &str) -> hyper::Request<Empty<Bytes>> {
    hyper::Request::builder().uri(target).header("host", host).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn http_1_and_2_are_served_with_the_certificate_of_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["a.example", "b.example"];
    let authority = certificates(folder.path(), &names);
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "secured").await;
    let edge = Edge::with(&config(folder.path(), &names, &origin.url())).await;
    for name in names {
        let stream = connect(&edge, &authority, name, "http/1.1").await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(request("/", name)).await.unwrap();
        assert_eq!(response.status(), 200);

        let stream = connect(&edge, &authority, name, "h2").await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        for _ in 0..3 {
            let response = sender.send_request(request(&format!("https://{name}/"), name)).await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "secured");
        }
    }
    let seen = origin.seen();
    assert!(seen.iter().all(|request| request.header("x-forwarded-proto") == Some("https")));
    assert!(connect(&edge, &authority, "c.example", "h2").await.is_err(), "no certificate for that name");
}

#[tokio::test]
async fn random_bytes_on_the_tls_port_never_stop_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let authority = certificates(folder.path(), &["a.example"]);
    let origin = Origin::fixed("", "x").await;
    let mut edge = Edge::with(&config(folder.path(), &["a.example"], &origin.url())).await;
    let mut noise = Noise::new();
    for _ in 0..50 {
        let bytes = noise.bytes(2048);
        crate::support::talk_and_leave(edge.address(), &bytes).await;
    }
    assert!(edge.lives());
    assert!(connect(&edge, &authority, "a.example", "h2").await.is_ok());
}

#[tokio::test]
async fn an_origin_s_certificate_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path(), &["origin.example"]);
    let inner = Origin::fixed("", "behind TLS").await;
    let secured = Edge::with(&config(folder.path(), &["origin.example"], &inner.url())).await;
    let outer = |more: &str| {
        format!(
            "[pop]\nname = \"outer\"\n[listen]\nhttp = [\"127.0.0.1:0\"]\n[origin.app]\nservers = [\"https://{}\"]\n{more}\n[site.\"*\"]\norigin = \"app\"\n",
            secured.address()
        )
    };
    let ca = folder.path().join("ca.pem");
    let ca = ca.display();
    let trusting = Edge::with(&outer(&format!("tls = {{ sni = \"origin.example\", ca = \"{ca}\" }}"))).await;
    let answer = get(trusting.address(), "test", "/").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "behind TLS"));
    let other_name = Edge::with(&outer(&format!("tls = {{ sni = \"other.example\", ca = \"{ca}\" }}"))).await;
    assert_eq!(get(other_name.address(), "test", "/").await.status, 502, "a certificate for another name");
    let unknown = Edge::with(&outer("tls = { sni = \"origin.example\" }")).await;
    assert_eq!(get(unknown.address(), "test", "/").await.status, 502, "a certificate of an unknown authority");
    let lenient = Edge::with(&outer("tls = { verify = false }")).await;
    assert_eq!(get(lenient.address(), "test", "/").await.status, 200);
}
