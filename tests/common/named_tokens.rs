//! Tokens with names, as FAAS_API_TOKENS_FILE has them.

use serde_json::Value;

use super::Answer;
use super::Server;
use super::index::sha256;

/// The table of a token.
pub fn table(name: &str, token: &str) -> String {
    let digest = sha256(token.as_bytes());
    format!("[{name}]\nsha256 = \"{digest}\"\n")
}

impl Server {
    /// Sends a request with a token; null stands for no body.
    pub fn send_as(&self, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {token}");
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        self.send(method, path, &[("authorization", &authorization)], body)
    }
}
