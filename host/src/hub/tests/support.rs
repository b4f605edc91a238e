//! A hub with its list of connections that are to be written to, and clients at the far ends of sockets.

use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use crate::hub::{ClientConnection, ConnectionShape, Hub, flush_until};
use crate::transport::ClientStream;
use backplane::Envelope;
use protocol::Codec;
use wire::DeflateWindow;

/// A hub whose turns end when they say so.
#[derive(Default)]
pub(super) struct TestHub {
    hub: Hub,
    dirty: Vec<Rc<ClientConnection>>,
}

impl TestHub {
    pub(super) fn deliver(&mut self, turn: &[Envelope]) {
        self.hub.deliver_until(turn, &mut self.dirty, || false);
    }

    pub(super) fn flush(&mut self) {
        flush_until(&mut self.dirty, || false);
    }
}

impl Deref for TestHub {
    type Target = Hub;

    fn deref(&self) -> &Hub {
        &self.hub
    }
}

impl DerefMut for TestHub {
    fn deref_mut(&mut self) -> &mut Hub {
        &mut self.hub
    }
}

pub(super) struct Client {
    pub client: Rc<ClientConnection>,
    far_end: TcpStream,
}

pub(super) async fn client(id: u64, outbox_bytes: usize) -> Client {
    client_with(id, outbox_bytes, None).await
}

pub(super) async fn client_with(id: u64, outbox_bytes: usize, deflate: Option<DeflateWindow>) -> Client {
    client_in(Codec::Json, id, outbox_bytes, deflate).await
}

pub(super) async fn client_in(codec: Codec, id: u64, outbox_bytes: usize, deflate: Option<DeflateWindow>) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let far_end = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    stream.writable().await.unwrap();
    Client {
        client: ClientConnection::new(
            id,
            format!("s{id}").into(),
            ConnectionShape::websocket(ClientStream::Tcp(stream), codec, deflate),
            outbox_bytes,
            &Arc::default(),
        ),
        far_end,
    }
}

impl Client {
    /// Reads the next frame of a server whole.
    pub(super) async fn read_frame(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !is_whole(&bytes) {
            let read = (&mut self.far_end).take(1).read_buf(&mut bytes).await;
            assert!(read.unwrap() > 0, "closed amid {bytes:?}");
        }
        bytes
    }

    async fn text_until(&mut self, last: &str) -> String {
        let mut bytes = Vec::new();
        while !String::from_utf8_lossy(&bytes).contains(last) {
            assert!(
                self.far_end.read_buf(&mut bytes).await.unwrap() > 0,
                "closed before {last}"
            );
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Reads frames until one holds `last`, and tells the payloads' texts.
    pub(super) async fn read_until(&mut self, last: &str) -> Vec<String> {
        let text = self.text_until(last).await;
        text.split("\"payload\":")
            .skip(1)
            .map(|rest| rest.split([',', '}']).next().unwrap().to_owned())
            .collect()
    }

    /// Reads frames until one holds `last`, and tells who came and went.
    pub(super) async fn read_changes_until(&mut self, last: &str) -> Vec<String> {
        let text = self.text_until(last).await;
        let frames = text.split("\"type\":\"").skip(1);
        let change = |frame: &str| {
            let (kind, rest) = frame.split_once('"')?;
            let (_, session) = rest.split_once("\"session\":\"")?;
            (kind != "message").then(|| format!("{kind} {}", session.split('"').next().unwrap_or_default()))
        };
        frames.filter_map(change).collect()
    }
}

fn is_whole(frame: &[u8]) -> bool {
    let start = wire::payload_start(frame);
    let length = match frame.get(1..start) {
        Some([126 | 127, length @ ..]) => length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        Some([length]) => usize::from(*length),
        _ => return false,
    };
    frame.len() == start + length
}
