# signal.alarm and setitimer interrupt loops, sleeps and event loops, as harnesses for solutions use them.
import asyncio
import signal
import time


def handler(number, frame):
    raise TimeoutError(f"signal {number}")


signal.signal(signal.SIGALRM, handler)


def bounded(seconds, work):
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return work()
    except TimeoutError as error:
        return str(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def spin():
    while True:
        pass


print(bounded(0.05, spin))
print(bounded(0.05, lambda: time.sleep(30)))
print(bounded(0.05, lambda: asyncio.run(asyncio.sleep(30))))
print(bounded(0.05, lambda: sum(i for i in range(10**12))))
print(bounded(5, lambda: "done"))
print(signal.alarm(0), signal.alarm(10), signal.alarm(0))
ticks = []
signal.signal(signal.SIGALRM, lambda *_: ticks.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
end = time.monotonic() + 0.2
while time.monotonic() < end and len(ticks) < 3:
    pass
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(ticks) >= 3, signal.getitimer(signal.ITIMER_REAL))
# A handler that returns does not cut a sleep short (PEP 475).
signal.setitimer(signal.ITIMER_REAL, 0.01)
start = time.monotonic()
time.sleep(0.1)
print(time.monotonic() - start >= 0.099)
