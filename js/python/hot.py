"""Runs what long programs spend their time in, long enough for V8 to optimise it before the first fork.

A sandbox that gets there first would run slow code and then compile, on its one thread.
"""

import json
import math
import re

records = [
    {"id": i, "name": f"record {i}", "tags": ["a", "b"], "score": i * 0.5, "text": "caf\u00e9 \\ \n" * 3}
    for i in range(150)
]
for indent in (None, 1):
    text = json.dumps(records, indent=indent, sort_keys=True)
    assert json.loads(text) == records

log = "2026-01-31 12:00:00 WARN  user=ann@example.com took 35 ms; retry #4\n" * 60
found = re.findall(r"(\w+)@([\w.]+)\b.*?(\d+)\s*ms", log)
found += re.split(r"[;,\s]+", log)
re.sub(r"\d+", lambda match: f"<{match[0]}>", log)
re.compile(r"^\S+ (?:\d\d:){2}\d\d\s+(?P<level>[A-Z]+)", re.MULTILINE).findall(log)

parts = []
for i in range(1500):
    parts.append(f"{i:04d}:{i / 7:.3f}")
joined = ",".join(parts)
words = joined.replace(":", " ").upper().lower().split(",")
counts = {}
for word in words:
    key = word.strip()[:3]
    counts[key] = counts.get(key, 0) + len(word)
built = ""
for word in words[:500]:
    built += word
sorted(counts.items(), key=lambda item: (-item[1], item[0]))
"%s-%d" % (built[::-1][:10], joined.find("1499")), joined.encode().decode()

total = 0.0
grid = [[float(i * j) for j in range(30)] for i in range(30)]
for row in grid:
    for i, value in enumerate(row):
        total += math.sqrt(value) * (i % 3) - value // 2
seen = set()
a, b = 0, 1
while b < 10**300:
    a, b = b, a + b
    seen.add(b % 97)
