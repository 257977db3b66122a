"""What a schema would have accepted where a value did not fit: for messages that say what to send instead."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from functools import cache
from typing import Any, cast

import msgspec
from msgspec import inspect

type_info = cache(inspect.type_info)
encode = msgspec.json.encode
_object, _array = msgspec.json.Decoder(dict[str, msgspec.Raw]), msgspec.json.Decoder(list[msgspec.Raw])


def steps(path: str) -> list[str]:
    """Of a path like `messages[0].role`."""
    return re.findall(r"[^.\[\]]+", path)


def accepted(kind: type, body: bytes, path: str) -> str | None:
    """The choices at a path of a body that should be a `kind`, e.g. `'auto', 'none' or an object of type 'function'`.
    None where the schema leaves more than a choice."""
    types: list[inspect.Type] = [type_info(cast(Hashable, kind))]
    tags: list[str] = []
    for step in steps(path):
        structs = [found for found in _alternatives(types) if isinstance(found, inspect.StructType)]
        tags = [str(found.tag) for found in structs if found.tag_field == step]
        types = [*_fields(structs, body, step), *_items(types)]
        body = below(body, step)
    if tags:
        return _listed(tags, "and")
    found = _alternatives(types)
    plain = [value for choice in found if isinstance(choice, inspect.LiteralType) for value in choice.values]
    objects = [str(choice.tag) for choice in found if isinstance(choice, inspect.StructType) and choice.tag]
    if not objects:
        return _listed(plain, "and") if plain else None
    return (
        ", ".join([repr(value) for value in plain])
        + f"{' or ' if plain else ''}an object of type {_listed(objects, 'or')}"
    )


def _alternatives(types: Iterable[inspect.Type]) -> list[inspect.Type]:
    return [found for kind in types for found in (kind.types if isinstance(kind, inspect.UnionType) else (kind,))]


def _items(types: Iterable[inspect.Type]) -> list[inspect.Type]:
    return [found.item_type for found in _alternatives(types) if isinstance(found, inspect.ListType)]


def _fields(structs: Sequence[inspect.StructType], body: bytes, name: str) -> list[inspect.Type]:
    """Of the one that the body is by its tag, or of all."""
    meant = [found for found in structs if found.tag_field and below(body, found.tag_field) == encode(found.tag)]
    return [field.type for found in meant or structs for field in found.fields if field.encode_name == name]


def below(body: bytes, step: str) -> bytes:
    """What a body has at a step; empty: nothing, or no JSON. Of what is beside it, no values are made: there may be
    millions."""
    try:
        return bytes(_array.decode(body)[int(step)] if step.isdecimal() else _object.decode(body)[step])
    except (LookupError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return b""


def _listed(values: Iterable[Any], conjunction: str) -> str:
    names = sorted({repr(value) for value in values})
    return f"{', '.join(names[:-1])} {conjunction} {names[-1]}" if len(names) > 1 else names[0]
