//! A server of this project, started for a measurement.

use std::fs::File;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;

use crate::Error;
use crate::http::Connection;
use crate::http::Request;
use crate::processes;
use crate::processes::Cpu;

const START_WITHIN: Duration = Duration::from_secs(180);
const STOP_WITHIN: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(2);
/// How often the pool must look the same for the server to count as at rest.
const CALM_POLLS: usize = 4;

/// A started server; stopped when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    pub started: Instant,
    /// From its start to its first healthy answer.
    pub healthy_after: Duration,
}

/// The pool, from `/health`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    pub idle: u64,
    pub active: u64,
    pub total: u64,
}

impl Server {
    /// Starts `program` with `settings` on a free port and waits until it is healthy.
    pub fn start(program: &Path, settings: &[(String, String)], log: &Path) -> Result<Self, Error> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FAAS_") {
                command.env_remove(name);
            }
        }
        command
            .env("FAAS_HOST", address.ip().to_string())
            .env("FAAS_PORT", port.to_string())
            .env("NO_COLOR", "1")
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log)?);
        // SAFETY: the closure makes one system call, which is allowed between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let started = Instant::now();
        let mut server = Self {
            started,
            child: command.spawn()?,
            address,
            healthy_after: Duration::ZERO,
        };
        loop {
            let answer = Connection::open(address)
                .and_then(|mut connection| Ok(connection.send(&Request::get("/health"))?.status));
            if matches!(answer, Ok(200)) {
                break;
            }
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("the server ended ({status}), see {}", log.display()).into());
            }
            if started.elapsed() > START_WITHIN {
                return Err(format!("the server is not healthy, see {}", log.display()).into());
            }
            std::thread::sleep(POLL);
        }
        server.healthy_after = started.elapsed();
        Ok(server)
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn connect(&self) -> Result<Connection, Error> {
        Connection::open(self.address)
    }

    pub fn health(&self) -> Result<Value, Error> {
        self.connect()?.send(&Request::get("/health"))?.json()
    }

    pub fn pool(&self) -> Result<Pool, Error> {
        let health = self.health()?;
        let number = |name| health["pool"][name].as_u64().unwrap_or_default();
        Ok(Pool {
            idle: number("idleInstances"),
            active: number("activeInstances"),
            total: number("totalInstances"),
        })
    }

    /// Waits until every sandbox that ended is reaped and the pool is full again.
    pub fn settle(&self) -> Result<(), Error> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut calm = 0;
        let mut last = Pool::default();
        while calm < CALM_POLLS && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(15));
            let pool = self.pool()?;
            let rests = pool == last && pool.active == 0 && pool.idle == pool.total;
            calm = if rests { calm + 1 } else { 0 };
            last = pool;
        }
        Ok(())
    }

    /// CPU time of all processes so far. Exact only when [`Self::settle`]d.
    pub fn cpu(&self) -> Cpu {
        processes::tree_cpu(self.pid())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SAFETY: kill takes two numbers; the process is our own child and not reaped yet.
        unsafe { libc::kill(self.pid(), libc::SIGTERM) };
        let deadline = Instant::now() + STOP_WITHIN;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
