//! TLS on the port that speaks HTTP too: both protocols, with and without ALPN, reload, refusals.

use std::sync::Arc;

use front::Certificates;
use front::limits::{SNIFF_WAIT, TLS_HANDSHAKE_WAIT};
use http_body_util::BodyExt;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use identity::LocalCa;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use stdx::{Clock, task};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::connections::h2_request;
use crate::harness::{Server, Setting, settle, still_clock};

/// Long enough for a test, on the machine's own clock.
fn authority() -> LocalCa {
    let made = LocalCa::make(Clock::system().wall()).unwrap();
    LocalCa::open(made.as_bytes()).unwrap()
}

fn certificates(ca: &LocalCa) -> Certificates {
    let leaf = leaf(ca);
    Certificates::new(leaf.chain_pem.as_bytes(), leaf.key_pem.as_bytes()).unwrap()
}

fn leaf(ca: &LocalCa) -> identity::Leaf {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    ca.issue(&names, Clock::system().wall()).unwrap()
}

fn server_with(certificates: &Certificates) -> Server {
    Server::start(Setting { certificates: Some(certificates.clone()), ..Setting::default() })
}

fn client(ca: &LocalCa, alpn: &[&str], version: &'static SupportedProtocolVersion) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.certificate_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

async fn connect(
    server: &Server,
    client: &TlsConnector,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server.addr).await?;
    client.connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

/// One exchange in HTTP/1.1; the whole answer as text.
async fn ask(server: &Server, stream: &mut TlsStream<TcpStream>) -> String {
    let message = server.call("Echo", r#"{"Text":"secure?"}"#);
    stream.write_all(&message.bytes()).await.unwrap();
    let mut text = String::new();
    while !text.contains('}') {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.unwrap();
        assert_ne!(read, 0, "closed after {text:?}");
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    text
}

#[tokio::test]
async fn http1_by_either_version_with_and_without_alpn() {
    let ca = authority();
    let server = server_with(&certificates(&ca));
    for version in [&TLS12, &TLS13] {
        for alpn in [&[][..], &["http/1.1"]] {
            for name in ["localhost", "127.0.0.1", "::1"] {
                let client = client(&ca, alpn, version);
                let mut stream = connect(&server, &client, name).await.unwrap();
                for _ in 0..2 {
                    let answer = ask(&server, &mut stream).await;
                    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
                    assert!(answer.contains(r#""Text":"true""#), "{answer}");
                }
            }
        }
    }
    // The same port, in the clear.
    let reply = server.send(&server.call("Echo", r#"{"Text":"secure?"}"#)).await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().contains(r#""Text":"false""#));
}

#[tokio::test]
async fn http2_by_alpn_and_by_its_preface_alone() {
    let ca = authority();
    let server = server_with(&certificates(&ca));
    for alpn in [&["h2", "http/1.1"][..], &[]] {
        let stream = connect(&server, &client(&ca, alpn, &TLS13), "localhost").await.unwrap();
        let agreed = stream.get_ref().1.alpn_protocol();
        assert_eq!(agreed, alpn.first().map(|name| name.as_bytes()));
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        task::spawn(async move {
            let _ended = connection.await;
        });
        let large = format!(r#"{{"Text":"{}"}}"#, "z".repeat(300_000));
        for body in [r#"{"Text":"secure?"}"#, &large] {
            let response = sender.send_request(h2_request(&server, "Echo", body)).await.unwrap();
            assert_eq!(response.status(), 200);
            let answer = response.into_body().collect().await.unwrap().to_bytes();
            assert!(answer.len() > 300_000 || answer.windows(4).any(|window| window == b"true"));
        }
    }
}

#[tokio::test]
async fn strangers_do_not_agree() {
    let (ca, other) = (authority(), authority());
    let server = server_with(&certificates(&ca));
    assert!(connect(&server, &client(&other, &[], &TLS13), "localhost").await.is_err());
    assert!(connect(&server, &client(&ca, &[], &TLS13), "kinesis.example").await.is_err());
    assert!(connect(&server, &client(&ca, &["smtp"], &TLS13), "localhost").await.is_err());
    settle().await;
    let metrics = server.telemetry.prometheus_text();
    assert!(metrics.contains("levada_tls_handshakes_failed_total 3"), "{metrics}");
    let mut stream = connect(&server, &client(&ca, &[], &TLS13), "localhost").await.unwrap();
    ask(&server, &mut stream).await;
}

#[tokio::test]
async fn without_a_certificate_tls_is_closed() {
    let server = Server::plain();
    assert!(connect(&server, &client(&authority(), &[], &TLS13), "localhost").await.is_err());
}

#[tokio::test]
async fn slow_handshakes_and_silence_after_them_are_cut() {
    let ca = authority();
    let server = Server::start(Setting {
        clock: still_clock(),
        certificates: Some(certificates(&ca)),
        ..Setting::default()
    });
    let mut slow = server.connect().await;
    slow.write(&[0x16, 3, 1, 2]).await;
    let mut silent = connect(&server, &client(&ca, &[], &TLS13), "localhost").await.unwrap();
    settle().await;
    server.pass(TLS_HANDSHAKE_WAIT.max(SNIFF_WAIT)).await;
    assert!(slow.is_closed().await);
    assert!(matches!(silent.read(&mut [0; 1]).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn who_has_asked_nothing_does_not_hold_up_the_end() {
    let ca = authority();
    let mut server = Server::start(Setting {
        clock: still_clock(),
        certificates: Some(certificates(&ca)),
        ..Setting::default()
    });
    let mut silent = server.connect().await;
    let mut halfway = server.connect().await;
    halfway.write(&[0x16, 3, 1]).await;
    let mut greeted = connect(&server, &client(&ca, &[], &TLS13), "localhost").await.unwrap();
    settle().await;
    server.begin_stop();
    assert!(silent.is_closed().await);
    assert!(halfway.is_closed().await);
    assert!(matches!(greeted.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    assert_eq!(server.stopped().await.connections_aborted, 0);
}

#[tokio::test]
async fn another_certificate_is_shown_without_a_restart() {
    let (before, after) = (authority(), authority());
    let certificates = certificates(&before);
    let server = server_with(&certificates);
    let mut open = connect(&server, &client(&before, &[], &TLS13), "localhost").await.unwrap();
    ask(&server, &mut open).await;
    let (new, stray) = (leaf(&after), leaf(&after));
    // What does not fit together changes nothing.
    let refused = certificates.replace(new.chain_pem.as_bytes(), stray.key_pem.as_bytes());
    assert!(refused.is_err());
    assert!(certificates.replace(b"", new.key_pem.as_bytes()).is_err());
    assert!(certificates.replace(new.chain_pem.as_bytes(), b"").is_err());
    assert!(connect(&server, &client(&before, &[], &TLS13), "localhost").await.is_ok());
    certificates.replace(new.chain_pem.as_bytes(), new.key_pem.as_bytes()).unwrap();
    assert!(connect(&server, &client(&before, &[], &TLS13), "localhost").await.is_err());
    let mut stream = connect(&server, &client(&after, &[], &TLS13), "localhost").await.unwrap();
    ask(&server, &mut stream).await;
    ask(&server, &mut open).await;
}
