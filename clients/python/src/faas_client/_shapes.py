"""JSON Schema of Python's types, and their values from JSON."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

#: JSON's own.
_SIMPLE: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}
#: What json makes of them.
_OF_JSON: dict[Any, Any] = {name: kind for kind, name in _SIMPLE.items()}
_OF_JSON.update(number=(int, float), array=list, object=dict)
_LISTS = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_SETS = (set, frozenset, collections.abc.Set)
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_UNIONS = (Union, getattr(types, "UnionType", Union))


class NoSchemaError(TypeError):
    """A type that JSON Schema has no words for."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """A type: its schema, and what makes one of its values of JSON that fits."""

    schema: dict[str, Any]
    convert: Callable[[Any], Any] = lambda value: value


class Shapes:
    """Shapes of the types of one function. Their schemas may refer to `definitions` of the whole one."""

    def __init__(self, *, of_results: bool = False) -> None:
        self.definitions: dict[str, Any] = {}
        self._of_results = of_results
        self._inside: list[Any] = []

    def of(self, kind: Any) -> Shape:
        """Raises NoSchemaError."""
        if kind in (Any, inspect.Parameter.empty, object):
            return Shape({})
        if kind is None or kind in _SIMPLE:
            return Shape({"type": _SIMPLE[type(None) if kind is None else kind]})
        origin, arguments = get_origin(kind), get_args(kind)
        if origin is not None and hasattr(kind, "__metadata__"):
            shape = self.of(arguments[0])
            text = _text_of(kind.__metadata__)
            return Shape({**shape.schema, "description": text}, shape.convert) if text else shape
        if origin is Literal:
            return Shape({"enum": [_plain(value) for value in arguments]})
        if origin in _UNIONS:
            return self._union([self.of(argument) for argument in arguments])
        if (origin or kind) in _DICTS:
            return self._dict(arguments)
        if (origin or kind) is tuple and arguments and arguments[-1] is not Ellipsis:
            return self._tuple([self.of(argument) for argument in arguments])
        if (origin or kind) in (*_LISTS, *_SETS, tuple):
            return self._list(origin or kind, arguments)
        if isinstance(kind, type):
            return self._class(kind)
        raise NoSchemaError(f"JSON Schema has no words for {kind!r}")

    def _union(self, members: list[Shape]) -> Shape:
        def convert(value: Any) -> Any:
            # Those that change nothing come last: a text may be that of an enum.
            for member in sorted(members, key=lambda member: member.convert is Shape.convert):
                if _may_be(member.schema, value):
                    try:
                        return member.convert(value)
                    except (TypeError, ValueError, KeyError):
                        continue
            return value

        return Shape({"anyOf": [member.schema for member in members]}, convert)

    def _dict(self, arguments: tuple[Any, ...]) -> Shape:
        key, value = arguments or (str, Any)
        if key not in (str, Any):
            raise NoSchemaError(f"keys of JSON are texts, not {key!r}")
        values = self.of(value)
        schema: dict[str, Any] = {"type": "object"}
        if values.schema:
            schema["additionalProperties"] = values.schema
        return Shape(schema, lambda found: {key: values.convert(item) for key, item in found.items()})

    def _list(self, kind: Any, arguments: tuple[Any, ...]) -> Shape:
        items = self.of(arguments[0] if arguments else Any)
        made = tuple if kind is tuple else frozenset if kind is frozenset else set if kind in _SETS else list
        schema: dict[str, Any] = {"type": "array"}
        if items.schema:
            schema["items"] = items.schema
        if kind in _SETS:
            schema["uniqueItems"] = True
        return Shape(schema, lambda found: made(items.convert(item) for item in found))

    def _tuple(self, items: list[Shape]) -> Shape:
        schema = {
            "type": "array",
            "prefixItems": [item.schema for item in items],
            "minItems": len(items),
            "maxItems": len(items),
        }
        return Shape(schema, lambda found: tuple(item.convert(part) for item, part in zip(items, found)))

    def _class(self, kind: type) -> Shape:
        if hasattr(kind, "model_json_schema") and hasattr(kind, "model_validate"):
            return self._model(kind)
        if issubclass(kind, enum.Enum):
            values = [_plain(member.value) for member in kind]
            return Shape({"enum": values}, kind)
        if not (dataclasses.is_dataclass(kind) or _is_typed_dict(kind)):
            raise NoSchemaError(f"JSON Schema has no words for {kind.__qualname__}")
        if kind in self._inside:
            raise NoSchemaError(f"{kind.__qualname__} is nested in itself")
        self._inside.append(kind)
        try:
            return self._fields(kind)
        finally:
            self._inside.pop()

    def _fields(self, kind: Any) -> Shape:
        hints = typing.get_type_hints(kind, include_extras=True)
        if dataclasses.is_dataclass(kind):
            given = {field.name: field for field in dataclasses.fields(kind) if field.init}
            hints = {name: hints[name] for name in given}
            missing = dataclasses.MISSING
            required = [
                name
                for name, field in given.items()
                if field.default is missing and field.default_factory is missing
            ]
        else:
            required = [name for name in hints if name in kind.__required_keys__]
            hints = {name: _without_qualifier(hint) for name, hint in hints.items()}
        shapes = {name: self.of(hint) for name, hint in hints.items()}
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {name: shape.schema for name, shape in shapes.items()},
            "required": required,
        }
        if not self._of_results:
            schema["additionalProperties"] = False

        def convert(found: Mapping[str, Any]) -> Any:
            return kind(**{name: shapes[name].convert(value) for name, value in found.items()})

        return Shape(schema, convert)

    def _model(self, kind: Any) -> Shape:
        """A model of pydantic, which is not needed otherwise."""
        mode = "serialization" if self._of_results else "validation"
        schema = kind.model_json_schema(mode=mode)
        # It refers to them as parts of the whole schema.
        for name, definition in schema.pop("$defs", {}).items():
            if self.definitions.setdefault(name, definition) != definition:
                raise NoSchemaError(f"there are two models {name}")
        return Shape(schema, kind.model_validate)


def _is_typed_dict(kind: Any) -> bool:
    """Also one of typing_extensions."""
    return issubclass(kind, dict) and hasattr(kind, "__required_keys__")


def _without_qualifier(hint: Any) -> Any:
    """Required[X], NotRequired[X] and ReadOnly[X] of a TypedDict are X."""
    while getattr(get_origin(hint), "_name", None) in ("Required", "NotRequired", "ReadOnly"):
        [hint] = get_args(hint)
    return hint


def _text_of(metadata: tuple[Any, ...]) -> str | None:
    """The description in Annotated: a text, or a field of pydantic."""
    for part in metadata:
        text = part if isinstance(part, str) else getattr(part, "description", None)
        if isinstance(text, str):
            return text
    return None


def _plain(value: Any) -> Any:
    value = value.value if isinstance(value, enum.Enum) else value
    if type(value) not in _SIMPLE:
        raise NoSchemaError(f"JSON has no value {value!r}")
    return value


def _may_be(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether the value can be of this member of a union."""
    if "enum" in schema:
        return value in schema["enum"]
    named = schema.get("type")
    if isinstance(value, bool):
        return named in (None, "boolean")
    return isinstance(value, _OF_JSON.get(named, object))
