# Fills memory with Python objects.
# Known from: memory exhaustion (CWE-770).
# expect: error, memory_limit, killed
# timeout: 8000
kept = []
while True:
    kept.append(bytearray(1 << 20))
