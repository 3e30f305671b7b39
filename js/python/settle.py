"""Has forks share what is here before the first of them: nothing that they do with it writes to it.

A write costs a fork a page to copy. What is imported by now is made immortal (PEP 683: its references
are no longer counted), is frozen for the garbage collector, and no new object goes beside it.
"""

import gc
import sys
import types

import _faas_ending
import _faas_fresh

# Objects that are looked at at a time: few, since what they refer to is listed many times over, and the
# memory for that stays in the zygote.
BATCH = 200
# Bound on the holes for objects of one size.
MOST_HOLES = 40_000
# What the holes are filled with.
_plugs = []


def settle_early():
    """Note what there is, for forks that come before this process is settled: that takes no time."""
    _faas_fresh.find_generators(gc.get_objects())
    _faas_ending.settle()
    # Forks need not look for garbage here.
    gc.freeze()


def settle(make_immortal):
    """Prepare for forks. The host's function takes the address of a list, whose objects it marks."""
    gc.unfreeze()
    gc.collect()
    _faas_fresh.find_generators(gc.get_objects())
    fill_holes()
    tracked = gc.get_objects()
    for start in range(0, len(tracked), BATCH):
        batch = tracked[start : start + BATCH]
        code = code_of(batch)
        # The collector does not look into code, nor for what tuples of constants hold.
        inner = gc.get_referents(*batch, *code)
        for objects in (batch, code, inner, gc.get_referents(*inner)):
            make_immortal(id(objects))
    if not sys._is_immortal(settle):
        raise SystemError("this Python lays out its objects differently: see makeImmortal in boot.mjs")
    gc.freeze()
    _faas_ending.settle()
    # Starts the count again, or the next collection would be due soon.
    gc.collect()


def code_of(objects):
    """The code of functions among the objects and within it, and the parts of it that are objects."""
    code = [value.__code__ for value in objects if type(value) is types.FunctionType]
    for value in code:
        code += (constant for constant in value.co_consts if type(constant) is types.CodeType)
    parts = [part for value in code for part in (value.co_consts, value.co_names, value.co_linetable)]
    return code + parts


def fill_holes():
    """Fill the holes between objects, so that programs put theirs side by side on pages of their own.

    Python's allocator has pools for each size up to 512 bytes; it takes new ones, beyond all that
    there are, when those have no hole left.
    """
    top = max(map(id, gc.get_objects()))
    header = sys.getsizeof(b"")
    for size in range(512, header, -8):
        for _ in range(MOST_HOLES):
            plug = bytes(size - header)
            _plugs.append(plug)
            if id(plug) > top:
                break
