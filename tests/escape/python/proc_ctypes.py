# Calls the C library through ctypes: system, fork, execve, kill, syscall, mmap, dlopen.
# Known from: ctypes jail escapes.
import ctypes

libc = ctypes.CDLL(None)
for name, arguments in (
    ("system", (b"touch {{MARK}}",)),
    ("popen", (b"cat {{WITNESS}}", b"r")),
    ("fork", ()),
    ("vfork", ()),
    ("execl", (b"/bin/touch", b"touch", b"{{MARK}}", None)),
    ("kill", (int("{{SUPERVISOR_PID}}"), 9)),
    ("open", (b"{{WITNESS}}", 0)),
    ("creat", (b"{{MARK}}", 0o777)),
    ("unlink", (b"{{WITNESS}}",)),
    ("ptrace", (16, int("{{SUPERVISOR_PID}}"), 0, 0)),
    ("prctl", (38, 0, 0, 0, 0)),
    ("dlopen", (b"{{WITNESS}}", 2)),
    ("getppid", ()),
    ("syscall", (2, b"{{WITNESS}}", 0)),
    ("chroot", (b"/",)),
    ("mount", (b"/", b"/tmp", b"", 4096, None)),
):
    try:
        print(name, getattr(libc, name)(*arguments))
    except BaseException as error:
        print(name, type(error).__name__, str(error)[:60])
