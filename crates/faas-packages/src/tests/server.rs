//! A package index on this machine that answers as it is told, well or badly.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::State;
use axum::http::Response;
use axum::http::header;
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;
use serde_json::json;
use tokio::sync::Barrier;

use super::super::digest::Digest;

/// One answer to one request.
#[derive(Clone)]
pub enum Reply {
    Body {
        content_type: &'static str,
        body: Bytes,
    },
    /// Like `Body`, after a while.
    Slow(Duration, Bytes),
    Status(u16),
    RetryAfter(&'static str),
    Redirect(String),
    /// Sends this much, then breaks the connection.
    Cut(Bytes),
    /// Like `Body`, once as many requests wait at this barrier as it is for.
    Together(Arc<Barrier>, Bytes),
    /// Accepts the request and never answers.
    Hang,
}

impl Reply {
    pub fn file(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self::Body {
            content_type: "application/octet-stream",
            body,
        }
    }

    pub fn html(body: String) -> Self {
        let body = body.into();
        Self::Body {
            content_type: "text/html",
            body,
        }
    }

    /// A PEP 691 answer that names these files.
    pub fn json(files: &[Value]) -> Self {
        let answer = json!({"meta": {"api-version": "1.1"}, "name": "x", "files": files});
        Self::Body {
            content_type: "application/vnd.pypi.simple.v1+json",
            body: answer.to_string().into(),
        }
    }

    async fn response(self) -> Response<Body> {
        let response = Response::builder();
        let built = match self {
            Self::Body { content_type, body } => response
                .header(header::CONTENT_TYPE, content_type)
                .body(body.into()),
            Self::Slow(pause, body) => {
                tokio::time::sleep(pause).await;
                response.body(body.into())
            }
            Self::Together(barrier, body) => {
                barrier.wait().await;
                response.body(body.into())
            }
            Self::Status(status) => response.status(status).body(Body::empty()),
            Self::RetryAfter(value) => response
                .status(429)
                .header(header::RETRY_AFTER, value)
                .body(Body::empty()),
            Self::Redirect(to) => response
                .status(302)
                .header(header::LOCATION, to)
                .body(Body::empty()),
            Self::Cut(start) => {
                let broken = Err(io::Error::other("cut"));
                let chunks = stream::unfold(vec![broken, Ok(start)], async |mut chunks| {
                    // So that the start is on its way before the connection breaks.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    chunks.pop().map(|chunk| (chunk, chunks))
                });
                response.body(Body::from_stream(chunks))
            }
            Self::Hang => std::future::pending().await,
        };
        built.unwrap()
    }
}

/// A file of an index answer, with the sha256 of its contents.
pub fn named(filename: &str, contents: &[u8]) -> Value {
    json!({
        "filename": filename,
        "url": format!("/files/{filename}"),
        "hashes": {"sha256": Digest::of(contents).to_string()},
    })
}

#[derive(Default)]
struct Script {
    /// By path. The last reply stays.
    replies: Mutex<HashMap<String, VecDeque<Reply>>>,
    seen: Mutex<Vec<Seen>>,
}

/// A request as it came in.
#[derive(Clone)]
pub struct Seen {
    pub path: String,
    pub authorization: Option<String>,
}

pub struct Server {
    pub host: String,
    script: Arc<Script>,
}

impl Server {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let script = Arc::<Script>::default();
        let app = Router::new().fallback(reply).with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { host, script }
    }

    pub fn address(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    pub fn on(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        let replies = replies.into_iter().collect();
        let mut all = self.script.replies.lock().unwrap();
        all.insert(path.to_owned(), replies);
    }

    /// Offers a project `six` with one wheel and returns the wheel's name.
    pub fn offer_six(&self, contents: &'static [u8]) -> &'static str {
        self.on(
            "/simple/six/",
            [Reply::json(&[named(super::SIX, contents)])],
        );
        self.on(super::SIX_PATH, [Reply::file(contents)]);
        super::SIX
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.script.seen.lock().unwrap().clone()
    }

    /// How often a path was asked for.
    pub fn count(&self, path: &str) -> usize {
        let seen = self.seen();
        seen.iter().filter(|request| request.path == path).count()
    }
}

async fn reply(State(script): State<Arc<Script>>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let authorization = request.headers().get(header::AUTHORIZATION);
    let authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
    let reply = {
        let mut replies = script.replies.lock().unwrap();
        match replies.get_mut(&path) {
            None => Reply::Status(404),
            Some(queue) if queue.len() > 1 => queue.pop_front().unwrap(),
            Some(queue) => queue.front().unwrap().clone(),
        }
    };
    let seen = Seen {
        path,
        authorization,
    };
    script.seen.lock().unwrap().push(seen);
    reply.response().await
}
