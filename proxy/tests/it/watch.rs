//! Watching over the peer port: any POP of the roster may, nobody else, in bounded number, until the node stops.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use selvedge::link::authority::Authority;
use selvedge::link::roster::certificate_name;
use selvedge::link::watch::{WATCH_PROTOCOL, WATCHERS_MAX, WatchError, WatchStream};
use selvedge::link::{Cause, Side};
use selvedge_state::PopId;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::cluster;
use crate::link::{Cluster, year};
use crate::support::{Answer, Origin};

async fn first_line(stream: WatchStream) -> (String, BufReader<WatchStream>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    (line, stream)
}

#[tokio::test]
async fn any_pop_may_watch_any_other_whichever_dials() {
    let mut cluster = Cluster::new(2);
    let (fra, iad) = (cluster.start(0), cluster.start(1));
    fra.linked(1).await;
    let (said, _stream) = first_line(fra.links.watch(PopId(2)).await.unwrap()).await;
    assert_eq!(said, "hello 1\n");
    let (said, _stream) = first_line(iad.links.watch(PopId(1)).await.unwrap()).await;
    assert_eq!(said, "hello 2\n");
    // Watching is nothing to the replica's links.
    fra.linked(1).await;
    assert_eq!(fra.links.watch(PopId(1)).await.unwrap_err(), WatchError::Unknown, "not itself");
    assert_eq!(fra.links.watch(PopId(9)).await.unwrap_err(), WatchError::Unknown);
}

#[tokio::test]
async fn strangers_may_not_watch() {
    let mut cluster = Cluster::new(2);
    let iad = cluster.start(1);
    let other = Authority::new("edge", year()).unwrap();
    let own = |name: &str| cluster.authority.issue(name, year()).unwrap();
    let issued = [
        other.issue(&certificate_name("edge", "fra"), year()).unwrap(),
        own("nobody.edge.selvedge"),
        own(&certificate_name("edge", "iad")),
    ];
    for issued in issued.iter().map(Some).chain([None]) {
        // In TLS 1.3 the verdict comes after the client's handshake is over, so reading tells.
        if let Ok(mut stream) = cluster.dial_for(&iad, issued, &[WATCH_PROTOCOL]).await {
            let mut said = Vec::new();
            let _ = stream.read_to_end(&mut said).await;
            assert!(said.is_empty(), "a stranger was told {}", String::from_utf8_lossy(&said));
        }
    }
    iad.refuses(Side::Accepted, |cause| *cause == Cause::OtherAuthority).await;
    iad.refuses(Side::Accepted, |cause| matches!(cause, Cause::NotInRoster(_))).await;
    iad.refuses(Side::Accepted, |cause| *cause == Cause::MustNotDial("iad".to_owned())).await;
    iad.refuses(Side::Accepted, |cause| *cause == Cause::NoCertificate).await;
}

#[tokio::test]
async fn another_protocol_is_refused() {
    let mut cluster = Cluster::new(2);
    let iad = cluster.start(1);
    let issued = cluster.authority.issue(&certificate_name("edge", "fra"), year()).unwrap();
    assert!(cluster.dial_for(&iad, Some(&issued), &[b"http/1.1"]).await.is_err());
}

#[tokio::test]
async fn those_who_watch_are_bounded_and_make_room() {
    let mut cluster = Cluster::new(2);
    let (fra, iad) = (cluster.start(0), cluster.start(1));
    let mut held = Vec::new();
    for _ in 0..WATCHERS_MAX {
        held.push(first_line(fra.links.watch(PopId(2)).await.unwrap()).await.1);
    }
    let (said, _) = first_line_or_end(fra.links.watch(PopId(2)).await.unwrap()).await;
    assert_eq!(said, "");
    iad.refuses(Side::Accepted, |cause| *cause == Cause::Watchers(WATCHERS_MAX)).await;
    held.pop();
    crate::support::eventually(crate::support::DEADLINE, async || {
        let (said, _) = first_line_or_end(fra.links.watch(PopId(2)).await.unwrap()).await;
        if said == "hello 1\n" { Ok(()) } else { Err("no room".to_owned()) }
    })
    .await;
}

async fn first_line_or_end(stream: WatchStream) -> (String, BufReader<WatchStream>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    // A connection that is closed without a farewell is closed.
    let _ = stream.read_line(&mut line).await;
    (line, stream)
}

#[tokio::test]
async fn a_stop_ends_what_is_watched() {
    let mut cluster = Cluster::new(2);
    let (fra, iad) = (cluster.start(0), cluster.start(1));
    let (_, mut stream) = first_line(fra.links.watch(PopId(2)).await.unwrap()).await;
    iad.shutdown.send_replace(true);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_pop_that_knows_no_watching_is_named_so() {
    let mut cluster = Cluster::new(2);
    let issued = cluster.authority.issue(&certificate_name("edge", "iad"), year()).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = cluster.listeners[1].take().unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let older = tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            // One task each: the replica dials too.
            tokio::spawn(async move {
                let mut stream = acceptor.accept(socket).await.unwrap();
                let _ = stream.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    let fra = cluster.start(0);
    let watched = tokio::time::timeout(crate::support::DEADLINE, fra.links.watch(PopId(2))).await;
    older.abort();
    assert_eq!(watched.unwrap().unwrap_err(), WatchError::Older);
}

/// Asks one thing of a POP with the certificate of another.
async fn ask(folder: &std::path::Path, to: std::net::SocketAddr, request: &str) -> Answer {
    let read = |file: &str| std::fs::read(folder.join("ams").join(file)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&read("ca.pem")).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(&read("pop.pem")).unwrap()],
            PrivateKeyDer::from_pem_slice(&read("pop.key")).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![WATCH_PROTOCOL.to_vec()];
    let name = ServerName::try_from("fra.test.selvedge").unwrap();
    let socket = TcpStream::connect(to).await.unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
    stream.write_all(format!("{request} HTTP/1.1\r\nHost: watch\r\n\r\n").as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    Answer::parse(&heard).unwrap_or_else(|| panic!("no whole answer: {}", String::from_utf8_lossy(&heard)))
}

#[tokio::test]
async fn other_pops_may_look_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("", "x").await;
    let plan = cluster::plan_of(folder.path(), &origin.url(), &["fra", "ams"], "");
    let _fra = cluster::start(folder.path(), "fra").await;
    let to = plan.pops[0].listen;
    for path in ["/v1/status", "/v1/bans", "/v1/lists", "/v1/reload", "/metrics", "/"] {
        assert_eq!(ask(folder.path(), to, &format!("GET {path}")).await.status, 404, "{path}");
        assert_eq!(ask(folder.path(), to, &format!("POST {path}")).await.status, 404, "{path}");
    }
    assert_eq!(ask(folder.path(), to, "POST /v1/explain").await.status, 405);
    assert_eq!(ask(folder.path(), to, "DELETE /v1/tail").await.status, 405);
    let answer = ask(folder.path(), to, "GET /v1/explain?id=00000000000000aa").await;
    assert!(answer.status == 404 && answer.text().contains("is not remembered"), "{}", answer.text());
    let answer = ask(folder.path(), to, "GET /v1/tail?expr=nothing").await;
    assert!(answer.status == 422 && answer.text().contains("nothing"), "{}", answer.text());
}
