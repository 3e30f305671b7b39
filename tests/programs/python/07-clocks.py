# CPU time is not wall time.
import time

start = time.process_time(), time.thread_time(), time.perf_counter()
time.sleep(0.05)
cpu, thread, wall = time.process_time() - start[0], time.thread_time() - start[1], time.perf_counter() - start[2]
print(cpu < 0.04, thread < 0.04, wall >= 0.05)
before = time.process_time_ns(), time.thread_time_ns()
sum(range(300_000))
print(time.process_time_ns() > before[0], time.thread_time_ns() > before[1], type(before[0]).__name__)
