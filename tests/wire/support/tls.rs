//! Certificates that are made for a test, and a way for clients without TLS to a broker with it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::config::Home;

/// Signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Puts `ca.pem` into a broker's folder.
    pub(crate) fn put_ca(&self, home: &Home) {
        home.put("ca.pem", &self.pem);
    }

    /// Puts `FILE.pem` and `FILE.key` into a broker's folder: for this name, valid for so many days.
    pub(crate) fn issue(&self, home: &Home, file: &str, name: &str, days: u64) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = (SystemTime::now() - Duration::from_hours(10 * 24)).into();
        params.not_after = (SystemTime::now() + Duration::from_hours(24 * days)).into();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let (cert_file, key_file) = (format!("{file}.pem"), format!("{file}.key"));
        home.put(&cert_file, cert.pem());
        home.put(&key_file, key.serialize_pem());
        (home.path(&cert_file), home.path(&key_file))
    }

    /// What a client that trusts this authority connects with, and shows.
    pub(crate) fn client(&self, identity: Option<(PathBuf, PathBuf)>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match identity {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => {
                let cert = CertificateDer::from_pem_file(cert).unwrap();
                let key = PrivateKeyDer::from_pem_file(key).unwrap();
                builder.with_client_auth_cert(vec![cert], key).unwrap()
            }
        })
    }
}

/// Connects, as a client that asks for this name.
pub(crate) async fn connect(
    address: SocketAddr,
    name: &str,
    config: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    connect_over(TcpStream::connect(address).await?, name, config).await
}

/// The same over a connection that is there.
pub(crate) async fn connect_over(
    stream: TcpStream,
    name: &str,
    config: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(config.clone()).connect(name, stream).await
}

/// The first bytes that such a client sends.
pub(crate) fn client_hello(name: &str, config: &Arc<ClientConfig>) -> Vec<u8> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(config.clone(), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

/// An address whose connections go on over TLS, to a broker whose certificate has this name.
pub(crate) async fn link(to: SocketAddr, name: &'static str, config: Arc<ClientConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut plain, _)) = listener.accept().await {
            let config = config.clone();
            tokio::spawn(async move {
                let Ok(mut encrypted) = connect(to, name, &config).await else {
                    return;
                };
                // Either side may break off.
                drop(copy_bidirectional(&mut plain, &mut encrypted).await);
            });
        }
    });
    address
}
