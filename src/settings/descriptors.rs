//! Processes and open files: what the settings take, and how many connections that leaves.

use super::Settings;
use super::SettingsError;

/// The log, the history, packages that are fetched, what tokio takes, and probes that are answered beside a
/// full service.
const OF_THE_SERVICE: u64 = 256;
/// Of a sandbox, a snapshot, or a state of a session: its process and its socket.
const OF_A_SANDBOX: u64 = 2;
/// Of a zygote: its process, its sockets, its log.
const OF_A_ZYGOTE: u64 = 8;
/// With fewer connections a service is of no use.
const FEWEST_CONNECTIONS: u64 = 16;

impl Settings {
    /// Sandboxes, snapshots and states of sessions at most: each is a process.
    pub fn most_sandboxes(&self) -> u64 {
        let workers = self.worker_count() as usize;
        let of_sessions = self.session_settings().processes(workers) as u64;
        u64::from(self.max_instances) + u64::from(self.snapshots) + of_sessions
    }

    /// Zygotes at most.
    pub fn most_zygotes(&self) -> u64 {
        u64::from(self.package_zygotes) + self.runtimes().count() as u64
    }

    /// Open files that everything but connections may take.
    pub fn descriptors_without_connections(&self) -> u64 {
        OF_THE_SERVICE + OF_A_SANDBOX * self.most_sandboxes() + OF_A_ZYGOTE * self.most_zygotes()
    }

    /// Connections at once: FAAS_MAX_CONNECTIONS, or what a limit of open files leaves.
    ///
    /// # Errors
    /// [`SettingsError::Descriptors`] if that is next to none.
    pub fn connections(&self, limit: Option<u64>) -> Result<u32, SettingsError> {
        let taken = self.descriptors_without_connections();
        let left = limit.map_or(u64::MAX, |limit| limit.saturating_sub(taken));
        if left < FEWEST_CONNECTIONS.min(self.max_connections.into()) {
            return Err(SettingsError::Descriptors {
                limit: limit.unwrap_or_default(),
                needed: taken + FEWEST_CONNECTIONS,
            });
        }
        Ok(u32::try_from(left).map_or(self.max_connections, |left| left.min(self.max_connections)))
    }
}
