"""Runs one program: compile, execute, report. Kept small, since every line is paid per execution."""

import ast
import builtins
import io
import json
import linecache
import os
import re
import sys
import traceback
import types

import _faas_display
import _faas_ending
import _faas_figures
import _faas_fresh
import _faas_host
import _faas_loop
import _faas_magics
import _faas_packages
import _faas_tools
from _faas_report import FILE_NAME, lacking, report
from _faas_values import encode

PYTHON_VERSION = sys.version.split()[0]
FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
# To parse only.
TREE = FLAGS | ast.PyCF_ONLY_AST
CO_COROUTINE = 0x80
UNSET = object()
# No program can have a variable of this name.
VALUE = "<value>"
# A byte order mark, which text editors put in front.
BOM = "\ufeff"
# What ends a statement whose value is not wanted, behind the brackets around it.
QUIET = re.compile(r"[\s)]*;")

_returned = UNSET
# The last program, compiled.
_code = None
_has_stdin = False
_shows_errors = False
# What the environment had before the program, of what it was given.
_environment = {}
_file_name = FILE_NAME
# How standard input is read, whatever a program makes of sys.stdin.
_input_as = {"encoding": sys.stdin.encoding, "errors": sys.stdin.errors}
_input_name = sys.stdin.name


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


def invoke(
    number, has_stdin=False, entry_point=None, arguments=(), cell=None, environment=(), shows_errors=False
):
    """Set what a command line gives a program: its arguments, its file, where its imports begin.

    Of several that go on from each other, and of cells of a session, each has a file name of its own:
    tracebacks may show more than one.
    """
    global _file_name, _has_stdin, _shows_errors
    if _has_stdin:
        rewind()
    _has_stdin, _shows_errors = has_stdin, shows_errors
    for name, value in environment:
        _environment.setdefault(name, os.environ.get(name))
        os.environ[name] = value
    sys.argv = [entry_point or FILE_NAME, *arguments]
    # The same names as in boot.mjs, run.
    if entry_point:
        _file_name = os.path.join(os.getcwd(), entry_point)
        sys.path.insert(0, os.path.dirname(_file_name))
    elif cell is not None:
        _file_name = f"<cell {cell}>"
    elif number > 1:
        _file_name = FILE_NAME.replace(">", f" {number}>")


def offer_tools(names, tools):
    """Give the program the tools of its caller, as JSON text has them; none that the last program had."""
    if tools is None:
        _faas_tools.withdraw()
    else:
        names["tools"] = _faas_tools.offer(json.loads(tools))


def take_environment_back():
    """Make the environment what it was before the program, as far as that was given some."""
    while _environment:
        name, value = _environment.popitem()
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def rewind():
    """Let the standard input begin again: what the last program did not read is gone."""
    sys.stdin = sys.__stdin__ = fresh_input()


def fresh_input():
    """A standard input that holds nothing of what the last program did not read."""
    raw = io.FileIO(0, closefd=False)
    raw.name = _input_name
    return io.TextIOWrapper(io.BufferedReader(raw), **_input_as)


