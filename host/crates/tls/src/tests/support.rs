//! A folder of certificates, and both ends of a connection in memory.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SignatureAlgorithm,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig};
use tempfile::TempDir;

use crate::client::ClientTrust;
use crate::layer::TlsLayer;
use crate::{CertificateStore, ServerCertificate};

/// An authority, and the files of what it signed.
pub(crate) struct Folder {
    folder: TempDir,
    authority: Issuer<'static, KeyPair>,
}

pub(crate) const DAY: Duration = Duration::from_hours(24);

// === impl Folder ===

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let name = folder.path().display().to_string();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let own = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), own.pem()).unwrap();
        Self {
            folder,
            authority: Issuer::new(params, key),
        }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(crate) fn write(&self, file: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(file);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// `FILE.pem` and `FILE.key` for these names, valid from yesterday to `until`.
    pub(crate) fn issue(&self, file: &str, names: &[&str], until: SystemTime) -> (PathBuf, PathBuf) {
        self.issue_for(&KeyPair::generate().unwrap(), file, names, until)
    }

    fn issue_for(&self, key: &KeyPair, file: &str, names: &[&str], until: SystemTime) -> (PathBuf, PathBuf) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = (SystemTime::now() - 400 * DAY).into();
        params.not_after = until.into();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let cert = params.signed_by(key, &self.authority).unwrap();
        (
            self.write(&format!("{file}.pem"), cert.pem()),
            self.write(&format!("{file}.key"), key.serialize_pem()),
        )
    }

    /// The same, valid for another year.
    pub(crate) fn certificate(&self, file: &str, names: &[&str]) -> Arc<ServerCertificate> {
        let (cert, key) = self.issue(file, names, SystemTime::now() + 365 * DAY);
        Arc::new(ServerCertificate::read(&cert, &key).unwrap())
    }

    /// The same with a key of this kind.
    pub(crate) fn certificate_with(
        &self,
        file: &str,
        names: &[&str],
        kind: &'static SignatureAlgorithm,
    ) -> Arc<ServerCertificate> {
        let key = KeyPair::generate_for(kind).unwrap();
        let files = self.issue_for(&key, file, names, SystemTime::now() + 365 * DAY);
        Arc::new(read(files).unwrap())
    }

    pub(crate) fn store(&self, certificates: &[(&str, &[&str])]) -> Arc<CertificateStore> {
        let all = certificates.iter().map(|(file, names)| self.certificate(file, names));
        CertificateStore::new(all.collect())
    }

    /// A client that trusts the authority.
    pub(crate) fn client(&self) -> ClientConfig {
        let trust = ClientTrust {
            ca: Some(self.ca()),
            identity: None,
        };
        (*trust.config().unwrap()).clone()
    }
}

pub(crate) fn read(files: (PathBuf, PathBuf)) -> Result<ServerCertificate, crate::CertificateError> {
    ServerCertificate::read(&files.0, &files.1)
}

pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// The server's end of a socket that never waits.
#[derive(Default)]
pub(crate) struct Pipe {
    pub to_server: VecDeque<u8>,
    pub to_client: Vec<u8>,
    /// Bytes that one read gives at most.
    pub at_once: usize,
    /// Bytes that are taken until the client reads again.
    pub room: usize,
    pub is_closed: bool,
}

impl Pipe {
    pub(crate) fn new() -> Self {
        Self {
            at_once: usize::MAX,
            room: usize::MAX,
            ..Self::default()
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.to_server.is_empty() {
            return if self.is_closed {
                Ok(0)
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            };
        }
        let count = buffer.len().min(self.at_once);
        self.to_server.read(&mut buffer[..count])
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.room - self.to_client.len().min(self.room));
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.to_client.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A client and a server that are connected.
pub(crate) struct Pair {
    pub client: ClientConnection,
    pub server: TlsLayer,
    pub pipe: Pipe,
}

impl Pair {
    pub(crate) fn new(client: ClientConfig, server: &Arc<ServerConfig>, host: &str) -> Self {
        let host = ServerName::try_from(host.to_owned()).unwrap();
        Self {
            client: ClientConnection::new(Arc::new(client), host).unwrap(),
            server: TlsLayer::new(server).unwrap(),
            pipe: Pipe::new(),
        }
    }

    /// Brings the client's bytes to the pipe, and what is in it to the client.
    pub(crate) fn exchange(&mut self) -> Result<(), rustls::Error> {
        while !self.pipe.to_client.is_empty() {
            let bytes = std::mem::take(&mut self.pipe.to_client);
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                self.client.read_tls(&mut rest).unwrap();
                self.client.process_new_packets()?;
            }
        }
        while self.client.wants_write() {
            self.client.write_tls(&mut self.pipe.to_server).unwrap();
        }
        Ok(())
    }

    /// Shakes hands. An error of the server comes before that which it causes at the client.
    pub(crate) fn shake_hands(&mut self) -> Result<(), String> {
        for _ in 0..10 {
            self.exchange().map_err(|error| format!("client: {error}"))?;
            let over = self.server.handshake(&mut self.pipe);
            if over.map_err(|error| format!("server: {error}"))? && !self.client.is_handshaking() {
                return self.exchange().map_err(|error| format!("client: {error}"));
            }
        }
        Err("it does not end".to_owned())
    }

    /// All that the server can read now, in pieces of `room` at most.
    pub(crate) fn server_reads(&mut self, room: usize) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut buffer = vec![0; room];
        loop {
            match self.server.read(&mut self.pipe, &mut buffer) {
                Ok(0) => return Ok(all),
                Ok(count) => all.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.pipe.to_server.is_empty() => {
                    return Ok(all);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn client_sends(&mut self, text: &[u8]) {
        self.client.set_buffer_limit(None);
        self.client.writer().write_all(text).unwrap();
        self.exchange().unwrap();
    }

    pub(crate) fn server_writes(&mut self, text: &[u8]) -> io::Result<usize> {
        self.server.write(&mut self.pipe, &[IoSlice::new(text)])
    }

    /// All that came to the client.
    pub(crate) fn client_reads(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        self.client.set_buffer_limit(None);
        // Fails at the end of what is there.
        while !self.pipe.to_client.is_empty() {
            let bytes: Vec<u8> = {
                let count = self.pipe.to_client.len().min(4_096);
                self.pipe.to_client.drain(..count).collect()
            };
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                self.client.read_tls(&mut rest).unwrap();
                self.client.process_new_packets().unwrap();
                drop(self.client.reader().read_to_end(&mut all));
            }
        }
        all
    }
}
