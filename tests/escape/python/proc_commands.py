# Runs commands of the host: system, popen, subprocess, pty.
# Known from: CTF jails, the second thing anybody tries.
# expect: success
import os, subprocess

for run in (
    lambda: os.system("touch {{MARK}}"),
    lambda: os.popen("cat {{WITNESS}}").read(),
    lambda: subprocess.run(["/bin/cat", "{{WITNESS}}"], capture_output=True).stdout,
    lambda: subprocess.check_output("cat {{WITNESS}}", shell=True),
    lambda: subprocess.Popen(["/bin/sh"], stdin=-1).communicate(b"touch {{MARK}}"),
    lambda: __import__("pty").spawn(["/bin/touch", "{{MARK}}"]),
    lambda: __import__("_posixsubprocess").fork_exec([b"/bin/touch"], [b"/bin/touch"], True, (), None, None, -1, -1, -1, -1, -1, -1, -1, -1, False, False, 0, None, None, None, -1, None, True),
    lambda: __import__("commands").getoutput("cat {{WITNESS}}"),
    lambda: __import__("webbrowser").open("file://{{WITNESS}}"),
):
    try:
        print("got", run())
    except BaseException as error:
        print(type(error).__name__, error)
