//! The load generator: a thread per connection, each in a closed loop.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use crate::Error;
use crate::http::Connection;
use crate::http::Request;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After this many requests of all connections together.
    Requests(usize),
    Elapsed(Duration),
}

/// The outcome.
#[derive(Debug, Default)]
pub struct Outcome {
    pub latencies: Vec<Duration>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Answers other than a success.
    pub failures: usize,
    /// CPU time of this generator.
    pub own_cpu: Duration,
}

impl Outcome {
    pub fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// Keeps `connections` connections busy.
pub fn run(
    address: SocketAddr,
    request: &Request,
    connections: usize,
    until: Until,
) -> Result<Outcome, Error> {
    let barrier = Barrier::new(connections + 1);
    let sent = AtomicUsize::new(0);
    let cpu = crate::processes::own_cpu();
    let (parts, elapsed) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..connections)
            .map(|_| {
                scope.spawn(|| {
                    let connection = Connection::open(address);
                    barrier.wait();
                    work(connection?, request, until, &sent)
                })
            })
            .collect();
        barrier.wait();
        let started = Instant::now();
        let parts: Vec<_> = workers
            .into_iter()
            .map(|worker| {
                let ended = worker.join();
                ended.unwrap_or_else(|_| Err("a connection's thread panicked".into()))
            })
            .collect();
        (parts, started.elapsed())
    });
    let mut outcome = Outcome {
        elapsed,
        own_cpu: crate::processes::own_cpu() - cpu,
        ..Outcome::default()
    };
    for part in parts {
        let (latencies, failures) = part?;
        outcome.latencies.extend(latencies);
        outcome.failures += failures;
    }
    Ok(outcome)
}

fn work(
    mut connection: Connection,
    request: &Request,
    until: Until,
    sent: &AtomicUsize,
) -> Result<(Vec<Duration>, usize), Error> {
    let started = Instant::now();
    let mut latencies = Vec::new();
    let mut failures = 0;
    loop {
        match until {
            Until::Requests(count) if sent.fetch_add(1, Ordering::Relaxed) >= count => break,
            Until::Elapsed(limit) if started.elapsed() >= limit => break,
            _ => {}
        }
        let sent_at = Instant::now();
        let success = connection.send(request)?.is_success();
        latencies.push(sent_at.elapsed());
        failures += usize::from(!success);
    }
    Ok((latencies, failures))
}
