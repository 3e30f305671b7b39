//! How busy this server is, in the answers to programs: the header `endpoint-load-metrics` of ORCA (Open Request Cost
//! Aggregation), by which Envoy weighs servers (`client_side_weighted_round_robin`). In its JSON format, which every
//! version of Envoy reads: the separator of its text format changed.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use faas_pool::Load;

pub const LOAD: HeaderName = HeaderName::from_static("endpoint-load-metrics");

/// Over which time answers are counted: an answer that is older by this counts for 1/e.
const WINDOW: Duration = Duration::from_secs(10);

/// Counts answers, for the report.
#[derive(Debug, Default)]
pub struct LoadReport {
    counts: Mutex<Counts>,
}

/// Answers and errors of late, as of `at`.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    at: Option<Instant>,
    answers: f64,
    errors: f64,
}

impl LoadReport {
    /// Counts an answer, and gives the header for it.
    pub fn header(&self, load: &Load, status: StatusCode) -> Option<HeaderValue> {
        let counts = {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            counts.add(Instant::now(), is_error(status));
            *counts
        };
        // The program of this answer was there, too. Envoy takes no report of an idle server.
        let programs = (load.executing + load.waiting).max(1);
        let utilization = programs as f64 / load.workers as f64;
        let per_second = |count: f64| count / WINDOW.as_secs_f64();
        let (answers, errors) = (per_second(counts.answers), per_second(counts.errors));
        let report = format!(
            "JSON {{\"application_utilization\":{utilization:.3},\"rps_fractional\":{answers:.3},\"eps\":{errors:.3}}}"
        );
        // Digits and letters always fit.
        HeaderValue::try_from(report).ok()
    }
}

impl Counts {
    fn add(&mut self, now: Instant, is_error: bool) {
        if let Some(at) = self.at {
            let age = now.saturating_duration_since(at);
            let left = (-age.div_duration_f64(WINDOW)).exp();
            self.answers *= left;
            self.errors *= left;
        }
        self.at = Some(now);
        self.answers += 1.0;
        self.errors += f64::from(u8::from(is_error));
    }
}

/// Whether another server may have done better. A server that refuses is quick, and would be sent more for that.
fn is_error(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(report: &LoadReport, executing: usize, waiting: usize, code: u16) -> String {
        let load = Load {
            waiting,
            queue: 1000,
            executing,
            workers: 8,
            expected_wait: Duration::ZERO,
        };
        let status = StatusCode::from_u16(code).unwrap();
        let header = report.header(&load, status).unwrap();
        header.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_load_is_what_executes_and_waits_for_each_worker() {
        let report = LoadReport::default();
        let starts = |header: String, load: &str| {
            let start = format!("JSON {{\"application_utilization\":{load},");
            assert!(header.starts_with(&start), "{header}");
        };
        starts(header(&report, 0, 0, 200), "0.125");
        starts(header(&report, 2, 0, 200), "0.250");
        starts(header(&report, 8, 16, 200), "3.000");
    }

    #[test]
    fn answers_and_errors_are_counted_by_the_second_and_forgotten() {
        let mut counts = Counts::default();
        let start = Instant::now();
        // Ten a second, every tenth of which is an error.
        for number in 0..1000 {
            counts.add(
                start + Duration::from_millis(100 * number),
                number % 10 == 0,
            );
        }
        let rate = counts.answers / WINDOW.as_secs_f64();
        assert!((9.9..10.2).contains(&rate), "{rate}");
        let errors = counts.errors / WINDOW.as_secs_f64();
        assert!((0.9..1.1).contains(&errors), "{errors}");
        counts.add(start + Duration::from_secs(1000), false);
        assert!((1.0..1.001).contains(&counts.answers), "{counts:?}");
        for (code, is_counted) in [
            (200, false),
            (400, false),
            (422, false),
            (429, true),
            (500, true),
            (503, true),
        ] {
            assert_eq!(
                is_error(StatusCode::from_u16(code).unwrap()),
                is_counted,
                "{code}"
            );
        }
    }
}
