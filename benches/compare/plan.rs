//! The number of samples.

use std::time::Duration;

/// Sample counts. A number of calls for each contender, from the quickest to the slowest.
#[derive(Clone, Debug)]
pub struct Plan {
    pub name: &'static str,
    /// Starts of the server.
    pub starts: usize,
    /// Trivial calls one at a time.
    pub trivial: Samples,
    /// Time at each number of connections.
    pub load: Duration,
    /// Rounds of 50 sleeping executions.
    pub sleeps: usize,
    /// Rounds of 200 at once: of this server, of processes.
    pub bursts: (usize, usize),
    /// Per evaluator program.
    pub evaluators: Samples,
    pub imports: Samples,
    pub cpu: Samples,
    pub package: Samples,
    pub javascript: Samples,
    /// Programs that start from a snapshot.
    pub snapshots: usize,
    /// Snapshots kept at once; no more than FAAS_SNAPSHOTS.
    pub kept: usize,
    /// Requests with timings of the stages.
    pub stages: usize,
    /// Executions for the growth.
    pub growth: usize,
    /// Waiting sandboxes, or 0.
    pub waiting: usize,
}

#[derive(Clone, Copy, Debug)]
pub struct Samples {
    /// This server.
    pub server: usize,
    /// A process per call that starts in some ms: Python, Node.
    pub process: usize,
    /// One Deno process for all calls.
    pub resident: usize,
    /// A Deno process per call that boots Pyodide.
    pub deno: usize,
}

impl Samples {
    const fn new(server: usize, resident: usize, process: usize, deno: usize) -> Self {
        Self {
            server,
            process,
            resident,
            deno,
        }
    }
}

impl Plan {
    /// Under 2 minutes on 2 cores: Deno's process per call, which takes seconds, runs the trivial
    /// program only.
    pub fn quick() -> Self {
        Self {
            name: "quick",
            starts: 1,
            trivial: Samples::new(100, 100, 20, 2),
            load: Duration::from_millis(1500),
            sleeps: 1,
            bursts: (3, 1),
            evaluators: Samples::new(10, 10, 2, 0),
            imports: Samples::new(8, 8, 2, 0),
            cpu: Samples::new(1, 1, 1, 0),
            package: Samples::new(10, 10, 0, 0),
            javascript: Samples::new(30, 0, 3, 0),
            snapshots: 50,
            kept: 20,
            stages: 100,
            growth: 1_000,
            waiting: 0,
        }
    }

    /// Under 15 minutes on 2 cores.
    pub fn full() -> Self {
        Self {
            name: "full",
            starts: 5,
            trivial: Samples::new(1_000, 2_000, 200, 15),
            load: Duration::from_secs(8),
            sleeps: 3,
            bursts: (10, 3),
            evaluators: Samples::new(100, 100, 10, 2),
            imports: Samples::new(50, 50, 10, 5),
            cpu: Samples::new(7, 7, 3, 0),
            package: Samples::new(100, 100, 0, 5),
            javascript: Samples::new(300, 0, 30, 0),
            snapshots: 500,
            kept: 45,
            stages: 500,
            growth: 20_000,
            waiting: 1_000,
        }
    }
}
