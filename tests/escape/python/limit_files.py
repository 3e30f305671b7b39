# Fills the virtual file system with one endless file and with endless files.
# Known from: disk exhaustion; in memory here.
# timeout: 8000
import os

try:
    with open("/tmp/big", "wb") as file:
        for _ in range(4096):
            file.write(b"x" * (1 << 20))
except (OSError, MemoryError) as error:
    print(type(error).__name__, error)
os.remove("/tmp/big")
try:
    for number in range(10_000_000):
        open(f"/tmp/file{number}", "w").write("x" * 10_000)
except (OSError, MemoryError) as error:
    print(type(error).__name__, error)
