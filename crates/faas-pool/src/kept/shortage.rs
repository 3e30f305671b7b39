//! When memory is short, of the machine or of a control group above the service: snapshots, and then sessions, give
//! way before the kernel ends processes.

use faas_linux::MemoryRoom;
use faas_protocol::ByteSize;

/// What is to be left of all memory: a tenth, and of much memory so much.
const LEFT_SHARE: u64 = 10;
const MOST_LEFT: ByteSize = ByteSize::mib(512);

/// How much memory is missing; nothing if it is not short.
pub fn missing_memory() -> ByteSize {
    let rooms = MemoryRoom::of_all().into_iter();
    ByteSize::bytes(rooms.map(missing).max().unwrap_or_default())
}

fn missing(room: MemoryRoom) -> u64 {
    let wanted = (room.most / LEFT_SHARE).min(MOST_LEFT.get());
    wanted.saturating_sub(room.left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_short_when_less_than_a_tenth_is_left_and_less_than_half_a_gigabyte() {
        let missing = |most, left| missing(MemoryRoom { most, left });
        assert_eq!(missing(1000, 100), 0);
        assert_eq!(missing(1000, 70), 30);
        let much = 256 << 30;
        assert_eq!(missing(much, MOST_LEFT.get()), 0);
        assert_eq!(missing(much, 0), MOST_LEFT.get());
    }
}
