# Raises its own limits, changes user, root directory and priority.
# Known from: privilege escalation by setrlimit and set*id.
# expect: success
import os

for change in (
    lambda: __import__("resource").setrlimit(7, (1 << 20, 1 << 20)),
    lambda: __import__("resource").setrlimit(9, (-1, -1)),
    lambda: os.setuid(0),
    lambda: os.setgid(0),
    lambda: os.setgroups([0]),
    lambda: os.nice(-20),
    lambda: os.chroot("/"),
    lambda: os.setsid(),
    lambda: os.sched_setaffinity(0, {0}),
    lambda: os.unshare(0x10000000),
    lambda: os.setns(3),
    lambda: os.mount("/", "/tmp"),
):
    try:
        print("did", change())
    except BaseException as error:
        print(type(error).__name__, error)
