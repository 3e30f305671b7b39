# Searching and replacing in a generated log, in the standard library's re (the family "regex").
import re

seed = 42


def draw(limit):
    global seed
    seed = (seed * 3877 + 29573) % 139968
    return limit * seed // 139968


LEVELS = ["INFO", "WARNING", "ERROR", "DEBUG"]
lines = [
    f"2024-{draw(12) + 1:02}-{draw(28) + 1:02}T{draw(24):02}:{draw(60):02}:{draw(60):02}Z "
    f"{LEVELS[draw(4)]} [worker-{draw(16)}] user{draw(500)}@host{draw(20)}.example.com "
    f"GET /api/v{draw(3)}/items/{draw(10000)}?page={draw(50)} took {draw(900)}.{draw(10)}ms"
    for _ in range(6000)
]
log = "\n".join(lines)
entry = re.compile(r"^(\d{4})-(\d\d)-(\d\d)T[\d:]+Z (?P<level>[A-Z]+) \[(?P<worker>[\w-]+)\] (?P<user>\S+)", re.M)
workers = {}
for match in entry.finditer(log):
    key = match["worker"], match["level"]
    workers[key] = workers.get(key, 0) + 1
slow = re.findall(r"/items/(\d+)\?page=\d+ took ([5-9]\d\d\.\d)ms", log)
masked, count = re.subn(r"\b[\w.]+@([\w-]+)(?:\.\w+)+", r"***@\1", log)
words = len(re.split(r"[\s/?&=\[\]]+", masked))
both = len(re.findall(r"(?:ERROR|WARNING).*?(?:v[01]/|page=1\d?\b)", log))
print(len(workers), max(workers.values()), len(slow), count, words, both)
