"""Tools of the program's caller: functions that ask for a call and give its answer.

Where no event loop runs, a call waits for its answer and returns it. Where one runs it is made at once, and can be
awaited, several at once; one that is not awaited waits for its answer when it is used.
"""

import asyncio
import inspect
import json
import keyword
import math
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


class InvalidInput(ToolError, TypeError):
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
    __slots__ = ("_tool", "_error", "_value", "_is_settled", "_waiting")

    def __init__(self, tool):
        self._tool = tool
        self._error = self._value = None
        self._is_settled = False
        self._waiting = []

    def __await__(self):
        if not self._is_settled:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            yield from future
        return _result_of(self)

    def __getattr__(self, name):
        if name.startswith("__") or name == "_asyncio_future_blocking":
            raise AttributeError(name)
        return getattr(_value_of(self), name)


def _delegate(name):
    def method(self, *arguments):
        return getattr(_value_of(self), name)(*arguments)

    method.__name__ = name
    return method


for _name in (
    "__str__ __repr__ __format__ __bool__ __len__ __iter__ __getitem__ __contains__ __reversed__ __eq__ __ne__ "
    "__lt__ __le__ __gt__ __ge__ __int__ __float__ __index__ __add__ __radd__ __sub__ __rsub__ __mul__ "
    "__rmul__ __truediv__ __rtruediv__ __floordiv__ __rfloordiv__ __mod__ __rmod__ __pow__ __rpow__ __neg__ __abs__ "
    "__round__ __setitem__ __delitem__ __or__ __ror__ __and__"
).split():
    setattr(Call, _name, _delegate(_name))


def _value_of(call):
    """The result of a call that is used without being awaited."""
    if not call._is_settled:
        wait_for(call)
    return _result_of(call)


def _result_of(call):
    if call._error is not None:
        raise call._error
    return call._value


def _settle(call, outcome, text):
    if outcome == "result":
        call._value = json.loads(text)
    elif outcome == "invalid":
        call._error = InvalidInput(f"{call._tool}(): {text}", call._tool)
    else:
        call._error = ToolError(text, call._tool)
    call._is_settled = True
    for future in call._waiting:
        if not future.done():
            future.set_result(None)


def wait_for(call):
    """Wait for the answer to a call, whatever else the program has begun."""
    loop = asyncio.events._get_running_loop()
    if loop is not None:
        loop.run_until_complete(_settled(call))
        return
    while not call._is_settled:
        receive(math.inf)
        if _faas_host.take_interrupt():
            raise KeyboardInterrupt
        if _faas_host.take_alarm():
            signal.raise_signal(signal.SIGALRM)


async def _settled(call):
    try:
        await call
    except ToolError:
        pass


def receive(limit):
    """Take answers, once there are some; wait for so many ms at most."""
    for number, outcome, text in json.loads(_faas_host.await_tools(limit)):
        call = _open.pop(number, None)
        if call is not None:
            _settle(call, outcome, text)


def call(tool, arguments):
    """Make a call."""
    global _last
    if tool not in _offered:
        raise ToolError(f"this program was given no tool {tool!r}", tool)
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
    wait_for(made)
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
    others = None
    if spec["open"]:
        others = "others"
        while any(parameter.name == others for parameter in parameters):
            others += "_"
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
        receive(math.inf)
        if _faas_host.take_interrupt():
            raise KeyboardInterrupt


_offered = {}
_open = _faas_loop.calls
_last = 0
_faas_loop.receive = receive
