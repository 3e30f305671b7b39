# not for CPython: top-level await
import asyncio


async def boom():
    raise ValueError("lost")


async def worker(name):
    try:
        await asyncio.sleep(1000)
    finally:
        print("cleanup", name)


async def numbers():
    try:
        yield 1
        yield 2
    finally:
        print("closed")


asyncio.create_task(boom())
asyncio.create_task(worker("one"), name="my task")
async for x in numbers():
    break
await asyncio.sleep(0.01)
print(asyncio.current_task().get_name())


async def inner(value):
    await asyncio.sleep(0)
    return value


# Loops within the loop that top-level await runs.
print(asyncio.get_event_loop().run_until_complete(inner(1)))
print(asyncio.run(inner(2)))
with asyncio.Runner() as runner:
    print(runner.run(inner(3)))
loop = asyncio.new_event_loop()
print(loop.run_until_complete(inner(4)))
loop.close()


async def deeper():
    loop = asyncio.get_running_loop()
    return loop.run_until_complete(inner(5)) + await inner(1)


print(await asyncio.gather(deeper(), deeper()))
print("end")
