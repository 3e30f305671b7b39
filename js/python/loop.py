"""asyncio on one thread without the browser: an event loop that really blocks.

Pyodide's own WebLoop runs on JavaScript's event loop and so cannot wait inside a synchronous call
(`asyncio.run` would return before it is done). A sandbox runs one program and may block, so this is
CPython's own BaseEventLoop; its "selector" pumps JavaScript's microtasks and timers and sleeps.
"""

import asyncio
import asyncio.base_events
import asyncio.events
import heapq
import signal
import time

import _faas_host
import _faas_network


class SandboxLoop(asyncio.base_events.BaseEventLoop):
    """The event loop of a sandbox. There is no I/O to wait for, only time and promises."""

    # How many tasks the program has made.
    tasks = 0

    def __init__(self, selector=None):
        super().__init__()
        self._selector = self

    async def create_connection(self, *arguments, **options):
        """So that programs which expect no network find none in the usual way."""
        raise _faas_network.unreachable()

    create_server = create_datagram_endpoint = create_unix_connection = create_unix_server = create_connection

    def select(self, timeout):
        _faas_host.pump()
        if not self._ready and (timeout is None or timeout > 0):
            limit = float("inf") if timeout is None else timeout * 1000
            if calls:
                receive(limit)
            elif not _faas_host.wait(limit):
                raise RuntimeError("deadlock: the program waits for something that cannot happen")
        if _faas_host.take_interrupt():
            raise KeyboardInterrupt
        return ()

    def create_task(self, coro, *, name=None, **options):
        """A task, whose number counts from the start of the program, not of the zygote."""
        if Call is not None and isinstance(coro, Call):
            coro = awaited(coro)
        SandboxLoop.tasks += 1
        return super().create_task(coro, name=name or f"Task-{SandboxLoop.tasks}", **options)

    def run_until_complete(self, future):
        """Also while this loop runs, as under top-level await."""
        if not self.is_running():
            with Aside():
                return super().run_until_complete(future)
        future = asyncio.ensure_future(future, loop=self)
        task = asyncio.current_task(self)
        if task is not None:
            asyncio.tasks._leave_task(self, task)
        try:
            while not future.done():
                self._run_once()
        finally:
            if task is not None:
                asyncio.tasks._enter_task(self, task)
        return future.result()

    def _run_once(self):
        """One turn. Unlike the base's, what is called in it may run the loop itself."""
        scheduled = self._scheduled
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
            self._timer_cancelled_count -= 1
        timeout = None
        if self._ready or self._stopping:
            timeout = 0
        elif scheduled:
            timeout = max(0, scheduled[0].when() - self.time())
        self.select(timeout)
        end = self.time() + self._clock_resolution
        while scheduled and scheduled[0].when() < end:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            self._ready.append(handle)
        for _ in range(len(self._ready)):
            if not self._ready:
                break  # An inner turn took them.
            handle = self._ready.popleft()
            if not handle._cancelled:
                handle._run()

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


class Aside:
    """Puts the running loop aside, so that another one can run inside it."""

    def __enter__(self):
        self.loop = asyncio.events._get_running_loop()
        if self.loop is not None:
            self.task = asyncio.current_task(self.loop)
            if self.task is not None:
                asyncio.tasks._leave_task(self.loop, self.task)
            asyncio.events._set_running_loop(None)

    def __exit__(self, *error):
        if self.loop is not None:
            asyncio.events._set_running_loop(self.loop)
            if self.task is not None:
                asyncio.tasks._enter_task(self.loop, self.task)


def run(main, *, debug=None, loop_factory=None):
    """asyncio.run that also works while a loop runs, as under top-level await."""
    with Aside():
        return _run(main, debug=debug, loop_factory=loop_factory)


def run_in_runner(runner, coro, *, context=None):
    """asyncio.Runner.run that also works while a loop runs."""
    with Aside():
        return _run_in_runner(runner, coro, context=context)


def complete(awaitable):
    """Wait for what top-level code waits for."""
    global _top_level
    _top_level = asyncio.get_event_loop()
    try:
        return _top_level.run_until_complete(awaitable)
    except KeyboardInterrupt:
        if getattr(awaitable, "cr_suspended", False):
            # Raised while the loop waited; raise it where the program did.
            for task in asyncio.all_tasks(_top_level):
                if task.get_coro() is awaitable:
                    asyncio.tasks._unregister_task(task)
            awaitable.throw(KeyboardInterrupt())
        raise


def end_tasks():
    """Do for the loop of top-level await what asyncio.run does at its end."""
    if not SandboxLoop.tasks:
        return
    # asyncio.run takes it away from the policy.
    loop = _top_level or policy._local._loop
    if loop is None or loop.is_closed() or loop.is_running():
        return
    asyncio.runners._cancel_all_tasks(loop)
    if loop._asyncgens:
        loop.run_until_complete(loop.shutdown_asyncgens())


def forget_calls():
    """Forget what loops were to call later, of a program of which another one goes on."""
    for loop in {_top_level, policy._local._loop} - {None}:
        for handle in loop._scheduled:
            handle._scheduled = False
        loop._scheduled.clear()
        loop._ready.clear()
        loop._timer_cancelled_count = 0
    _faas_host.clear_timers()


def sleep(seconds):
    """time.sleep without burning CPU: Emscripten's own spins on the clock."""
    if not isinstance(seconds, (int, float)):
        seconds = float(seconds)
    if seconds != seconds:
        raise ValueError("Invalid value NaN (not a number)")
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    end = time.monotonic() + seconds
    while True:
        if _faas_host.sleep(seconds * 1000):
            _faas_host.take_interrupt()
            raise KeyboardInterrupt
        if not _faas_host.take_alarm():
            return
        signal.raise_signal(signal.SIGALRM)
        # Its handler raised nothing, so the sleep goes on (PEP 475).
        seconds = max(0, end - time.monotonic())


# Calls of tools that are not answered, by their numbers; how to wait for answers, what calls are (tools.py).
calls, receive, awaited, Call = {}, None, None, None
_top_level = None
_run = asyncio.run
_run_in_runner = asyncio.Runner.run
policy = SandboxLoopPolicy()
asyncio.events._set_event_loop_policy(policy)
# What programs make loops with that they do not get from the policy: CPython's own need a pair of sockets.
asyncio.EventLoop = asyncio.SelectorEventLoop = asyncio.unix_events.SelectorEventLoop = SandboxLoop
asyncio._DefaultEventLoopPolicy = asyncio.unix_events._DefaultEventLoopPolicy = SandboxLoopPolicy
asyncio.events._set_running_loop(None)
asyncio.run = asyncio.runners.run = run
asyncio.Runner.run = run_in_runner
sleep.__module__ = "time"
time.sleep = sleep
