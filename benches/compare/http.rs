//! One kept-alive HTTP/1.1 connection, with as little work per request as possible: the client shares
//! its cores with the server that it measures.

use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;

use crate::Error;

const PATIENCE: Duration = Duration::from_secs(120);
const LENGTH: &[u8] = b"content-length:";

/// A request, encoded once and sent many times.
#[derive(Clone, Debug)]
pub struct Request(Vec<u8>);

impl Request {
    pub fn get(path: &str) -> Self {
        Self(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes())
    }

    pub fn post(path: &str, body: &serde_json::Value) -> Self {
        let body = body.to_string();
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        Self((head + &body).into_bytes())
    }
}

/// An answer, borrowed from the connection.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// Whether the program ran to its end, found without decoding the body.
    pub fn is_success(&self) -> bool {
        const SUCCESS: &[u8] = br#""status":"success""#;
        self.status == 200 && find(self.body, SUCCESS).is_some()
    }

    pub fn json(&self) -> Result<serde_json::Value, Error> {
        Ok(serde_json::from_slice(self.body)?)
    }
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects, to this machine only.
    pub fn open(address: SocketAddr) -> Result<Self, Error> {
        if !address.ip().is_loopback() {
            return Err("load goes to the loopback only".into());
        }
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            buffer: vec![0; 16 * 1024],
        })
    }

    /// Sends a request and waits for the whole answer.
    pub fn send(&mut self, request: &Request) -> Result<Answer<'_>, Error> {
        self.stream.write_all(&request.0)?;
        let mut filled = 0;
        let (status, start, end) = loop {
            if filled == self.buffer.len() {
                self.buffer.resize(filled * 2, 0);
            }
            match self.stream.read(&mut self.buffer[filled..]) {
                Ok(0) => return Err("the server closed the connection".into()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
            let received = &self.buffer[..filled];
            if let Some(head) = find(received, b"\r\n\r\n") {
                let start = head + 4;
                let (status, length) = parse_head(&received[..start])?;
                if filled >= start + length {
                    break (status, start, start + length);
                }
            }
        };
        Ok(Answer {
            status,
            body: &self.buffer[start..end],
        })
    }
}

fn parse_head(head: &[u8]) -> Result<(u16, usize), Error> {
    let head = std::str::from_utf8(head)?;
    let status = head.split(' ').nth(1).ok_or("no status line")?.parse()?;
    let length = head
        .split("\r\n")
        .find_map(|line| {
            let (name, value) = line.split_at_checked(LENGTH.len())?;
            name.as_bytes()
                .eq_ignore_ascii_case(LENGTH)
                .then_some(value)
        })
        .ok_or("an answer without Content-Length")?;
    Ok((status, length.trim().parse()?))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