def run(source, input_json, scratch, auto_install, keep, number, invocation, again=False):
    """Run `source` as __main__. With `scratch` it is one of the zygote's own programs.

    With `auto_install`, the supervisor is asked for packages that it imports and that are not there; one
    that goes on from others installs them here. With `keep`, what it leaves stays for another program.
    `number`: 1, or which it is of those that go on from each other, and find what the last one left.
    `invocation`: JSON of what a command line would have given it, if anything, and of which cell it is: a
    cell of a session may have commands of notebooks. It may be the last one `again`, which is compiled.
    """
    global _code, _returned
    goes_on = number > 1 or again
    names = (names_left() if goes_on else None) or begin_module()
    # Seldom any, and then as text: Pyodide's proxy of a list costs 1 ms.
    given = {} if invocation is None else json.loads(invocation)
    exit_code, result, limit = 0, None, None
    _faas_fresh.begin()
    try:
        if not again and (goes_on or given):
            offer_tools(names, given.pop("tools", None))
            invoke(number, **given)
        names["__file__"] = _file_name
        names["input_data"] = None if input_json is None else json.loads(input_json)
        if not again or _code is None:
            _code = None
            find = _faas_packages.install_imports if goes_on else _faas_packages.ask_for_imports
            source = source.removeprefix(BOM)
            _code = prepare(source, _file_name, auto_install and find, "cell" in given)
        _faas_host.compiled()
        last = complete(_code, names)
        if _returned is not UNSET:
            result = encode(_returned)
        elif last is not None:
            result = encode(last)
        if last is not None:
            _faas_display.show(last, is_main=True)
        last = None
    except SystemExit as stop:
        exit_code = exit_status(stop.code)
        if _returned is not UNSET:
            result = encode(_returned)
    except BaseException as error:
        exit_code = 1
        limit = lacking(error)
        if not (_shows_errors and _faas_display.show_error(error)):
            report(error)
    if keep:
        _faas_host.end_interruptible()
        take_environment_back()
    _faas_figures.hand_back_open()
    if keep:
        names, last, _returned = None, None, UNSET
        _faas_figures.close_open()
        exit_code = _faas_ending.pause(exit_code)
        _faas_host.finish(exit_code, result, limit)
        _faas_host.stay()
        return
    # So much is certain, should the program's objects break the interpreter when they go.
    _faas_host.finish(exit_code, result, limit)
    names, last, _returned = None, None, UNSET
    if (changed := _faas_ending.end(exit_code, take_module, scratch, goes_on)) != exit_code:
        _faas_host.finish(changed, result, limit)


def begin_module():
    """Make a module for the program, which nothing but the program holds. Returns its names."""
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    module.__dict__.update(_main.__dict__)
    return module.__dict__


def names_left():
    """The names of the module that the last program left, unless it put something else there."""
    module = sys.modules.get("__main__")
    return module.__dict__ if type(module) is types.ModuleType else None


def take_module():
    """The program's module, in a list: nothing else holds it any more. It may have put another there."""
    module = sys.modules.get("__main__")
    sys.modules["__main__"] = _main
    return [module] if type(module) is types.ModuleType and module is not _main else []


def execute(source, file_name, names):
    """Run a program; the value of the expression that it ends in, or None."""
    code = prepare(source, file_name)
    _faas_host.compiled()
    return complete(code, names)


def prepare(source, file_name, find_imports=None, is_cell=False):
    """Compile a program, once what it imports is there."""
    lines = io.StringIO(source, newline=None).readlines()
    linecache.cache[file_name] = (len(source), None, lines, file_name)
    if is_cell and ("%" in source or "!" in source):
        source = _faas_magics.translate(source, file_name)
    tree = compile(source, file_name, "exec", TREE, True)
    if find_imports and "import" in source:
        find_imports(tree)
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not is_quiet(tree.body[-1], lines):
        # One compilation for all: the last expression becomes an assignment.
        last = tree.body[-1]
        target = ast.copy_location(ast.Name(VALUE, ast.Store()), last)
        tree.body[-1] = ast.copy_location(ast.Assign([target], last.value), last)
    return compile(tree, file_name, "exec", FLAGS, True)


def complete(code, names):
    """Run what was compiled to its end; the value of the expression that it ends in, or None."""
    try:
        evaluate(code, names)
        value = names.pop(VALUE, None)
        if hasattr(type(value), "__await__"):
            value = _faas_loop.complete(value)
        if _faas_loop.calls:
            _faas_tools.end()
        return value
    finally:
        if not _faas_host.stop_requested():
            _faas_loop.end_tasks()


def is_quiet(last, lines):
    """Whether the last expression ends in a semicolon: its value is not wanted, as in notebooks."""
    rest = lines[last.end_lineno - 1].encode()[last.end_col_offset :].decode()
    return QUIET.match(rest + "".join(lines[last.end_lineno :])) is not None


def evaluate(code, names):
    coroutine = eval(code, names)
    if code.co_flags & CO_COROUTINE:
        _faas_loop.complete(coroutine)


def exit_status(code):
    if code is None:
        return 0
    if isinstance(code, int):
        return code if -(2**31) <= code < 2**31 else 255
    print(code, file=sys.stderr)
    return 1


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


sys.stdout.reconfigure(line_buffering=True)
# What each program's module begins as. Pyodide's own start left a name in it.
_main = sys.modules["__main__"]
_main.__dict__.pop("_pyodide_core", None)
sys.argv = [FILE_NAME]
_input = builtins.input
builtins.input = input
builtins.return_val = return_val
