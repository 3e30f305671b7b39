//! Snapshots: sandboxes that have run a program and stay, so that others can start from what it left.

mod ahead;
mod gate;
mod gone;
mod listener;
mod memory;
mod shortage;
mod snapshot;
mod store;

pub use gate::ForkGate;
pub use gate::Permission;
pub use gate::Traced;
pub use gone::Gone;
pub use memory::own_memory;
pub use shortage::missing_memory;
pub use snapshot::Lineage;
pub use snapshot::Origin;
pub use snapshot::Parent;
pub use snapshot::Snapshot;
pub use snapshot::SnapshotHold;
pub use snapshot::SnapshotId;
pub use snapshot::SnapshotInfo;
pub use store::NoSnapshot;
pub use store::SnapshotSettings;
pub use store::Snapshots;
pub use store::SnapshotsStats;
