"""What a JSON Schema may cost, looked at before it is compiled.

The compiler has limits of its own (`constrain.LIMITS`), which end what this look cannot foresee.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

MAX_SCHEMA_BYTES = 64 << 10
MAX_DEPTH = 16  # schemas within schemas
MAX_PROPERTIES = 5_000
MAX_OPTIONAL_PROPERTIES = 500  # of one object: each may be left out, and the parser keeps all ways open at once
MAX_PATTERN_PROPERTIES = 32  # of one object: every two are compared
MAX_ENUM_VALUES = 1_000
MAX_REPETITION = 1_000
MAX_STRING_LENGTH = 100_000  # a counter, not a repetition: cheap
MAX_COST = 50_000
MAX_EXACT = 1 << 53  # the compiler keeps numbers as floats: a longer one, of an id for instance, would be another one
MAX_PASSES = 64  # of the search for schemas without end

# Keywords whose value is a schema, a list of schemas, or a mapping of names to schemas.
_ONE = frozenset(
    {"items", "additionalProperties", "additionalItems", "not", "if", "then", "else", "contains", "propertyNames"}
)
_LIST = frozenset({"anyOf", "oneOf", "allOf", "prefixItems", "items"})
_MAPPING = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_COUNTS = {
    "minItems": MAX_REPETITION, "maxItems": MAX_REPETITION, "minProperties": MAX_REPETITION,
    "maxProperties": MAX_REPETITION, "minLength": MAX_STRING_LENGTH, "maxLength": MAX_STRING_LENGTH,
}  # fmt: skip
# Of a regular expression: escapes, classes, counted repetitions, single characters.
_PARTS = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\{(?P<low>\d+)(?:,(?P<high>\d*))?\}|.", re.DOTALL)
# Escapes, classes within which is no other one; not the ones that begin with a bracket that stands for itself.
_CLASSES = re.compile(r"\\[pP](?:\w|\{[^}]*\})|\\.|\[\^?(?:\\.|[^\]\[\\])(?:\\.|[^\]\[\\])*\]", re.DOTALL)

# Of Lark grammars, with what to do instead.
_DIRECTIVES = {"%json": "send the schema by itself", "%llguidance": "leave it out"}


class SchemaError(ValueError):
    """Why a schema is not taken; the message is for the caller."""


def checked_schema(text: str) -> dict[str, Any]:
    """Parses a schema. Raises SchemaError when it is none, or costs more than it may."""
    _check_size("the schema", text)
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError):
        raise SchemaError("the schema is not valid JSON") from None
    if not isinstance(schema, dict):
        raise SchemaError("the schema must be an object")
    # Options of the compiler, which are not the caller's to set.
    schema.pop("x-guidance", None)
    _check(schema)
    _check_ends(schema)
    return schema


def check_pattern(regex: str) -> None:
    """Raises SchemaError when a regular expression costs more than it may."""
    _check_size("the expression", regex)
    if _repetitions(regex) > MAX_REPETITION:
        raise SchemaError(f"it repeats more than {MAX_REPETITION} times")


def check_grammar(lark: str) -> None:
    """Raises SchemaError when a Lark grammar costs more than it may."""
    _check_size("the grammar", lark)
    for directive, instead in _DIRECTIVES.items():
        if directive in lark:
            raise SchemaError(f"`{directive}` is not supported: {instead}")


def _check_size(what: str, text: str) -> None:
    # A byte or more each: too many characters need not be encoded, which takes milliseconds for megabytes.
    if len(text) > MAX_SCHEMA_BYTES or len(text.encode()) > MAX_SCHEMA_BYTES:
        raise SchemaError(f"{what} is larger than {MAX_SCHEMA_BYTES >> 10} KiB")


def _check(root: dict[str, Any]) -> None:
    properties = values = cost = 0
    for schema, depth in _schemas(root):
        if depth > MAX_DEPTH:
            raise SchemaError(f"it is nested deeper than {MAX_DEPTH} levels")
        _check_one(schema)
        names = schema.get("properties")
        properties += len(names) if isinstance(names, Mapping) else 0
        choices = schema.get("enum")
        values += len(choices) if isinstance(choices, list) else 0
        cost += _cost(schema)
        _bound("properties", properties, MAX_PROPERTIES)
        _bound("enum values", values, MAX_ENUM_VALUES)
        _bound("parts, counting repetitions,", cost, MAX_COST)


def _check_ends(root: dict[str, Any]) -> None:
    """Refuses schemas whose shortest value is endless: writing one would only stop at the limit of tokens.

    A schema ends when all it requires ends; the set of those that do grows from the leaves until nothing is added.
    """
    schemas = [schema for schema, _ in _schemas(root)]
    targets = _targets(root, schemas)
    ending: set[int] = set()
    for _ in range(MAX_PASSES):
        schemas.reverse()  # references mostly point one way
        before = len(ending)
        for schema in schemas:
            if _ends(schema, targets, ending):
                ending.add(id(schema))
        if len(ending) == before:
            break
    if len(ending) < len({id(schema) for schema in schemas}):
        raise SchemaError("it has a part that can only be satisfied by a value without end")


def _targets(root: dict[str, Any], schemas: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What each reference points to; those to nothing are left to the compiler."""
    known = {id(schema) for schema in schemas}
    targets = {}
    for reference in {schema["$ref"] for schema in schemas if "$ref" in schema}:
        target = _target(root, reference)
        if isinstance(target, dict):
            if id(target) not in known:
                raise SchemaError(f"$ref {reference!r} must point to a schema, for instance in $defs")
            targets[reference] = target
    return targets


