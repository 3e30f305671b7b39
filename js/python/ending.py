"""The end of a program, as CPython has it: what waited for it runs, what it left open is closed."""

import atexit
import gc
import io
import itertools
import logging
import sys
import weakref

import _faas_host
import _faas_loop
import _faas_report

HOME = "/home/pyodide/"
# A name that no program has.
MARK = "<mark>"

# So many are not freed one by one, whatever their finalizers would have done.
MANY_OBJECTS = 300_000
# The young are collected for every 2,000 more: with fewer collections there are not that many.
MANY_COLLECTIONS = 100

# In warm-up programs all modules are the zygote's.
_modules_before = sys.maxsize
_collections_before = 0
_blocks_before = 0


def settle():
    """Note what the zygote has: the rest is the program's."""
    global _modules_before, _collections_before, _blocks_before
    _modules_before = len(sys.modules)
    _collections_before = gc.get_stats()[0]["collections"]
    _blocks_before = sys.getallocatedblocks()


def end(exit_code, take_module, scratch, goes_on):
    """Run exit functions, drop the program's objects and close its files. Returns the exit code.

    `take_module` gives the program's own module up, in a list. One that `goes_on` has what others left there.

    A `scratch` program's exit functions do not run, and its files stay open: what modules registered or
    opened when they were imported, such as fonts, is for the programs of the forks.
    """
    try:
        # A rehearsal looks as well, so that V8 has compiled that.
        if has_exit_functions() and not scratch:
            atexit._run_exitfuncs()
    except BaseException as error:
        _faas_report.report(error)
    exit_code = flush(exit_code)
    try:
        drop_objects(take_module, goes_on)
    except BaseException as error:
        _faas_report.report(error)
    # A rehearsal looks as well, as above.
    if _faas_host.has_open_files() and not scratch:
        close_files()
    return flush(exit_code)


def pause(exit_code):
    """Write out what a program buffers that is kept: all else of it stays. Returns the exit code."""
    if _faas_host.has_open_files():
        flush_files()
    _faas_host.set_alarm(0, 0)
    _faas_loop.forget_calls()
    return flush(exit_code)


def rest():
    """Have forks share the program's objects: the collector, which would write to each, leaves them alone."""
    if not has_many_objects():
        gc.collect()
    gc.freeze()


def has_exit_functions():
    """Whether there is more than logging's, with more handlers than its own of last resort."""
    return atexit._ncallbacks() > 1 or len(logging._handlerList) > 1


def drop_objects(take_module, goes_on):
    """Forget the program's modules and collect garbage: finalizers find all names as they were."""
    _, *older = gc.get_count()
    if any(older) and has_many_objects():
        return
    forget_hooks()
    if _faas_host.has_open_files():
        flush_files()
    modules = take_module()
    if goes_on:
        # What others left is frozen: the collector finds neither it nor what refers to it.
        for module in modules:
            clear(module.__dict__)
    if len(sys.modules) > _modules_before:
        imported = itertools.islice(sys.modules.items(), _modules_before, None)
        own = [name for name, one in imported if is_own(one)]
        modules += [sys.modules.pop(name) for name in reversed(own)]
    marks = [mark(one.__dict__) for one in modules if type(one.__dict__) is dict]
    modules.clear()
    # Nothing is older than the young unless a collection has come.
    gc.collect(2 if any(older) else 0)
    if any(one() is not None for one in marks):
        clear_marked(marks)


def forget_hooks():
    """Let go of what sys has of the program: hooks, streams, and the last error with what its frames held."""
    sys.excepthook, sys.displayhook = sys.__excepthook__, sys.__displayhook__
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        if hasattr(sys, name):
            setattr(sys, name, None)


class Mark:
    """Is in a module's names, and gone when they are."""

    __slots__ = ("__weakref__",)


def mark(names):
    here = names[MARK] = Mark()
    return weakref.ref(here)


def clear_marked(marks):
    """Empty the names that something else holds, such as a hook or a callback of JavaScript."""
    for one in marks:
        here = one()
        held = [] if here is None else gc.get_referrers(here)
        for names in held:
            if type(names) is dict and names.get(MARK) is here:
                clear(names)
    here = held = names = None
    gc.collect(2)


def clear(names):
    """Set names to None as CPython does for such a module: first those with an underscore."""
    last = [name for name in names if name[:1] != "_" or name[:2] == "__"]
    for name in names.keys() - last:
        names[name] = None
    for name in last:
        if name != "__builtins__":
            names[name] = None


def has_many_objects():
    """Whether it takes long to free them, and a chain of them may be longer than the stack."""
    collections = gc.get_stats()[0]["collections"] - _collections_before
    # Only now look at all of memory.
    return collections > MANY_COLLECTIONS and sys.getallocatedblocks() > _blocks_before + MANY_OBJECTS


def is_own(module):
    """Whether a module is one of the files that came with the program."""
    file = getattr(module, "__file__", None)
    return type(file) is str and file.startswith(HOME)


def flush_files():
    """Write what files buffer. Of those in cycles, the collector may close the inner one first."""
    for file in open_files():
        if isinstance(file, (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)):
            try:
                file.flush()
            except BaseException:
                pass  # It is closed, its disk is full, or it is broken.


def close_files():
    """Close the files that something still holds: what they buffer would be lost."""
    for file in open_files():
        try:
            file.close()
        except BaseException:
            pass  # Its disk is full, or it is broken: what it holds is lost.


def open_files():
    """All files but the standard streams, the outermost first: a text file writes into a binary one."""
    files = [value for value in gc.get_objects() if issubclass(type(value), io.IOBase)]
    files.sort(key=lambda file: not isinstance(file, io.TextIOBase))
    return [file for file in files if not is_standard(file)]


def is_standard(file):
    """Whether a file is one of the standard streams or a layer of it."""
    try:
        return file.fileno() in (0, 1, 2)
    except Exception:
        return False


def flush(exit_code):
    for stream in {sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__}:
        try:
            if stream is not None and not getattr(stream, "closed", False):
                stream.flush()
        except BaseException:
            exit_code = exit_code or 120
    return exit_code
