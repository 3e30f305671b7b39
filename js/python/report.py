"""Tells what ended a program: its traceback with its own frames, and what to do about it."""

import asyncio
import errno
import linecache
import re
import sys
import traceback

import pyodide.ffi

import _faas_host
import _faas_packages

# The program's name in its traceback.
FILE_NAME = "<code>"
# Frames of these are the host's or the standard library's, not the user's.
LIBRARY = "/lib/python{}{}.zip/".format(*sys.version_info)
HIDDEN_FRAMES = ("<frozen ", LIBRARY, "/lib/wheels/")
# What our own modules are compiled as (boot.mjs).
OWN_FILE_NAME = (lambda: 0).__code__.co_filename
# The words in which libraries say what to install.
WANTED = re.compile(r"['\"`]([A-Za-z0-9_.-]+)['\"`]|^([A-Za-z0-9_.-]+) (?:is )?not (?:found|installed)")


def report(error):
    """Print the traceback with the user's frames only, or have the program's own hook print it."""
    stopped = _faas_host.stop_requested()
    _faas_host.acknowledge_stop()
    try:
        if not stopped and sys.excepthook is not sys.__excepthook__:
            call_hook(error)
        else:
            sys.stderr.write("".join(lines_of(error, stopped)))
        sys.stderr.write("".join(hints(error)))
    except BaseException as failure:
        sys.stderr.write(f"{type(error).__name__} (its report failed: {type(failure).__name__})\n")


def call_hook(error):
    entry = error.__traceback__
    while entry and entry.tb_frame.f_code.co_filename.startswith(HIDDEN_FRAMES):
        entry = entry.tb_next
    error.__traceback__ = entry
    try:
        sys.excepthook(type(error), error, entry)
    except BaseException as failure:
        failed, original = lines_of(failure), lines_of(error)
        sys.stderr.write("".join(["Error in sys.excepthook:\n", *failed]))
        sys.stderr.write("".join(["\nOriginal exception was:\n", *original]))


def lines_of(error, stopped=False):
    """The lines of the traceback."""
    add_text(error)
    summary = traceback.TracebackException.from_exception(error, compact=True)
    strip(summary)
    lines = list(summary.format())
    if stopped and isinstance(error, (KeyboardInterrupt, asyncio.CancelledError)):
        lines.pop()
    return lines


def add_text(error):
    """Give a SyntaxError that was found after parsing its line: CPython would read it from the file."""
    if isinstance(error, SyntaxError) and error.text is None and error.lineno:
        error.text = linecache.getline(error.filename or FILE_NAME, error.lineno) or None


def report_stop():
    """Say where the program was when V8 stopped it: in C code that looks at no signal.

    The interpreter is as it was in the middle of that. Its frames are still linked, and nothing but
    this runs in it any more.
    """
    try:
        stack = traceback.StackSummary.extract(traceback.walk_stack(sys._getframe(1)))
        stack = [frame for frame in reversed(stack) if not frame.filename.startswith(HIDDEN_FRAMES)]
        if stack:
            text = "".join(traceback.format_list(stack))
            sys.stderr.write(f"Traceback (most recent call last):\n{text}")
        elif error := sys.exception():
            report(error)  # It was being reported when the time was over.
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def hints(error):
    """Which packages to ask for, if sources have what an import in the error's history lacked."""
    modules = {}
    while error is not None and error not in modules.values():
        if isinstance(error, ModuleNotFoundError) and error.name:
            modules.setdefault(error.name.partition(".")[0], error)
        elif isinstance(error, ImportError):
            for found in WANTED.finditer(str(error)):
                modules.setdefault((found[1] or found[2]).partition(".")[0], error)
        error = error.__cause__ or error.__context__
    for module in modules:
        if package := None if _faas_packages.is_there(module) else _faas_packages.provider(module):
            yield (
                f'Package "{package}" provides the module {module}: send "packages": ["{package}"] '
                f'with the request, or call await micropip.install("{package}")\n'
            )


def lacking(error):
    """What a program lacked that ended with this error: memory, room for files, or None."""
    if isinstance(error, MemoryError):
        # The parser's word for a program that is nested too deeply.
        return None if str(error).startswith("Parser stack overflowed") else "memory"
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, pyodide.ffi.JsException):
        # Packages are unpacked by Python again, behind JavaScript that knows only its message.
        found = re.search(r"^OSError: \[Errno (\d+)\]", str(error), re.MULTILINE)
        number = int(found[1]) if found else None
    return {errno.ENOMEM: "memory", errno.ENOSPC: "storage"}.get(number)


def strip(summary):
    """Take the frames that are not the user's out of a traceback and of those it hangs on."""
    pending, seen = [summary], set()
    while pending:
        one = pending.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        kept = [frame for frame in one.stack if not frame.filename.startswith(HIDDEN_FRAMES)]
        one.stack = traceback.StackSummary.from_list(kept)
        pending += [one.__cause__, one.__context__, *(one.exceptions or ())]


def extract_visible(frames, **options):
    """What the traceback module makes of frames, without ours: programs print tracebacks themselves."""
    visible = (item for item in frames if item[0].f_code.co_filename != OWN_FILE_NAME)
    return _extract(visible, **options)


# Pyodide has one of its own, which would look like the program's.
sys.excepthook = sys.__excepthook__
_extract = traceback.StackSummary._extract_from_extended_frame_gen
traceback.StackSummary._extract_from_extended_frame_gen = extract_visible
