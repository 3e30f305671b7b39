# Top-level await, and output that arrives while the program runs.
import asyncio
import time


async def step(name, seconds):
    await asyncio.sleep(seconds)
    print(f"{time.perf_counter() - started:4.1f} s  {name}", flush=True)
    return name


started = time.perf_counter()
names = await asyncio.gather(
    step("third", 1.5), step("first", 0.5), step("second", 1.0)
)
for left in range(3, 0, -1):
    print(left, end=" ", flush=True)
    await asyncio.sleep(0.4)
print("done")
names
