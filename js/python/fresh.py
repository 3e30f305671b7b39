"""Makes a fork look as if its Python had just started: random numbers, counters and clocks of its own."""

import importlib
import logging
import random
import sys
import time

import _faas_loop

# Generators of random numbers that a zygote has besides the standard library's and numpy's own.
_generators = ()


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


def refresh():
    """Give this fork what no other has."""
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    for generator in _generators:
        try:
            renew(generator)
        except Exception:
            pass  # A package's own kind, which cannot be seeded like this, keeps its numbers.


def begin():
    """Start what counts from a program's start: a fork may have waited for it."""
    logging._startTime = time.time_ns()
    _faas_loop.SandboxLoop.tasks = 0


def make_way(files):
    """Forget imported modules that files of the program replace: its directory comes first on the path."""
    # The directory may have been looked at while it was empty.
    importlib.invalidate_caches()
    for file in files.split("\n"):
        name, slash, rest = file.removesuffix(".py").partition("/")
        is_module = file.endswith(".py") and (not slash or rest == "__init__")
        if is_module and name not in sys.builtin_module_names:
            for loaded in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
                del sys.modules[loaded]


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
