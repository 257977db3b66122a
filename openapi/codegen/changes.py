"""What would break callers of the last release: openapi/released.yaml against openapi/spec.yaml.

usage: changes.py RELEASED SPEC

Prints each breaking change, and fails if there are any and the version says that there are none: what breaks needs a
new major version (while that is 0, a new minor one). A release copies spec.yaml to released.yaml.

Requests may ask for less and allow more, answers may give more: SDKs keep fields and values that they do not know.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from references import content_of, operations, resolve

Node = dict[str, Any]
# What must not shrink (-1) or grow (1) in a request.
BOUNDS = {"maximum": -1, "maxLength": -1, "maxItems": -1, "minimum": 1, "minLength": 1, "minItems": 1}


class Comparison:
    def __init__(self, old: Node, new: Node) -> None:
        self.old, self.new = old, new
        self._seen: set[tuple[str, str, bool]] = set()  # schemas are recursive, and shared

    def breaks(self) -> Iterator[str]:
        after = {(method, path): operation for method, path, operation in operations(self.new)}
        for method, path, before in operations(self.old):
            yield from self.operation(f"{method.upper()} {path}", before, after.get((method, path)))

    def operation(self, where: str, old: Node, new: Node | None) -> Iterator[str]:
        if new is None:
            yield f"{where} is gone"
            return
        for key in ("x-novai-resource", "x-novai-method", "x-novai-stream-item", "x-novai-page"):
            grown = old.get(key) == "single" and key in new  # a list of one page that may have several now
            if key in old and old[key] != new.get(key) and not grown:
                yield f"{where}: {key} was {old[key]!r} and is {new.get(key)!r}"
        yield from self.parameters(where, old, new)
        yield from self.body(where, old, new)
        for status, before in old["responses"].items():
            after = content_of(self.new, new["responses"].get(status, {}))
            for kind, content in content_of(self.old, before).items():
                place = f"{where} {status}"
                if kind not in after:
                    yield f"{place}: no {kind} any more"
                else:
                    yield from self.schema(place, content["schema"], after[kind]["schema"], request=False)

    def parameters(self, where: str, old: Node, new: Node) -> Iterator[str]:
        before, after = ({each["name"]: each for each in operation["parameters"]} for operation in (old, new))
        for name, parameter in before.items():
            if name not in after:
                yield f"{where}: parameter {name} is gone"
            else:
                yield from self.schema(f"{where} {name}", parameter["schema"], after[name]["schema"], request=True)
        for name, parameter in after.items():
            if parameter.get("required") and not before.get(name, {}).get("required"):
                yield f"{where}: parameter {name} is required now"

    def body(self, where: str, old: Node, new: Node) -> Iterator[str]:
        before = content_of(self.old, old.get("requestBody", {}))
        after = content_of(self.new, new.get("requestBody", {}))
        for kind, content in before.items():
            if kind not in after:
                yield f"{where}: no {kind} body any more"
            else:
                yield from self.schema(where, content["schema"], after[kind]["schema"], request=True)

    def schema(self, where: str, old: Node, new: Node, request: bool) -> Iterator[str]:
        names = (str(old.get("$ref")), str(new.get("$ref")), request)
        if "$ref" in old and names in self._seen:
            return
        self._seen.add(names)
        old, new = self.flat(self.old, old), self.flat(self.new, new)
        yield from self.values(where, old, new, request)
        yield from self.properties(where, old, new, request)
        if "items" in old and "items" in new:
            yield from self.schema(f"{where}[]", old["items"], new["items"], request)
        after = {branch.get("$ref"): branch for branch in branches(new)}
        for branch in branches(old):
            if "$ref" in branch and branch["$ref"] in after:
                yield from self.schema(where, branch, branch, request)

    def values(self, where: str, old: Node, new: Node, request: bool) -> Iterator[str]:
        """Types, single values and bounds."""
        before, after = self.kinds(self.old, old), self.kinds(self.new, new)
        if gone := (before - after if request else after - before) - {"any"}:
            change = "takes no" if request else "may be"
            yield f"{where}: {change} {', '.join(sorted(gone))}{' any more' if request else ' now'}"
        if request and "enum" in new:
            for value in old.get("enum", []):
                if value not in new["enum"]:
                    yield f"{where}: takes no {value!r} any more"
        if "const" in old and old["const"] != new.get("const"):
            yield f"{where}: was always {old['const']!r}"
        for name, direction in BOUNDS.items() if request else ():
            if name in new and (name not in old or (new[name] - old[name]) * direction > 0):
                yield f"{where}: {name} is {new[name]} and was {old.get(name, 'free')}"

    def properties(self, where: str, old: Node, new: Node, request: bool) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name, schema in before.items():
            if name not in after:
                yield f"{where}.{name} is gone"
            else:
                yield from self.schema(f"{where}.{name}", schema, after[name], request)
        must, may = (new, old) if request else (old, new)
        for name in must.get("required", []):
            if name not in may.get("required", []) and name in (after if request else before):
                yield f"{where}.{name} is {'required' if request else 'not certain'} now"

    def kinds(self, spec: Node, schema: Node) -> set[str]:
        """What a value may be: the types of JSON, and the components of a union."""
        if branches(schema):
            return {each for branch in branches(schema) for each in self.kinds(spec, branch)}
        if "$ref" in schema:
            target = resolve(spec, schema)
            return self.kinds(spec, target) if "properties" not in target else {schema["$ref"].rsplit("/", 1)[1]}
        kinds = schema.get("type", "any")
        return set(kinds) if isinstance(kinds, list) else {kinds}

    def flat(self, spec: Node, schema: Node) -> Node:
        """References followed, `allOf` put together."""
        schema = resolve(spec, schema)
        parts = [self.flat(spec, part) for part in schema.get("allOf", [])]
        if not parts:
            return schema
        properties = {name: each for part in parts for name, each in part.get("properties", {}).items()}
        required = [name for part in parts for name in part.get("required", [])]
        return {"type": "object", **schema, "properties": properties, "required": required}


def branches(schema: Node) -> list[Node]:
    """Of a union."""
    found: list[Node] = schema.get("oneOf") or schema.get("anyOf") or []
    return found


def breaking_version(old: str, new: str) -> bool:
    """Whether the step from one version to the other says that something broke."""
    before, after = ([int(part) for part in version.split(".")] for version in (old, new))
    return after[0] > before[0] or (after[0] == before[0] == 0 and after[1] > before[1])


def main() -> None:
    old, new = (yaml.safe_load(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:3])
    found = list(dict.fromkeys(Comparison(old, new).breaks()))
    for each in found:
        print(each)
    if found and not breaking_version(old["info"]["version"], new["info"]["version"]):
        raise SystemExit("the spec breaks callers of the last release: keep what they use, or raise info.version")


if __name__ == "__main__":
    main()
