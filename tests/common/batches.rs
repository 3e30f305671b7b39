//! `POST /run_batch` as a client has it: lines that come while others are sent.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;

use serde_json::Value;

/// Lines of an answer as they come. Dropping them hangs up.
pub struct Answered {
    pub lines: Box<dyn BufRead + Send>,
}

impl Answered {
    /// The next line; `None` after the last.
    pub fn next(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            // An answer that breaks off is the last.
            if self.lines.read_line(&mut line).unwrap_or(0) == 0 {
                return None;
            }
            if !line.trim().is_empty() {
                return Some(serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}")));
            }
        }
    }
}

/// A request whose body is sent line by line while its answer is read.
pub struct Upload {
    pub stream: TcpStream,
}

impl Upload {
    pub fn begin(address: &str, head: &Value) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .write_all(
                b"POST /run_batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n\
                  Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
            )
            .unwrap();
        let mut upload = Self { stream };
        upload.send(&format!("{head}\n"));
        upload
    }

    pub fn send(&mut self, text: &str) {
        self.try_send(text).unwrap();
    }

    pub fn try_send(&mut self, text: &str) -> std::io::Result<()> {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.stream.write_all(chunk.as_bytes())
    }

    pub fn end(&mut self) {
        self.stream.write_all(b"0\r\n\r\n").unwrap();
    }

    /// The lines of the answer, which has to be 200.
    pub fn answered(&self) -> Answered {
        let mut lines = BufReader::new(self.stream.try_clone().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
        while line.trim() != "" {
            line.clear();
            lines.read_line(&mut line).unwrap();
        }
        Answered {
            lines: Box::new(BufReader::new(Chunks { lines, left: 0 })),
        }
    }
}

/// The contents of a chunked body.
struct Chunks {
    lines: BufReader<TcpStream>,
    left: usize,
}

impl Read for Chunks {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            let mut line = String::new();
            self.lines.read_line(&mut line)?;
            if line.trim().is_empty() {
                line.clear();
                self.lines.read_line(&mut line)?;
            }
            self.left = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
        }
        let most = space.len().min(self.left);
        let read = self.lines.read(&mut space[..most])?;
        self.left -= read;
        Ok(read)
    }
}
