"""What all generators ask of a spec: its operations, what answers them, and what its references name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

METHODS = ("get", "put", "post", "delete", "patch")


def operations(spec: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """HTTP method, path and description of each, with the parameters resolved that it has and shares."""
    for path, item in spec["paths"].items():
        for method in METHODS:
            if method in item:
                parameters = item.get("parameters", []) + item[method].get("parameters", [])
                yield method, path, item[method] | {"parameters": [resolve(spec, each) for each in parameters]}


def content_of(spec: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """The forms of a request's or an answer's body, by media type."""
    content: dict[str, Any] = resolve(spec, body).get("content", {})
    return content


def success(spec: dict[str, Any], operation: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The status of a successful answer, and the forms of its body."""
    status = next(code for code in operation["responses"] if code.startswith("2"))
    return int(status), content_of(spec, operation["responses"][status])


def resolve(spec: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Follows a $ref to what it names."""
    while "$ref" in node:
        target: Any = spec
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node
