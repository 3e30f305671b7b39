//! What Prometheus' client libraries tell of every process, under the names that its tools expect: of the
//! supervisor, not of its zygotes and sandboxes.

use std::fmt::Error;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use faas_linux::ProcessStatus;
use faas_linux::most_descriptors;
use faas_linux::open_descriptors;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::metrics::gauge::ConstGauge;

/// Looked up when somebody asks.
#[derive(Debug)]
pub struct ProcessCollector {
    /// In seconds since 1970. Kept, so that a clock that is set does not look like a restart.
    started: f64,
}

impl ProcessCollector {
    /// To be called at the start of the process.
    pub fn new() -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            started: started.unwrap_or_default().as_secs_f64(),
        }
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), Error> {
        let mut encode = |name: &str, help: &str, value: f64| {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
        };
        encode(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970.",
            self.started,
        )?;
        // What the system does not tell has no series, rather than a zero that looks like good news.
        if let Ok(status) = ProcessStatus::own() {
            encode(
                "process_resident_memory_bytes",
                "Resident memory of the supervisor.",
                status.resident_bytes as f64,
            )?;
        }
        if let Ok(open) = open_descriptors() {
            encode(
                "process_open_fds",
                "Descriptors that the supervisor has open.",
                open as f64,
            )?;
        }
        if let Some(most) = most_descriptors() {
            encode(
                "process_max_fds",
                "Descriptors that the supervisor may have open.",
                most as f64,
            )?;
        }
        Ok(())
    }
}