def _ends(schema: dict[str, Any], targets: dict[str, dict[str, Any]], ending: set[int]) -> bool:
    """Whether `schema` ends, given the ones in `ending`."""
    needed = [*_required(schema), *_list(schema, "allOf"), targets.get(schema.get("$ref", ""))]
    if any(isinstance(inner, dict) and id(inner) not in ending for inner in needed):
        return False
    unions = [ways for keyword in ("anyOf", "oneOf") if (ways := _list(schema, keyword))]
    return all(any(not isinstance(way, dict) or id(way) in ending for way in ways) for ways in unions)


def _required(schema: dict[str, Any]) -> Iterator[Any]:
    """The schemas of values that every value of `schema` holds. Without a type of its own, it may hold none."""
    kind, others = schema.get("type"), schema.get("additionalProperties")
    if kind in ("object", ["object"]):
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        yield from (properties.get(name, others) for name in _list(schema, "required") if isinstance(name, str))
        yield others if _count(schema, "minProperties") > len(properties) else None
    if kind in ("array", ["array"]):
        first, least = _list(schema, "prefixItems"), _count(schema, "minItems")
        yield from first[:least]
        yield schema.get("items") if least > len(first) else None


def _count(schema: dict[str, Any], keyword: str) -> int:
    value = schema.get(keyword)
    return max(value, 0) if isinstance(value, int) else 0


def _list(schema: dict[str, Any], keyword: str) -> list[Any]:
    value = schema.get(keyword)
    return value if isinstance(value, list) else []


