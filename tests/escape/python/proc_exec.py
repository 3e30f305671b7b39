# Replaces the process by a program of the host.
# Known from: shellcode.
# expect: success
import os

environment = {"PATH": "/bin:/usr/bin"}
for run in (
    lambda: os.execv("/bin/touch", ["touch", "{{MARK}}"]),
    lambda: os.execve("/bin/touch", ["touch", "{{MARK}}"], environment),
    lambda: os.execvp("touch", ["touch", "{{MARK}}"]),
    lambda: os.execlp("sh", "sh", "-c", "touch {{MARK}}"),
    lambda: os.spawnv(os.P_WAIT, "/bin/touch", ["touch", "{{MARK}}"]),
    lambda: os.startfile("{{WITNESS}}"),
):
    try:
        run()
    except BaseException as error:
        print(type(error).__name__, error)
