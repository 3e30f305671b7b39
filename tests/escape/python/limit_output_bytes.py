# Writes without end, a byte at a time, to both streams, unbuffered.
# Known from: floods that count on per-message overhead.
# expect: timeout, output_limit
# timeout: 600
import os

while True:
    os.write(1, b"x")
    os.write(2, b"y")
