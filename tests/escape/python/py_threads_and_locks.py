# Deadlocks itself on locks and queues.
# Known from: workers that hang for ever.
# timeout: 400
import queue, threading

lock = threading.Lock()
lock.acquire()
try:
    print(lock.acquire(timeout=0.05))
except BaseException as error:
    print(type(error).__name__)
print(queue.Queue().get(timeout=100))
