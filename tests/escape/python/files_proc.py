# Looks for the host's /proc: environment, memory map, root directory and descriptors of processes.
# Known from: container escapes through /proc/PID/root and /proc/self/fd (CVE-2024-21626, "Leaky Vessels").
# expect: success
import os

paths = ["/proc/self/environ", "/proc/self/maps", "/proc/self/cmdline", "/proc/self/mem"]
for process in ("self", "1", "{{SUPERVISOR_PID}}", "{{ZYGOTE_PID}}", "thread-self"):
    paths += [
        f"/proc/{process}/root{{WITNESS}}",
        f"/proc/{process}/environ",
        f"/proc/{process}/cwd",
        f"/proc/{process}/exe",
    ]
    paths += [f"/proc/{process}/fd/{number}" for number in range(12)]
    paths += [f"/proc/{process}/cwd/../../../../../..{{WITNESS}}"]
for path in paths:
    try:
        with open(path, "rb") as file:
            data = file.read(2000)
        if b"{{SUPERVISOR_PID}}" in data or b"faas-server" in data or b"/lib" in data:
            print("ESCAPED:", path)
        print(path, data)
    except OSError:
        pass
    try:
        target = os.readlink(path)
        # Emscripten has descriptors of its own.
        if not target.startswith("/dev/std"):
            print("ESCAPED:", path, target)
    except OSError:
        pass
