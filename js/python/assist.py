"""What a notebook asks about code that is being written. Runs in a fork that is thrown away."""

import ast
import builtins
import inspect
import json
import re
import reprlib
import sys
import types

import _faas_host

MOST_MATCHES = 1000
LONGEST_MATCH = 200
LONGEST_TEXT = 100_000
# How much before the cursor is looked at.
FAR_ENOUGH = 500
# Dots, and what is in a name or may be.
WORD_BEFORE = re.compile(r"[\w.]*$")
WORD_AFTER = re.compile(r"\w*")
# The name of what is called where the cursor is among its arguments.
CALLED = re.compile(r"([\w.]+)\([^()]*$")
# What may follow a keyword in a completion.
ENDS = " :"
SHORT = reprlib.Repr(maxstring=LONGEST_MATCH, maxother=LONGEST_MATCH)


def assist(what, question):
    """The answer as JSON (crates/faas-protocol/src/tending.rs)."""
    question = json.loads(question)
    names = getattr(sys.modules.get("__main__"), "__dict__", {})
    code, cursor = question["code"], question["cursor"]
    if what == "complete":
        return json.dumps(complete(names, code, cursor))
    if what == "inspect":
        return json.dumps(explain(names, code, cursor, question["is_detailed"]))
    return json.dumps(completeness(code))


def complete(names, code, cursor):
    word = WORD_BEFORE.search(code[max(0, cursor - FAR_ENOUGH) : cursor])[0]
    # Programs seldom need it, so that it is not there from the boot on.
    import rlcompleter

    completer = rlcompleter.Completer(names)
    # Names only, without brackets behind what can be called.
    completer._callable_postfix = lambda value, word: word
    look = completer.attr_matches if "." in word else completer.global_matches
    found = attempt(lambda: look(word)) or []
    # What is before the last dot stays as it is.
    skipped = word.rfind(".") + 1
    matches = [match[skipped:].rstrip(ENDS) for match in found]
    matches = [match for match in dict.fromkeys(matches) if 0 < len(match) <= LONGEST_MATCH]
    return {"matches": matches[:MOST_MATCHES], "start": cursor - len(word) + skipped}


def explain(names, code, cursor, is_detailed):
    """What the name at the cursor stands for, or None if there is none."""
    before = code[max(0, cursor - FAR_ENOUGH) : cursor]
    word = WORD_BEFORE.search(before)[0] + WORD_AFTER.match(code[cursor : cursor + FAR_ENOUGH])[0]
    if not word and (called := CALLED.search(before)):
        word = called[1]
    found = attempt(lambda: [value_of(names, word)])
    return attempt(lambda: text_of(word, found[0], is_detailed)[:LONGEST_TEXT]) if found else None


def value_of(names, word):
    """What a name with dots stands for. Nothing is called but what attributes call."""
    first, *attributes = word.split(".")
    value = names[first] if first in names else getattr(builtins, first)
    for attribute in attributes:
        value = getattr(value, attribute)
    return value


def text_of(word, value, is_detailed):
    parts = []
    if callable(value) and (signature := attempt(lambda: str(inspect.signature(value)))):
        parts.append(f"Signature: {word}{signature}")
    parts.append(f"Type:      {type(value).__name__}")
    if not isinstance(value, (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)):
        text = attempt(lambda: SHORT.repr(value)) or "(its repr failed)"
        parts.append(f"Value:     {text[:LONGEST_MATCH]}")
    source = attempt(lambda: inspect.getsource(value)) if is_detailed else None
    if source:
        parts.append(f"Source:\n{source}")
    elif documentation := attempt(lambda: inspect.getdoc(value)):
        parts.append(f"Docstring:\n{documentation}")
    return "\n".join(parts)


def completeness(code):
    if code.lstrip().startswith(("!", "%")):
        return {"status": "complete"}
    import codeop

    compiler = codeop.CommandCompiler()
    compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        is_whole = compiler(code, symbol="exec") is not None
    except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError):
        return {"status": "invalid"}
    last = code.rpartition("\n")[2]
    margin = last[: len(last) - len(last.lstrip())]
    # A block goes on until a line without an indent.
    if is_whole and not margin:
        return {"status": "complete"}
    if last.rstrip().endswith(":"):
        margin += "    "
    return {"status": "incomplete", "indent": margin[:LONGEST_MATCH]}


def attempt(work):
    """What work returns, or None if it fails."""
    try:
        return work()
    except BaseException:
        if _faas_host.stop_requested():
            raise
        return None
