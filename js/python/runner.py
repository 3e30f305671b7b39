"""Runs one program: compile, execute, report. Kept small, since every line is paid per execution."""

import ast
import asyncio
import atexit
import builtins
import errno
import importlib
import io
import json
import linecache
import os
import random
import re
import sys
import traceback
import types

import pyodide.code
import pyodide.ffi

import _faas_host
import _faas_packages

FILE_NAME = "<code>"
PYTHON_VERSION = sys.version.split()[0]
# Frames of these are the host's or the standard library's, not the user's.
LIBRARY = "/lib/python{}{}.zip/".format(*sys.version_info)
HIDDEN_FRAMES = ("<sandbox>", "<frozen ", LIBRARY, "/lib/wheels/")
# What a program leaves here is handed back with the answer.
OUTPUT_DIRECTORY = "/home/pyodide/output"
FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
CO_COROUTINE = 0x80
UNSET = object()
# No program can have a variable of this name.
VALUE = "<value>"

_returned = UNSET
_has_stdin = False
# Generators of random numbers that a zygote has besides the standard library's and numpy's own.
_generators = ()


def return_val(value):
    """Make `value` the return value of this execution (`ret_val` in the answer)."""
    global _returned
    _returned = value


def input(prompt="", /):
    """The built-in input, with a hint in its error."""
    try:
        return _input(prompt)
    except EOFError:
        if _has_stdin:
            raise
        raise EOFError(
            "the sandbox has no standard input; send text as the request's `stdin`, or data as its "
            "`input` and read it from the variable `input_data`"
        ) from None


def invoke(has_stdin, entry_point, arguments):
    """Set what a command line gives a program: its arguments, its file, where its imports begin."""
    global FILE_NAME, _has_stdin
    _has_stdin = has_stdin
    sys.argv = [entry_point or FILE_NAME, *arguments]
    if entry_point:
        FILE_NAME = os.path.join(os.getcwd(), entry_point)
        sys.modules["__main__"].__file__ = FILE_NAME
        sys.path.insert(0, os.path.dirname(FILE_NAME))
        # The directory may have been looked at while it was empty.
        importlib.invalidate_caches()


def run(source, input_json, scratch, auto_install):
    """Run `source` as __main__, or with `scratch` in a module that is thrown away (warm-up).

    With `auto_install`, packages that it imports and that sources have are installed before.
    """
    module = types.ModuleType("__main__") if scratch else sys.modules["__main__"]
    names = module.__dict__
    exit_code, result, limit = 0, None, None
    try:
        names["input_data"] = None if input_json is None else json.loads(input_json)
        if auto_install:
            install_imports(source)
        value = execute(source, names)
        if _returned is not UNSET:
            value = _returned
        elif value is None:
            value = UNSET
        result = None if value is UNSET else encode(value)
    except SystemExit as stop:
        exit_code = exit_status(stop.code)
        if _returned is not UNSET:
            result = encode(_returned)
    except BaseException as error:
        exit_code = 1
        limit = lacking(error)
        report(error)
    exit_code = close(exit_code)
    hand_back_files()
    _faas_host.finish(exit_code, result, limit)


def execute(source, names):
    """Run the program; the value of the expression that it ends in, or None."""
    lines = source.splitlines(keepends=True)
    linecache.cache[FILE_NAME] = (len(source), None, lines, FILE_NAME)
    tree = compile(source, FILE_NAME, "exec", FLAGS | ast.PyCF_ONLY_AST, True)
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        # One compilation for all: the last expression becomes an assignment.
        last = tree.body[-1]
        target = ast.copy_location(ast.Name(VALUE, ast.Store()), last)
        tree.body[-1] = ast.copy_location(ast.Assign([target], last.value), last)
    code = compile(tree, FILE_NAME, "exec", FLAGS, True)
    _faas_host.compiled()
    evaluate(code, names)
    return names.pop(VALUE, None)


def evaluate(code, names):
    coroutine = eval(code, names)
    if code.co_flags & CO_COROUTINE:
        try:
            asyncio.get_event_loop().run_until_complete(coroutine)
        except KeyboardInterrupt:
            if _faas_host.stop_requested():
                # Raised while the loop waited; raise it where the program did.
                coroutine.throw(KeyboardInterrupt())
            raise


def lacking(error):
    """What a program lacked that ended with this error: memory, room for files, or None."""
    if isinstance(error, MemoryError):
        return "memory"
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, pyodide.ffi.JsException):
        # Packages are unpacked by Python again, behind JavaScript that knows only its message.
        found = re.search(r"^OSError: \[Errno (\d+)\]", str(error), re.MULTILINE)
        number = int(found[1]) if found else None
    return {errno.ENOMEM: "memory", errno.ENOSPC: "storage"}.get(number)


