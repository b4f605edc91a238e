//! A server that says what it hears, for conformance suites: `cargo run -p sluicegate-wire --example echo -- 127.0.0.1:9001`.
//! It has nothing of the broker but this crate. A thread serves each connection.

use std::env;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use sluicegate_wire as wire;
use wire::handshake::{self, UpgradeRequest};
use wire::{Decoder, DeflateAgreement, Deflater, FrameKind, Inflater, WebSocketMessage};

/// Bytes of a message at most: suites send 16 MiB.
const MESSAGE_BYTES: usize = 32 << 20;
/// Bytes of a request's head at most.
const HEAD_BYTES: usize = 16_384;
const READ_BYTES: usize = 65_536;

fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(address)?;
    println!("listening on ws://{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || {
            if let Err(error) = serve(stream) {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

fn serve(mut stream: TcpStream) -> Result<(), Box<dyn Error>> {
    stream.set_nodelay(true)?;
    let head = read_head(&mut stream)?;
    let (answer, deflate) = answer(&head)?;
    stream.write_all(answer.as_bytes())?;
    let decoder = Decoder::new(MESSAGE_BYTES);
    let mut decoder = if deflate.is_some() {
        decoder.with_deflate()
    } else {
        decoder
    };
    let (mut inflater, mut deflater) = (Inflater::default(), Deflater::default());
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let mut messages = decoder.feed(&mut buffer[..count], &mut inflater);
        loop {
            let mut compressed =
                |kind, payload| deflate.and_then(|agreed| deflater.frame(kind, payload, agreed.window));
            let frame = match messages.next() {
                Ok(None) => break,
                Ok(Some(WebSocketMessage::Text(text))) => {
                    compressed(FrameKind::Text, text.as_bytes()).unwrap_or_else(|| wire::text_frame(text))
                }
                Ok(Some(WebSocketMessage::Binary(bytes))) => {
                    compressed(FrameKind::Binary, bytes).unwrap_or_else(|| wire::binary_frame(bytes))
                }
                Ok(Some(WebSocketMessage::Ping(payload))) => wire::pong_frame(payload),
                Ok(Some(WebSocketMessage::Pong(_))) => continue,
                Ok(Some(WebSocketMessage::Close { code, .. })) => {
                    stream.write_all(&wire::close_frame(code, ""))?;
                    return Ok(());
                }
                Err(error) => {
                    stream.write_all(&wire::close_frame(error.close_code(), &error.to_string()))?;
                    return Ok(());
                }
            };
            stream.write_all(&frame)?;
        }
    }
}

/// The head of the request. A client sends nothing behind it before it is answered.
fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut buffer = [0; 1_024];
        let count = stream.read(&mut buffer)?;
        head.extend_from_slice(&buffer[..count]);
        if count == 0 || head.len() > HEAD_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    String::from_utf8(head).map_err(|_| io::ErrorKind::InvalidData.into())
}

fn answer(head: &str) -> Result<(String, Option<DeflateAgreement>), Box<dyn Error>> {
    let (first, headers) = head.split_once("\r\n").ok_or("no request")?;
    let header = |name: &str| {
        let mut lines = headers.lines().filter_map(|line| line.split_once(':'));
        let line = lines.find(|(header, _)| header.eq_ignore_ascii_case(name));
        line.map(|(_, value)| value.trim())
    };
    let accept = handshake::accept(&UpgradeRequest {
        is_http_1_1: first.ends_with("HTTP/1.1"),
        method: first.split(' ').next().unwrap_or_default(),
        upgrade: header("upgrade"),
        connection: header("connection"),
        version: header("sec-websocket-version"),
        key: header("sec-websocket-key"),
    })?;
    let offered = header("sec-websocket-extensions").unwrap_or_default();
    let deflate = DeflateAgreement::negotiate(offered).map_err(|_| "the extensions cannot be read")?;
    let extensions = deflate.map_or_else(String::new, |agreed| {
        format!("Sec-WebSocket-Extensions: {}\r\n", agreed.answer())
    });
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{extensions}\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    Ok((answer, deflate))
}
