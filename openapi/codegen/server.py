"""openapi/spec.yaml → api/generated: schemas.py (msgspec Structs), routes.py (abstract class and routes per tag).

usage: server.py SPEC OUT

schemas.py is made by datamodel-code-generator. What the spec says with `x-novai-server-schema` replaces a property's
schema for the server only, where msgspec cannot express the public one; api/rules.py checks the difference.
routes.py is made here: an operation without an implementation is a TypeError when the app starts.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from references import content_of, operations, success

PYTHON = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
# Of a parameter's schema, what msgspec checks: its name there.
BOUNDS = {"minimum": "ge", "maximum": "le", "minLength": "min_length", "maxLength": "max_length", "pattern": "pattern"}
# Scopes of operations that no other API has: no client of theirs sends parameters that the spec does not name.
OURS = ("usage", "models", "admin")
HEAD = "# Generated from openapi/spec.yaml by openapi/codegen/server.py. Do not edit.\n"
PREAMBLE = f'''{HEAD}
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, Any, Literal, Protocol, TypeVar

from fastapi import APIRouter, Request, Response
from msgspec import Meta

from api.generated import schemas as s

T = TypeVar("T")


class Codec(Protocol):
    """Bytes to values and back, and endpoints of them; implemented by api/dependencies.py."""

    def endpoint(self, handler: Callable[[Request], Awaitable[Response]]) -> Any: ...

    def require(self, request: Request, scope: str) -> None: ...

    def only(self, request: Request, *names: str) -> None: ...

    async def body(self, request: Request, kind: type[T]) -> T: ...

    def path(self, request: Request, name: str, kind: Any) -> Any: ...

    def query(self, request: Request, name: str, kind: Any, default: Any, required: bool) -> Any: ...

    def answer(self, request: Request, value: Any, status: int) -> Response: ...
'''


def python_pattern(pattern: str) -> str:
    """A pattern of JSON Schema (ECMA-262) for Python, whose `$` would let a last newline pass."""
    return re.sub(r"(?<!\\)\$$", r"\\Z", pattern)


def for_server(node: Any) -> Any:
    """The spec as the generator should see it: server schemas in place, prose left out."""
    if isinstance(node, list):
        return [for_server(item) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("pattern"), str):
        node = node | {"pattern": python_pattern(node["pattern"])}
    if "x-novai-server-schema" in node:
        return for_server(node["x-novai-server-schema"])
    if "contentSchema" in node:  # an event's payload: the chunk struct itself is used
        return {"type": "string"}
    prose = ("description", "examples", "example") if "type" in node or "oneOf" in node or "$ref" in node else ()
    return {key: for_server(value) for key, value in node.items() if key not in prose or isinstance(value, dict)}


def write_schemas(spec: dict[str, Any], target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "spec.json"
        source.write_text(json.dumps(for_server(spec)))
        command = [sys.executable, "-m", "datamodel_code_generator", "--input", str(source), "--output", str(target)]
        command += ["--input-file-type", "openapi", "--output-model-type", "msgspec.Struct", "--target-python-version"]
        command += ["3.11", "--use-annotated", "--use-standard-collections", "--use-union-operator", "--keyword-only"]
        command += ["--enum-field-as-literal", "all", "--disable-timestamp", "--formatters", "builtin"]
        command += ["--custom-file-header", HEAD.strip(), "--openapi-scopes", "schemas"]
        subprocess.run(command, check=True)


def python_type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return "s." + schema["$ref"].rsplit("/", 1)[1]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if kinds == ["array"]:
        return f"list[{python_type(schema['items'])}]"
    return " | ".join(PYTHON.get(kind, "None") for kind in kinds)


def parameter_type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]"
    if schema.get("format") == "date":
        return "date"
    return python_type(schema)


def checked_type(schema: dict[str, Any]) -> str:
    """`parameter_type` with the schema's bounds."""
    schema = for_server(schema)
    bounds = ", ".join(f"{name}={schema[key]!r}" for key, name in BOUNDS.items() if key in schema)
    kind = parameter_type(schema)
    return f"Annotated[{kind}, Meta({bounds})]" if bounds and "enum" not in schema else kind


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def by_tag(spec: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What the router needs of every operation."""
    tags: dict[str, list[dict[str, Any]]] = {}
    for method, path, operation in operations(spec):
        # Headers are read by middleware; what is ignored is in the spec for its readers only.
        parameters = [p for p in operation["parameters"] if p["in"] != "header" and not p.get("x-novai-ignored")]
        body = content_of(spec, operation.get("requestBody", {})).get("application/json")
        status, content = success(spec, operation)
        answer = content.get("application/json")
        route = path
        for parameter in parameters:
            if parameter.get("x-novai-path"):
                route = route.replace(f"{{{parameter['name']}}}", f"{{{parameter['name']}:path}}")
        tags.setdefault(operation["tags"][0], []).append(
            {
                "id": operation["operationId"],
                "name": snake(operation["operationId"]),
                "method": method.upper(),
                "path": path,
                "route": route,
                "status": status,
                "summary": operation["summary"],
                "body": python_type(body["schema"]) if body else None,
                "answer": python_type(answer["schema"]) if answer else "None",
                "parameters": parameters,
                "scope": operation.get("x-novai-scope"),
            }
        )
    return tags


def signature(operation: dict[str, Any]) -> str:
    arguments = ["self", "request: Request"]
    if operation["body"]:
        arguments.append(f"body: {operation['body']}")
    for parameter in operation["parameters"]:
        kind = parameter_type(parameter["schema"])
        default = parameter["schema"].get("default")
        optional = (
            "" if parameter.get("required") else f" | None = {default!r}" if default is None else f" = {default!r}"
        )
        arguments.append(f"{parameter['name']}: {kind}{optional}")
    return ", ".join(arguments)


def call(operation: dict[str, Any]) -> str:
    arguments = ["request"]
    if operation["body"]:
        arguments.append(f"await codec.body(request, {operation['body']})")
    for parameter in operation["parameters"]:
        name, schema = parameter["name"], parameter["schema"]
        if parameter["in"] == "path":
            arguments.append(f'codec.path(request, "{name}", {checked_type(schema)})')
        else:
            required = bool(parameter.get("required"))
            arguments.append(
                f'codec.query(request, "{name}", {checked_type(schema)}, {schema.get("default")!r}, {required})'
            )
    return f"await impl.{operation['name']}({', '.join(arguments)})"


def checks(operation: dict[str, Any]) -> list[str]:
    """What is looked at before anything is read or done."""
    scope = operation["scope"]
    lines = [f'        codec.require(request, "{scope}")'] if scope else []
    if scope in OURS:
        names = sorted(json.dumps(p["name"]) for p in operation["parameters"] if p["in"] == "query")
        lines.append(f"        codec.only({', '.join(['request', *names])})")
    return lines


def routes(tags: dict[str, list[dict[str, Any]]]) -> str:
    lines = [
        PREAMBLE,
        "# operationId → method and path of the spec.",
        "OPERATIONS = {",
        *(f'    "{o["id"]}": ("{o["method"]}", "{o["path"]}"),' for ops in tags.values() for o in ops),
        "}",
    ]
    for tag, ops in tags.items():
        lines += ["", "", f"class {tag}Api(ABC):"]
        for operation in ops:
            lines += [
                "    @abstractmethod",
                f"    async def {operation['name']}({signature(operation)}) -> {operation['answer']} | Response:",
                f'        """{operation["summary"]}."""',
                "",
            ]
        lines += ["", f"def add_{snake(tag)}(router: APIRouter, impl: {tag}Api, codec: Codec) -> None:"]
        for operation in ops:
            name = operation["name"]
            lines += [
                f"    async def {name}(request: Request) -> Response:",
                *checks(operation),
                f"        return codec.answer(request, {call(operation)}, {operation['status']})",
                "",
                f'    router.add_route("{operation["route"]}", codec.endpoint({name}), '
                f'methods=["{operation["method"]}"], name="{operation["id"]}", include_in_schema=False)',
                "",
            ]
    return "\n".join(lines) + "\n"


def main() -> None:
    spec_path, out = Path(sys.argv[1]), Path(sys.argv[2])
    spec = yaml.safe_load(spec_path.read_text(encoding="utf-8"))
    out.mkdir(parents=True, exist_ok=True)
    (out / "__init__.py").write_text("")
    write_schemas(spec, out / "schemas.py")
    (out / "routes.py").write_text(routes(by_tag(spec)))
    subprocess.run(
        [sys.executable, "-m", "ruff", "format", "-q", "--isolated", "--line-length", "120", str(out)], check=True
    )


if __name__ == "__main__":
    main()
