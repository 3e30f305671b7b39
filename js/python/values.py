"""Return values as text. The rules are in docs/api.md ("Return values")."""

import base64
import collections
import datetime
import enum
import json
from collections.abc import Mapping, Sequence, Set

# What becomes JSON where it is the whole value, as do models (fields_of). Anything else is its text there,
# as print shows it: so a table of pandas stays readable.
STRUCTURED = (dict, list, bool, int, float)
BYTES = (bytes, bytearray, memoryview)
VIEWS = (type({}.keys()), type({}.values()), type({}.items()), range)


def encode(value):
    """The text that the answer has as `ret_val`."""
    if isinstance(value, str):
        return str(value)
    if not isinstance(value, STRUCTURED) and fields_of(value) is None:
        return str(value)
    try:
        return dumps(value)
    except (TypeError, ValueError):
        pass
    try:
        return dumps(plain(value, set()))
    except (TypeError, ValueError):
        return str(value)  # It contains itself, or something that cannot be read.


def dumps(value):
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def plain(value, around):
    """The value made of what JSON has. `around` holds the ids of the values that this one is in."""
    if value is None or isinstance(value, (bool, int, str)):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, float):
        return float(value) if float("-inf") < value < float("inf") else None
    if id(value) in around:
        raise ValueError("the value contains itself")
    around.add(id(value))
    try:
        return compound(value, around)
    finally:
        around.discard(id(value))


def compound(value, around):
    """What JSON lacks, or what may hold such things."""
    if isinstance(value, enum.Enum):
        return plain(value.value, around)
    if isinstance(value, Mapping):
        return {key(name): plain(item, around) for name, item in value.items()}
    if isinstance(value, BYTES):
        return text_of_bytes(bytes(value))
    if isinstance(value, Set) and not isinstance(value, VIEWS):
        return [plain(item, around) for item in ordered(value)]
    if isinstance(value, (Sequence, collections.deque, *VIEWS)):
        return [plain(item, around) for item in value]
    if isinstance(value, datetime.timedelta):
        return plain(value.total_seconds(), around)
    if isinstance(value, (datetime.date, datetime.time)):
        return None if is_missing(value) else value.isoformat()
    if is_missing(value):
        return None
    fields = fields_of(value)
    if fields is None:
        fields = values_of(value)
    return str(value) if fields is value else plain(fields, around)


def key(name):
    """The text of a dictionary's key; json has its own for these."""
    if name is None or isinstance(name, (str, bool, int)):
        return name.value if isinstance(name, enum.Enum) else name
    text = plain(name, set())
    return text if isinstance(text, str) else str(name)


def ordered(values):
    """A set in the order of its values, so that equal sets have equal texts."""
    try:
        return sorted(values)
    except TypeError:
        return list(values)


def text_of_bytes(value):
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def is_missing(value):
    """Whether it is one of pandas' marks for a missing value."""
    kind = type(value)
    return kind.__name__ in ("NaTType", "NAType") and kind.__module__.startswith("pandas")


def fields_of(value):
    """The fields of an instance of a dataclass, of pydantic's models or of attrs, or None."""
    kind = type(value)
    if hasattr(kind, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in kind.__dataclass_fields__ if hasattr(value, name)}
    if callable(dump := getattr(kind, "model_dump", None)):
        return dump(value)
    if attributes := getattr(kind, "__attrs_attrs__", None):
        return {attribute.name: getattr(value, attribute.name) for attribute in attributes}
    return None


def values_of(value):
    """What an array or a table of numpy or pandas holds; the value itself if it is neither."""
    kind = type(value)
    library = kind.__module__.partition(".")[0]
    if library == "numpy" and hasattr(value, "tolist"):
        # Dates as numbers would lose their unit.
        return value.astype(str).tolist() if value.dtype.kind in "mM" else value.tolist()
    if library == "pandas":
        if hasattr(value, "columns"):
            return told_apart(value).to_dict("records")
        if hasattr(value, "to_dict"):
            if value.index.is_unique:
                return value.to_dict()
            return dict(zip(numbered(value.index), value.tolist(), strict=True))
        if hasattr(value, "tolist"):
            return value.tolist()
    return value


def told_apart(table):
    """A table of pandas whose columns have names of their own: no value may push another out."""
    return table if table.columns.is_unique else table.set_axis(numbered(table.columns), axis=1)


def numbered(names):
    """The names, those that occur again with a number, as pandas does it with files: a, a.1, a.2."""
    taken, counts, result = set(names), {}, []
    for name in names:
        counts[name] = count = counts.get(name, -1) + 1
        given = name
        while count and (given := f"{name}.{count}") in taken:
            count += 1
        taken.add(given)
        result.append(given)
    return result
