//! The pool's own numbers for Prometheus: those that are looked up when somebody asks.

use std::sync::Arc;

use faas_telemetry::Metrics;
use faas_telemetry::SandboxState;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::MetricEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::Pool;

impl Pool {
    /// A registry with everything that is exposed: the service's metrics and the pool's numbers.
    pub fn registry(self: &Arc<Self>, metrics: &Metrics) -> Registry {
        let mut registry = metrics.registry();
        registry.register_collector(Box::new(PoolCollector(self.clone())));
        registry
    }

    /// Sets the gauges of idle sandboxes and of zygotes that serve. The pool knows both; the gauges learn
    /// it when somebody is about to read them.
    pub fn set_gauges(&self) {
        let metrics = &self.resources.metrics;
        for kind in metrics.open_kinds() {
            let idle = i64::try_from(self.idle(kind)).unwrap_or(i64::MAX);
            metrics.sandboxes(kind, SandboxState::Idle).set(idle);
        }
        for (runtime, zygote) in self.zygotes() {
            metrics.set_up(runtime, zygote.is_up());
        }
    }
}

/// Numbers that the pool and its packages keep themselves.
#[derive(Debug)]
struct PoolCollector(Arc<Pool>);

impl Collector for PoolCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let mut encode = |name: &str, help: &str, metric: &dyn EncodeOne| {
            let kind = metric.kind();
            metric.encode_into(encoder.encode_descriptor(name, help, None, kind)?)
        };
        let queued = i64::try_from(self.0.stats().queued).unwrap_or(i64::MAX);
        encode(
            "faas_queue_length",
            "Requests that wait for their turn.",
            &ConstGauge::new(queued),
        )?;
        for (name, help, most) in [
            (
                "faas_worker_count",
                "Programs that may be executed at once.",
                self.0.admission.workers(),
            ),
            (
                "faas_queue_size",
                "Requests that may wait for their turn.",
                self.0.queue_size,
            ),
            (
                "faas_max_instances",
                "Sandboxes that may be alive at once.",
                self.0.max_instances,
            ),
        ] {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            encode(name, help, &ConstGauge::new(most))?;
        }
        let snapshots = self.0.snapshots_stats();
        for (name, help, now) in [
            (
                "faas_snapshots",
                "Snapshots that programs can start from.",
                snapshots.number as u64,
            ),
            (
                "faas_snapshots_bytes",
                "Memory that they take, at most.",
                snapshots.memory.get(),
            ),
        ] {
            let now = i64::try_from(now).unwrap_or(i64::MAX);
            encode(name, help, &ConstGauge::new(now))?;
        }
        let sessions = self.0.sessions_stats();
        for (name, help, now) in [
            (
                "faas_sessions",
                "Sessions that are open.",
                sessions.number as u64,
            ),
            (
                "faas_session_processes",
                "Processes that hold their states.",
                sessions.processes as u64,
            ),
            (
                "faas_sessions_bytes",
                "Memory that they hold, at most.",
                sessions.memory.get(),
            ),
        ] {
            let now = i64::try_from(now).unwrap_or(i64::MAX);
            encode(name, help, &ConstGauge::new(now))?;
        }
        let packages = self.0.packages().stats();
        encode(
            "faas_package_cache_hits",
            "Package files that were answered from the cache.",
            &ConstCounter::new(packages.cache_hits),
        )?;
        encode(
            "faas_package_cache_misses",
            "Package files that had to be fetched.",
            &ConstCounter::new(packages.cache_misses),
        )?;
        encode(
            "faas_package_downloaded_bytes",
            "Bytes of package files that were fetched and verified.",
            &ConstCounter::new(packages.downloaded_bytes),
        )
    }
}

/// [`EncodeMetric`] for trait objects.
trait EncodeOne {
    fn kind(&self) -> MetricType;
    fn encode_into(&self, encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error>;
}

impl<T: EncodeMetric> EncodeOne for T {
    fn kind(&self) -> MetricType {
        self.metric_type()
    }

    fn encode_into(&self, encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.encode(encoder)
    }
}