def encode(value):
    """A return value as text: strings as they are, JSON where it fits, else str()."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (dict, list, bool, int, float)):
        try:
            return json.dumps(value, ensure_ascii=False)
        except (TypeError, ValueError):
            pass
    return str(value)


def exit_status(code):
    if code is None:
        return 0
    if isinstance(code, int):
        return code if -(2**31) <= code < 2**31 else 255
    print(code, file=sys.stderr)
    return 1


def report(error):
    """Print the traceback with the user's frames only."""
    stopped = _faas_host.stop_requested()
    _faas_host.acknowledge_stop()
    try:
        summary = traceback.TracebackException.from_exception(error, compact=True)
        strip(summary)
        lines = list(summary.format())
        if stopped and isinstance(error, (KeyboardInterrupt, asyncio.CancelledError)):
            lines.pop()
        if isinstance(error, ModuleNotFoundError) and error.name:
            lines += hint(error.name.partition(".")[0])
        sys.stderr.write("".join(lines))
    except BaseException as failure:
        sys.stderr.write(f"{type(error).__name__} (its report failed: {type(failure).__name__})\n")


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


def hint(module):
    """Which package to ask for, if a source has it."""
    if package := _faas_packages.provider(module):
        yield (
            f'Package "{package}" provides the module {module}: send "packages": ["{package}"] '
            f'with the request, or call await micropip.install("{package}")\n'
        )


def install_imports(source):
    """Install what the program imports and is not there."""
    try:
        modules = pyodide.code.find_imports(source)
    except SyntaxError:
        return
    if packages := _faas_packages.missing_packages(modules):
        _faas_packages.install(packages)


def install(requirements):
    """Make this process one with packages, or say why not. Runs in a zygote."""
    try:
        _faas_packages.install_and_import([*requirements])
    except MemoryError:
        # There is none left to say more with.
        _faas_host.finish(1, "", "memory")
    except BaseException as error:
        reason = "".join(traceback.format_exception_only(error)).rstrip()
        _faas_host.finish(1, reason, lacking(error))


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


def close(exit_code):
    """What CPython does at exit: run atexit's functions, flush the streams."""
    try:
        atexit._run_exitfuncs()
    except BaseException as error:
        report(error)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            exit_code = exit_code or 120
    return exit_code


def hand_back_files():
    """Hand back what the program left in its output directory, and figures that it left open."""
    try:
        if "matplotlib.pyplot" in sys.modules:
            hand_back_figures(sys.modules["matplotlib.pyplot"])
        for directory, _, names in os.walk(OUTPUT_DIRECTORY):
            for name in sorted(names):
                path = os.path.join(directory, name)
                with open(path, "rb") as file:
                    put_file(os.path.relpath(path, OUTPUT_DIRECTORY), None, file.read())
    except BaseException as error:
        report(error)


def hand_back_figures(pyplot):
    for number in pyplot.get_fignums():
        picture = io.BytesIO()
        pyplot.figure(number).savefig(picture, format="png")
        put_file(f"figure-{number}.png", "image/png", picture.getvalue())


def put_file(name, media_type, contents):
    try:
        _faas_host.put_file(name, media_type, pyodide.ffi.to_js(contents))
    except Exception as error:
        sys.stderr.write(f"Output file not handed back: {error}\n")


def find_generators(objects):
    """Note the zygote's objects that draw random numbers: packages make some when they are imported."""
    global _generators
    kinds = (random.Random,)
    if numpy := sys.modules.get("numpy.random"):
        kinds += (numpy.BitGenerator, numpy.RandomState)
    _generators = [
        value
        for value in objects
        if issubclass(type(value), kinds)
        and not isinstance(value, random.SystemRandom)
        and value is not random._inst
    ]


def reseed():
    """Give this fork random numbers of its own."""
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    for generator in _generators:
        try:
            renew(generator)
        except Exception:
            pass  # A package's own kind, which cannot be seeded like this, keeps its numbers.


def renew(generator):
    """Seed a generator by the system, in place."""
    if isinstance(generator, random.Random):
        random.Random.seed(generator)
    elif hasattr(generator, "state"):
        # One of numpy's generators of bits.
        generator.state = type(generator)().state
    else:
        # A RandomState, which may keep half a pair of numbers. Its bits are new in any case.
        generator.seed()


sys.stdout.reconfigure(line_buffering=True)
# Pyodide's own start left this name in the module that programs run as.
sys.modules["__main__"].__dict__.pop("_pyodide_core", None)
os.makedirs(OUTPUT_DIRECTORY)
sys.argv = [FILE_NAME]
_input = builtins.input
builtins.input = input
builtins.return_val = return_val
