# Signals its own process with deadly and stopping signals.
# Known from: job control tricks that freeze a worker.
import os, signal

for number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGUSR1, signal.SIGALRM, signal.SIGTERM, signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL):
    for send in (lambda: os.kill(os.getpid(), number), lambda: signal.raise_signal(number), lambda: signal.pthread_kill(0, number)):
        try:
            send()
            print("sent", number)
        except BaseException as error:
            print(type(error).__name__)
