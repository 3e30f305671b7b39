//! The aims that figures are compared with.

use serde::Serialize;

use crate::report::Report;

/// An aim and what was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Aim {
    pub aim: &'static str,
    pub target: f64,
    pub measured: f64,
    pub met: bool,
}

impl std::fmt::Display for Aim {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mark = if self.met { "met   " } else { "MISSED" };
        let Self {
            aim,
            target,
            measured,
            ..
        } = self;
        write!(formatter, "{mark} {aim}: {measured:.2} (aim {target})")
    }
}

/// All aims whose figures were measured.
pub fn judge(report: &Report) -> Vec<Aim> {
    let figure = |section: &str, contender: &str, case: &str, figure: &str| {
        report.section(section)?.figure(contender, case, figure)
    };
    let trivial = |contender, name| figure("trivial", contender, "one at a time", name);
    let own = trivial("server", "p50_ms");
    let ahead_of = |contender| Some(trivial(contender, "p50_ms")? / own?);
    let at_most = [
        (
            "start to the first answer, s",
            2.0,
            figure("start", "server", "first answer", "p50_ms").map(|ms| ms / 1000.0),
        ),
        ("print('hi') one at a time, p50 ms", 2.0, own),
        (
            "print('hi') one at a time, p99 ms",
            10.0,
            trivial("server", "p99_ms"),
        ),
        (
            "50 × time.sleep(1) at once, s",
            3.0,
            figure("sleep", "server", "50 at once", "seconds"),
        ),
        (
            "private memory per waiting sandbox, MiB",
            4.0,
            figure("memory", "server", "each waiting sandbox", "private_mib"),
        ),
        (
            "1,000 waiting sandboxes, GiB",
            4.0,
            figure("waiting", "server", "1000 waiting", "pss_mib").map(|mib| mib / 1024.0),
        ),
        (
            "console.log('hi') one at a time, p50 ms",
            2.0,
            figure("javascript", "server", "console.log('hi')", "p50_ms"),
        ),
    ];
    let at_least = [
        (
            "times faster than Deno per call, p50",
            300.0,
            ahead_of("deno_per_call"),
        ),
        ("times faster than python3 -c, p50", 1.0, ahead_of("python")),
        (
            "fresh Python executions per second and core, 16 connections",
            150.0,
            figure("load", "server", "16 connections", "per_second_core"),
        ),
        (
            "CPU-bound: times faster than one Deno process",
            1.3,
            figure("cpu", "server", "geometric mean", "ratio_to_resident"),
        ),
        (
            "console.log('hi') per second, 16 connections",
            400.0,
            figure("javascript", "server", "16 connections", "per_second"),
        ),
    ];
    let low = at_most.into_iter().map(|aim| (aim, true));
    let high = at_least.into_iter().map(|aim| (aim, false));
    low.chain(high)
        .filter_map(|((aim, target, measured), low)| {
            let measured = measured?;
            Some(Aim {
                aim,
                target,
                measured,
                met: if low {
                    measured <= target
                } else {
                    measured >= target
                },
            })
        })
        .collect()
}
