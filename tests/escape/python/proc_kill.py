# Sends signals to the supervisor, its zygote, process 1, its own group and everybody.
# Known from: denial of service in shared sandboxes.
# expect: success
import os, signal

for target in ("{{SUPERVISOR_PID}}", "{{ZYGOTE_PID}}", "1", "0", "-1", "-{{SUPERVISOR_PID}}"):
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP):
        if target in ("0", "-1") and number == signal.SIGKILL:
            continue
        for send in (os.kill, os.killpg):
            try:
                send(int(target), number)
            except BaseException as error:
                print(type(error).__name__)
print(os.getpid(), os.getppid())
if os.getppid() == int("{{SUPERVISOR_PID}}"):
    print("ESCAPED: it knows its parent")
