//! What a kept process costs.

use faas_linux::ProcessStatus;
use faas_protocol::ByteSize;

/// The memory of a process that is its own, at most: pages that it wrote since its fork, and page tables.
///
/// The kernel does not tell an ordinary user which of the pages of a fork are shared. It does tell how often
/// one was written, or read, for the first time (minor faults), and no process owns more pages than it has had
/// of those, nor more than it has. One that gives memory back and takes it again is charged too much.
pub fn own_memory(pid: i32) -> ByteSize {
    let status = ProcessStatus::of(pid).unwrap_or_default();
    let faults = faas_linux::minor_faults(pid).unwrap_or_default();
    let written = faults.saturating_mul(faas_linux::page_bytes());
    let resident = status.anonymous_bytes + status.swapped_bytes;
    ByteSize::bytes(written.min(resident) + status.page_table_bytes)
}
