# Ignores every signal and exception that asks it to stop, and spins.
# Known from: workers that cannot be cancelled.
# expect: timeout
# timeout: 400
import signal, sys

for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except BaseException:
        pass
sys.stdout.flush()
while True:
    try:
        while True:
            pass
    except BaseException:
        continue
