"""Tools of the program's caller: functions that ask for a call and give its answer.

Where no event loop runs, a call waits for its answer and returns it. Where one runs it is made at once,
and can be awaited, several at once; one that is not awaited waits for its answer when it is used.
"""

import asyncio
import inspect
import json
import keyword
import math
import operator
import signal
import sys
import types

import _faas_host
import _faas_loop
from _faas_values import dumps, plain


class ToolError(Exception):
    """A call of a tool failed. `tool` is the tool's name."""

    __module__ = "tools"

    def __init__(self, message="", tool=None):
        super().__init__(message)
        self.tool = tool


class InvalidInput(ToolError, TypeError):  # noqa: N818
    """The arguments of a call do not fit the tool."""

    __module__ = "tools"


class Written:
    """What a signature shows as it is written here."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


class Call:
    """A call that was made where an event loop runs: `await` it, or use it as its result."""

    __module__ = "tools"
    # asyncio.gather looks for each in a dictionary, which must not wait for it.
    __hash__ = object.__hash__
    __slots__ = ("_error", "_is_settled", "_tool", "_value", "_waiting", "_was_looked_at")

    def __init__(self, tool):
        self._tool = tool
        self._error = self._value = None
        self._is_settled = self._was_looked_at = False
        self._waiting = []

    def __await__(self):
        if not self._is_settled:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            try:
                yield from future
            except asyncio.CancelledError:
                _give_up(self, future)
                raise
        return _result_of(self)

    def __getattr__(self, name):
        if name.startswith("__") or name == "_asyncio_future_blocking":
            raise AttributeError(name)
        return getattr(_value_of(self), name)

    def __repr__(self):
        return repr(self._value) if self._is_settled and self._error is None else f"<call of {self._tool}>"


def _plain(value):
    return _value_of(value) if isinstance(value, Call) else value


def _delegate(name, function):
    def method(self, *arguments):
        return function(_value_of(self), *map(_plain, arguments))

    def reflected(self, other):
        return function(_plain(other), _value_of(self))

    setattr(Call, f"__{name}__", method)
    if name in REFLECTED:
        setattr(Call, f"__r{name}__", reflected)


# With their arguments the other way round, too.
REFLECTED = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor"]
REFLECTED += ["lshift", "rshift", "matmul"]
OTHERS = ["eq", "ne", "lt", "le", "gt", "ge", "neg", "pos", "abs", "invert", "getitem", "setitem"]
OTHERS += ["delitem", "contains", "index"]
for _name in [*REFLECTED, *OTHERS]:
    _delegate(_name, getattr(operator, f"__{_name}__"))
for _function in (str, format, bool, len, iter, reversed, int, float, round):
    _delegate(_function.__name__, _function)


def _value_of(call):
    """The result of a call that is used without being awaited."""
    if not call._is_settled:
        block_until_settled(call)
    return _result_of(call)


def _result_of(call):
    call._was_looked_at = True
    if call._error is not None:
        raise call._error
    return call._value


def _give_up(call, future):
    """Nobody waits for this call any more, as after a time limit: the program does not either."""
    call._waiting.remove(future)
    if not call._waiting:
        call._was_looked_at = True
        for number in [number for number, made in _open.items() if made is call]:
            del _open[number]


def _settle(call, outcome, text):
    try:
        if outcome == "result":
            call._value = json.loads(text)
        elif outcome == "invalid":
            call._error = InvalidInput(f"{call._tool}(): {text}", call._tool)
        else:
            call._error = ToolError(text, call._tool)
    except BaseException as error:
        call._error = error
    call._is_settled = True
    if call._error is not None:
        _failed.append(call)
    for future in call._waiting:
        try:
            if not future.done():
                future.set_result(None)
        except RuntimeError:
            pass  # Its loop was closed.


def block_until_settled(call):
    """Wait for the answer to a call, whatever else the program has begun."""
    global _nested
    loop = asyncio.events._get_running_loop()
    if loop is not None:
        if _nested >= MOST_NESTED:
            raise RuntimeError(
                f"too many calls of tools are used within each other: await that of {call._tool}"
            )
        _nested += 1
        try:
            loop.run_until_complete(_settled(call))
        finally:
            _nested -= 1
        return
    while not call._is_settled:
        receive_all()


async def _settled(call):
    try:
        return await call
    except ToolError:
        pass


async def _awaited(call):
    return await call


def receive(limit):
    """Take answers, once there are some; wait for so many ms at most."""
    global _empty
    settled = []
    for number, outcome, text in json.loads(_faas_host.await_tools(limit)):
        call = _open.pop(number, None)
        if call is not None:
            settled.append((call, outcome, text))
    for answer in settled:
        _settle(*answer)
    _empty = 0 if settled or limit < math.inf else _empty + 1
    if _empty > MOST_EMPTY:
        # The supervisor has answered them; what it said was lost on the way.
        for call in [*_open.values()]:
            _settle(call, "failed", "the answer was lost")
        _open.clear()


def receive_all():
    """Take answers where no event loop does, which looks for signals, too."""
    receive(math.inf)
    if _faas_host.take_interrupt():
        raise KeyboardInterrupt
    if _faas_host.take_alarm():
        signal.raise_signal(signal.SIGALRM)


def call(tool, arguments):
    """Make a call."""
    global _last
    if tool not in _offered:
        raise ToolError(f"this program was given no tool {tool!r}", tool)
    arguments = {name: _plain(value) for name, value in arguments.items()}
    try:
        text = dumps(arguments)
    except (TypeError, ValueError):
        text = dumps(plain(arguments, set()))
    made = Call(tool)
    _last += 1
    _faas_host.call_tool(_last, tool, text)
    _open[_last] = made
    if asyncio.events._get_running_loop() is not None:
        return made
    block_until_settled(made)
    return _result_of(made)


def function_of(spec):
    """A tool as a function."""
    name, identifier = spec["name"], spec["identifier"]
    kind = inspect.Parameter
    parameters = []
    for parameter in spec["parameters"]:
        default = kind.empty
        if not parameter["required"]:
            default = Written("..." if parameter["default"] is None else parameter["default"])
        annotation = Written(parameter["type"])
        parameters.append(
            kind(parameter["name"], kind.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation)
        )
    others = spec["others"]
    if others is not None:
        parameters.append(kind(others, kind.VAR_KEYWORD, annotation=Written("Any")))
    signature = inspect.Signature(parameters, return_annotation=Written(spec["returns"]))

    def tool(*arguments, **named):
        try:
            given = signature.bind(*arguments, **named).arguments
        except TypeError as error:
            raise InvalidInput(f"{identifier}(): {error}; it is {identifier}{signature}", name) from None
        # What was not given is the tool's to decide.
        return call(name, {**given, **given.pop(others, {})} if others in given else given)

    tool.__name__ = tool.__qualname__ = identifier
    tool.__module__ = "tools"
    tool.__doc__ = spec["doc"]
    tool.__signature__ = signature
    return tool


def offer(specs):
    """The module `tools` with these tools (faas_tools::ToolSet::for_runner), and no others from now on."""
    global _offered, _last
    _offered = {}
    _open.clear()
    _failed.clear()
    _last = 0
    module = types.ModuleType("tools", "Tools of the caller of this program.")
    module.ToolError, module.InvalidInput = ToolError, InvalidInput
    names = []
    for spec in specs:
        function = function_of(spec)
        _offered[spec["name"]] = function
        setattr(module, spec["identifier"], function)
        names.append(spec["identifier"])

    def missing(name):
        raise AttributeError(f"there is no tool {name!r}; there are: {', '.join(names) or 'none'}")

    module.__getattr__ = missing
    module.__all__ = [name for name in names if not keyword.iskeyword(name)]
    sys.modules["tools"] = module
    return module


def withdraw():
    """Offer no tools to the next program of several that go on from each other."""
    if _offered:
        offer(())


def end():
    """Wait for the answers to calls that the program made and did not wait for."""
    while _open:
        receive_all()
    for call in _failed:
        if not call._was_looked_at:
            raise call._error


# How many calls that are not awaited may be used within each other: each takes a part of the stack.
MOST_NESTED = 50
# How many times in a row there may be nothing to take, as when the program is interrupted.
MOST_EMPTY = 100
_offered = {}
_open = _faas_loop.calls
# Those that failed.
_failed = []
_last = _nested = _empty = 0
_faas_loop.receive, _faas_loop.awaited, _faas_loop.Call = receive, _awaited, Call
