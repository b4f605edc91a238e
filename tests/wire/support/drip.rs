//! A client that is as slow as it likes: what it sends comes byte by byte, and what it is told is read to the end.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::within;

/// Between two bytes: slower than any limit on the rate of bytes, and faster than any deadline.
const PACE: Duration = Duration::from_millis(20);

/// Sends one byte after the other until the server ends the connection, and gives what the server said until then. After the
/// last byte nothing more is sent.
pub(crate) async fn drip(
    stream: impl AsyncRead + AsyncWrite,
    bytes: impl Iterator<Item = u8>,
    otherwise: impl Into<String>,
) -> Vec<u8> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let dripping = async {
        let mut pace = tokio::time::interval(PACE);
        for byte in bytes {
            pace.tick().await;
            if writer.write_all(&[byte]).await.is_err() || writer.flush().await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let mut said = Vec::new();
    let reading = async {
        // A reset is an end as well.
        drop(reader.read_to_end(&mut said).await);
    };
    let served = async {
        tokio::select! {
            () = reading => {}
            () = dripping => {}
        }
    };
    within(served, || otherwise.into()).await;
    said
}
