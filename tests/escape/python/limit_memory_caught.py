# Catches every MemoryError and goes on taking memory.
# Known from: programs that survive a soft limit.
# expect: timeout, error, memory_limit, killed
# timeout: 800
kept = []
while True:
    try:
        while True:
            kept.append("x" * 1_000_000 + str(len(kept)))
    except MemoryError:
        kept.append([])
