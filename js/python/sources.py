"""Which cell a class was written in: `inspect` knows only the file of its module, the newest cell's."""

import functools
import inspect
import itertools
import linecache
import re
import types

CELL = "<cell "
# What decorates a class takes fewer lines, or it is not found.
MOST_DECORATOR_LINES = 20

_getfile = inspect.getfile


@functools.wraps(_getfile)
def getfile(*arguments, **named):
    file = _getfile(*arguments, **named)
    (kind,) = [*arguments, *named.values()]
    if isinstance(kind, type) and file.startswith(CELL):
        return cell_of(kind) or file
    return file


def cell_of(kind):
    """The name of the cell that has this class, or None."""
    for member in vars(kind).values():
        # A static or class method has its function within.
        function = getattr(member, "__func__", member)
        if isinstance(function, types.FunctionType):
            file = function.__code__.co_filename
            if file.startswith(CELL) and function.__qualname__.startswith(f"{kind.__qualname__}."):
                return file
    # Without a method, the newest that has such a class in that line.
    begin = vars(kind).get("__firstlineno__", 0) - 1
    declares = re.compile(rf"\s*class\s+{re.escape(kind.__name__)}\b")
    for file in reversed(linecache.cache):
        if file.startswith(CELL):
            lines = linecache.getlines(file)[max(begin, 0) :]
            for number, line in enumerate(itertools.islice(lines, MOST_DECORATOR_LINES)):
                if declares.match(line):
                    return file
                if number == 0 and not line.lstrip().startswith("@"):
                    break
    return None


inspect.getfile = getfile
