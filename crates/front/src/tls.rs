//! TLS: the certificate that is shown, and the handshake.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use stdx::Clock;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::limits::{SNIFF_WAIT, TLS_HANDSHAKE_WAIT, TLS_SESSIONS_MAX};
use crate::sniff::{Prefixed, Protocol, sniff};

const ALPN_HTTP1: &[u8] = b"http/1.1";
const ALPN_HTTP2: &[u8] = b"h2";

/// Why a certificate cannot be shown.
#[derive(Debug, PartialEq, Eq)]
pub struct CertificatesError(String);

impl fmt::Display for CertificatesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CertificatesError {}

/// The certificate that TLS connections are shown. Clones share it, and it can be replaced while
/// connections are open: they keep the one that they were shown.
#[derive(Clone)]
pub struct Certificates {
    config: Arc<rustls::ServerConfig>,
    shown: Arc<Shown>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

impl Certificates {
    /// From a chain, the server's own certificate first, and its key; both in PEM.
    ///
    /// # Errors
    /// If they cannot be read or do not belong together.
    pub fn new(chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, CertificatesError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let key = certified(chain_pem, key_pem, &provider)?;
        let shown = Arc::new(Shown(RwLock::new(Arc::new(key))));
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| CertificatesError(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
        config.session_storage = ServerSessionMemoryCache::new(TLS_SESSIONS_MAX);
        Ok(Certificates { config: Arc::new(config), shown })
    }

    /// Shows another certificate from now on.
    ///
    /// # Errors
    /// As [`Certificates::new`]; the old one is then shown as before.
    pub fn replace(&self, chain_pem: &[u8], key_pem: &[u8]) -> Result<(), CertificatesError> {
        let key = certified(chain_pem, key_pem, self.config.crypto_provider())?;
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
        Ok(())
    }
}

fn certified(
    chain_pem: &[u8],
    key_pem: &[u8],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, CertificatesError> {
    let said = |what: &str, error: &dyn fmt::Display| CertificatesError(format!("{what}: {error}"));
    let chain = CertificateDer::pem_slice_iter(chain_pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| said("the certificate cannot be read", &error))?;
    if chain.is_empty() {
        return Err(CertificatesError("there is no certificate in PEM".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem)
        .map_err(|error| said("the key cannot be read", &error))?;
    CertifiedKey::from_der(chain, key, provider)
        .map_err(|error| said("certificate and key cannot be used", &error))
}

/// What is shown to whoever connects, whatever name they ask for.
struct Shown(RwLock<Arc<CertifiedKey>>);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// A connection that is encrypted.
pub(crate) type Encrypted = Prefixed<TlsStream<Prefixed<TcpStream>>>;

/// Shakes hands, and tells the protocol inside: by ALPN, else by the first bytes, because Java's
/// SDK negotiates none and sends HTTP/2's preface (`facts/real-parts.md`).
pub(crate) async fn accept(
    certificates: &Certificates,
    stream: Prefixed<TcpStream>,
    clock: &Clock,
) -> Result<(Protocol, Encrypted), String> {
    let acceptor = TlsAcceptor::from(Arc::clone(&certificates.config));
    let stream = match clock.timeout(TLS_HANDSHAKE_WAIT, acceptor.accept(stream)).await {
        Some(Ok(stream)) => stream,
        Some(Err(error)) => return Err(error.to_string()),
        None => return Err("the handshake took too long".to_owned()),
    };
    match stream.get_ref().1.alpn_protocol() {
        Some(ALPN_HTTP2) => return Ok((Protocol::Http2, Prefixed::nothing(stream))),
        Some(_) => return Ok((Protocol::Http1, Prefixed::nothing(stream))),
        None => {}
    }
    match clock.timeout(SNIFF_WAIT, sniff(stream)).await {
        Some(Ok((Protocol::Tls, _))) => Err("TLS within TLS".to_owned()),
        Some(Ok(told)) => Ok(told),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("nothing was asked in time".to_owned()),
    }
}
