"""asyncio on one thread without the browser: an event loop that really blocks.

Pyodide's own WebLoop runs on JavaScript's event loop and so cannot wait inside a synchronous call
(`asyncio.run` would return before it is done). A sandbox runs one program and may block, so this is
CPython's own BaseEventLoop; its "selector" pumps JavaScript's microtasks and timers and sleeps.
"""

import asyncio
import asyncio.base_events
import asyncio.events
import time

import _faas_host


class SandboxLoop(asyncio.base_events.BaseEventLoop):
    """The event loop of a sandbox. There is no I/O to wait for, only time and promises."""

    def __init__(self):
        super().__init__()
        self._selector = self

    def select(self, timeout):
        _faas_host.pump()
        if not self._ready and (timeout is None or timeout > 0):
            limit = float("inf") if timeout is None else timeout * 1000
            if not _faas_host.wait(limit):
                raise RuntimeError("deadlock: the program waits for something that cannot happen")
        if _faas_host.stop_requested():
            raise KeyboardInterrupt
        return ()

    def _process_events(self, events):
        pass

    def _write_to_self(self):
        pass

    def run_in_executor(self, executor, func, *args):
        """Run `func` here and now: the sandbox has one thread."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    async def shutdown_default_executor(self, timeout=None):
        pass


class SandboxLoopPolicy(asyncio.events._BaseDefaultEventLoopPolicy):
    _loop_factory = SandboxLoop

    def get_event_loop(self):
        """The current loop, made on the first call, as CPython did up to 3.13 and Pyodide does."""
        if self._local._loop is None:
            self.set_event_loop(self.new_event_loop())
        return self._local._loop


def run(main, *, debug=None, loop_factory=None):
    """asyncio.run that also works while a loop runs, as under top-level await."""
    outer = asyncio.events._get_running_loop()
    if outer is None:
        return _run(main, debug=debug, loop_factory=loop_factory)
    task = asyncio.current_task(outer)
    asyncio.tasks._leave_task(outer, task)
    asyncio.events._set_running_loop(None)
    try:
        return _run(main, debug=debug, loop_factory=loop_factory)
    finally:
        asyncio.events._set_running_loop(outer)
        asyncio.tasks._enter_task(outer, task)


def sleep(seconds):
    """time.sleep without burning CPU: Emscripten's own spins on the clock."""
    if not isinstance(seconds, (int, float)):
        seconds = float(seconds)
    if seconds != seconds:
        raise ValueError("Invalid value NaN (not a number)")
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    if _faas_host.sleep(seconds * 1000):
        raise KeyboardInterrupt


_run = asyncio.run
asyncio.events._set_event_loop_policy(SandboxLoopPolicy())
asyncio.events._set_running_loop(None)
asyncio.run = asyncio.runners.run = run
sleep.__module__ = "time"
time.sleep = sleep
