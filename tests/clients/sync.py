"""The client for asyncio as if it were the other, so that one test tries both."""

import asyncio
import contextlib
import inspect

from faas_client import AsyncFaas, AsyncSession


class OnLoop:
    """Waits for what an object's methods return, on a loop of its own."""

    def __init__(self, thing, loop):
        self.thing, self.loop = thing, loop

    def __getattr__(self, name):
        part = getattr(self.thing, name)
        if not callable(part):
            return OnLoop(part, self.loop) if type(part).__name__.startswith("Async") else part
        if name in ("stream", "run_batch"):
            return lambda *arguments, **options: self.in_block(part(*arguments, **options))
        return lambda *arguments, **options: self.wait(part(*arguments, **options))

    def wait(self, awaitable):
        value = self.loop.run_until_complete(awaitable) if inspect.isawaitable(awaitable) else awaitable
        if isinstance(value, list):
            return [self.wait(part) for part in value]
        return OnLoop(value, self.loop) if isinstance(value, AsyncSession) else value

    def __enter__(self):
        self.wait(self.thing.__aenter__())
        return self

    def __exit__(self, *error):
        self.wait(self.thing.__aexit__(*error))

    @contextlib.contextmanager
    def in_block(self, manager):
        stream = self.wait(manager.__aenter__())
        try:
            yield Stream(stream, self.loop)
        finally:
            self.wait(manager.__aexit__(None, None, None))


class Stream:
    def __init__(self, stream, loop):
        self.stream, self.loop = stream, loop

    def __iter__(self):
        events = aiter(self.stream)
        while (event := self.loop.run_until_complete(anext(events, None))) is not None:
            yield event

    def until_done(self):
        return self.loop.run_until_complete(self.stream.until_done())

    def __getattr__(self, name):
        return getattr(self.stream, name)


class WaitingFaas(OnLoop):
    """AsyncFaas as if it were Faas."""

    def __init__(self, *arguments, **options):
        self.runner = asyncio.Runner()
        super().__init__(AsyncFaas(*arguments, **options), self.runner.get_loop())

    def close(self):
        self.wait(self.thing.close())
        self.runner.close()
