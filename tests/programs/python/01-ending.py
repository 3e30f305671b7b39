# What CPython does at the end of a program, in its order.
import asyncio
import atexit
import gc


class Node:
    def __init__(self, name):
        self.name = name
        self.other = None

    def __del__(self):
        print("freed", self.name)


a, b = Node("a"), Node("b")
a.other, b.other = b, a
alone = Node("alone")
atexit.register(print, "exit function")


async def endless():
    try:
        await asyncio.sleep(1000)
    finally:
        print("task cancelled")


async def numbers():
    try:
        yield 1
        yield 2
    finally:
        print("generator closed")


async def main():
    asyncio.create_task(endless())
    async for _ in numbers():
        break
    await asyncio.sleep(0)
    print("main is over")


asyncio.run(main())
print("end")
