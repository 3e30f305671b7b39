//! nginx and HAProxy, for tests that put servers behind them.

use std::io::Write;
use std::net::TcpListener;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

/// The program, unless it is missing: then it says so on the terminal, with the package that has it.
fn proxy(variable: &str, program: &str, package: &str) -> Option<Command> {
    let program = std::env::var(variable).unwrap_or_else(|_| program.to_owned());
    let version = Command::new(&program)
        .arg("-v")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if version.is_err() {
        let word = format!(
            "\nproxy: SKIPPED, the service behind {program} was not tested: it is not there.\n  \
             On Debian:  apt-get install --no-install-recommends {package}\n  \
             Elsewhere:  set {variable} to where it is\n\n"
        );
        // Not with eprintln!, whose text cargo keeps back while tests pass.
        let _ = std::io::stderr().write_all(word.as_bytes());
        return None;
    }
    Some(Command::new(program))
}

pub fn nginx() -> Option<Command> {
    proxy("NGINX", "nginx", "nginx-light")
}

pub fn haproxy() -> Option<Command> {
    proxy("HAPROXY", "haproxy", "haproxy")
}

/// An address that was free a moment ago; proxies do not say which they took.
pub fn free_address() -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().to_string()
}

/// What nginx needs besides its servers; one process, so that it ends with the test.
pub fn nginx_configuration(here: &str, of_http: &str) -> String {
    format!(
        "daemon off; master_process off; pid {here}/pid; error_log {here}/errors;
         events {{}}
         http {{
           access_log off;
           client_body_temp_path {here}/1; proxy_temp_path {here}/2; fastcgi_temp_path {here}/3;
           uwsgi_temp_path {here}/4; scgi_temp_path {here}/5;
           {of_http}
         }}"
    )
}

/// A text in which all of these are replaced; each has to be there.
pub fn with_addresses(text: &str, addresses: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (from, to) in addresses {
        assert!(text.contains(from), "no {from} in {text}");
        text = text.replace(from, to);
    }
    text
}

/// A child process that ends with the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