def _target(root: dict[str, Any], reference: str) -> Any:
    """What a local reference points to; None where the compiler will say that it points to nothing."""
    found: Any = root
    for part in unquote(reference).removeprefix("#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _bound(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise SchemaError(f"it has more than {limit} {what}")


def _schemas(root: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
    """Every schema within `root` and how deep it is. `$ref` is not followed, so recursion ends."""
    waiting: list[tuple[Any, int]] = [(root, 1)]
    while waiting:
        schema, depth = waiting.pop()
        if isinstance(schema, dict):
            yield schema, depth
            waiting.extend((inner, depth + 1) for inner in _inner(schema))


def _inner(schema: dict[str, Any]) -> Iterator[Any]:
    for keyword, value in schema.items():
        if keyword in _MAPPING and isinstance(value, dict):
            yield from value.values()
        elif keyword in _LIST and isinstance(value, list):
            yield from value
        elif keyword in _ONE:
            yield value


def _check_one(schema: dict[str, Any]) -> None:
    reference = schema.get("$ref", "#")
    if not isinstance(reference, str) or not reference.startswith("#"):
        raise SchemaError(f"$ref must point into the schema itself ('#/…'), not to {reference!r}")
    for keyword, limit in _COUNTS.items():
        count = schema.get(keyword)
        if isinstance(count, int | float) and count > limit:
            raise SchemaError(f"{keyword} is larger than {limit}")
        if isinstance(count, float) and count.is_integer():
            schema[keyword] = int(count)  # 2.0 is an integer in JSON Schema, and none to the compiler
    pattern = schema.get("pattern", "")
    if isinstance(pattern, str) and _repetitions(pattern) > MAX_REPETITION:
        raise SchemaError(f"the pattern {pattern[:80]!r} repeats more than {MAX_REPETITION} times")
    if _states(schema.get("multipleOf")) > MAX_REPETITION:
        raise SchemaError(f"multipleOf {schema['multipleOf']} has too many digits")
    _check_exact([schema.get("const"), *_list(schema, "enum")])
    _check_optional(schema)
    if isinstance(pattern, str) and pattern:
        schema["pattern"] = _without_nul(pattern)
    if isinstance(names := schema.get("patternProperties"), dict):
        schema["patternProperties"] = {_without_nul(name): inner for name, inner in names.items()}


def _without_nul(pattern: str) -> str:
    """The pattern without U+0000 in its classes, which nobody misses.

    Where one has it, and no quote or no backslash, as `[^"]`, the compiler forgets which of the two it was not to have.
    """

    def written(part: re.Match[str]) -> str:
        return rf"[{part[0]}&&[^\x00]]" if part[0].startswith(("[", r"\P")) else part[0]

    return _CLASSES.sub(written, pattern)


def _check_exact(values: list[Any]) -> None:
    """Of values that are to be written as they are, with all that is in them."""
    while values:
        value = values.pop()
        if isinstance(value, int) and abs(value) > MAX_EXACT:
            raise SchemaError(f"the number {str(value)[:40]} has too many digits to be written exactly; use a string")
        values += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _check_optional(schema: dict[str, Any]) -> None:
    names, required = schema.get("properties", {}), schema.get("required", [])
    if isinstance(names, dict) and isinstance(required, list):
        optional = len(names.keys() - {name for name in required if isinstance(name, str)})
        if optional > MAX_OPTIONAL_PROPERTIES:
            raise SchemaError(f"an object has more than {MAX_OPTIONAL_PROPERTIES} properties that are not required")
    patterns = schema.get("patternProperties")
    if isinstance(patterns, dict) and len(patterns) > MAX_PATTERN_PROPERTIES:
        raise SchemaError(f"an object has more than {MAX_PATTERN_PROPERTIES} patternProperties")


def _states(multiple: Any) -> int:
    """The automaton that divides has as many states as the divisor without its decimal point."""
    if not isinstance(multiple, int | float) or not 0 < multiple < 1e12:
        return 0
    return int(f"{multiple:.12f}".replace(".", "").strip("0") or "0")


def _repetitions(pattern: str) -> int:
    """How much longer a regular expression is when its counted repetitions are written out, in characters."""
    written = out = last = 0  # last: of `out`, what a repetition would repeat
    groups: list[int] = []
    for part in _PARTS.finditer(pattern):
        if part["low"]:
            times = max(int(part["low"][:9]), int((part["high"] or "0")[:9]), 1)
            out += last * (times - 1)
            last *= times
        elif part[0] == "(":
            groups.append(out)
        elif part[0] == ")" and groups:
            last = out - groups.pop()
        else:
            written, out, last = written + 1, out + 1, 1
        if out - written > MAX_REPETITION:
            break
    return out - written


def _cost(schema: dict[str, Any]) -> int:
    cost = 1
    for inner in _list(schema, "allOf"):
        # An intersection of unions is multiplied out.
        for keyword in ("anyOf", "oneOf"):
            cost *= max(len(_list(inner, keyword)), 1) if isinstance(inner, dict) else 1
    cost += _states(schema.get("multipleOf"))
    pattern = schema.get("pattern")
    return cost + _repetitions(pattern) if isinstance(pattern, str) else cost
