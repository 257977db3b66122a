"""openapi/spec.yaml → the SDKs, by openapi-generator-cli with the templates of openapi/codegen/<language>.

usage: sdk.py LANGUAGE SPEC OUT

Templates cannot compute: they neither group operations into a tree nor spell a type, and a wrong name in them is
silently empty. So what they print is worked out here and put into the spec as `x-novai-sdk` (`prepared`), the same
facts for every language, with types spelled by that language's table (`spellings.py`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from references import content_of, operations, resolve, success
from spellings import SPELLINGS, Helper, Spelling

Node = dict[str, Any]
HERE = Path(__file__).parent
JSON, FORM = "application/json", "multipart/form-data"
FLAGS = ("stream-flag", "format")  # properties that helpers set themselves


class Sdk:
    """What one language's templates print, made from a spec."""

    def __init__(self, spec: Node, spelling: Spelling, helpers: dict[str, list[Helper]], mixed: set[str]) -> None:
        """`helpers`: the resources, `mixed`: the models that have something hand-written beside what is generated."""
        self.spec, self.spelling, self.helpers, self.mixed = spec, spelling, helpers, mixed
        self.schemas: Node = spec["components"]["schemas"]

    def facts(self) -> Node:
        resources = self.resources()
        found = [operation for resource in resources for operation in resource["methods"]]
        answered = self.reached(root for operation in found for root in operation.pop("answer_roots"))
        asked = self.reached(root for operation in found for root in operation.pop("body_roots"))
        return {
            "version": self.spec["info"]["version"],
            "variants": self.spelling.variants,
            "resources": resources,
            "roots": [resource for resource in resources if "." not in resource["path"]],
            "types": [self.model(name, "answer") for name in self.bottom_up(answered)],
            "params": [self.model(name, "request") for name in asked],
            "options": [operation["options"] for operation in found if operation["options"]],
        }

    # The tree

    def resources(self) -> list[Node]:
        """Every resource, those without operations of their own included; what is below one comes before it."""
        methods: dict[str, list[Node]] = {}
        for http, path, operation in operations(self.spec):
            if "x-novai-resource" not in operation:
                continue
            parts = operation["x-novai-resource"].split(".")
            for depth in range(1, len(parts) + 1):
                methods.setdefault(".".join(parts[:depth]), [])
            methods[".".join(parts)].append(self.method(http, path, operation))
        paths = sorted(methods, key=lambda path: (-path.count("."), list(methods).index(path)))
        return [
            {
                "path": path,
                "attr": self.member(path),
                "accessor": ".".join(map(self.member, path.split("."))),
                "class": camel(path),
                "methods": methods[path],
                "children": [
                    {"attr": self.member(child), "class": camel(child)}
                    for child in methods
                    if child.rpartition(".")[0] == path
                ],
                "has_methods": len(methods[path]) > 0,
                "module": path.replace(".", "__") if path in self.helpers else False,
                "helpers": self.helpers.get(path, []),
            }
            for path in paths
        ]

    def member(self, place: str) -> str:
        """How the last part of a place is called."""
        return self.spelling.member(place.rsplit(".", 1)[-1])

    # An operation

    def method(self, http: str, path: str, operation: Node) -> Node:
        parameters = [parameter for parameter in operation["parameters"] if not parameter.get("x-novai-ignored")]
        content = content_of(self.spec, operation.get("requestBody", {}))
        kind = next((kind for kind in (JSON, FORM) if kind in content), None)
        body = content[kind]["schema"] if kind else {}
        fields = [self.field(*field, "request", "params.") for field in self.fields(body)]
        paths, queries = self.parameters(parameters, "path"), self.parameters(parameters, "query")
        answer, item = self.answer(operation), operation.get("x-novai-stream-item")
        place = f"{operation['x-novai-resource']}.{operation['x-novai-method']}"
        given = [field for field in fields + queries if not (item and field["stream-flag"])]
        required, optional = partition(given)
        return answer | {
            "id": operation["operationId"],
            "name": self.member(place),
            "class": camel(place),
            "summary": self.text(operation["summary"]),
            "doc": self.text(operation.get("description")),
            "documented": any(field["lines"] for field in given),
            "http": http.upper(),
            "route": path,
            "route_expression": self.spelling.route(path, [field["name"] for field in paths]),
            "paths": paths,
            "required": required,
            "optional": optional,
            "given": given,
            "keyword": len(given) > 0,
            "brief": ", ".join(field["name"] for field in paths + given),
            "gives": " or ".join([answer["type"], *([f"a stream of types.{item}"] if item else [])]),
            "query": queries or False,
            "query_required": any(field["required"] for field in queries),
            "body": {"fields": fields, "type": self.type(body, "request", "params.")} if kind else False,
            "body_required": any(field["required"] for field in fields),
            "form": kind == FORM,
            "streams": item is not None,
            "stream": {"item": f"types.{item}"} if item else False,
            "options": self.options(operation, fields) if item else False,
            "body_roots": [*refs(body), *(ref for parameter in parameters for ref in refs(parameter))],
            "answer_roots": [*answer["roots"], *([item] if item else [])],
        }

    def parameters(self, parameters: list[Node], place: str) -> list[Node]:
        return [
            self.field(
                each["name"],
                each["schema"] | {key: each[key] for key in ("description",) if key in each},
                bool(each.get("required")),
                "request",
                "params.",
            )
            for each in parameters
            if each["in"] == place
        ]

    def options(self, operation: Node, fields: list[Node]) -> Node:
        """What helpers of a streaming operation take and hand on: its body without what they set themselves."""
        name = camel(f"{operation['x-novai-resource']}.{operation['x-novai-method']}")
        handed = [field for field in fields if not any(field[flag] for flag in FLAGS)]
        own = [field | {"type": field["type"].replace("params.", "")} for field in handed]
        return {"name": f"{name}Options", "fields": own}

    def answer(self, operation: Node) -> Node:
        """The type of a successful answer, and its page if it is one."""
        _, content = success(self.spec, operation)
        if JSON not in content:
            kind = self.spelling.binary if content else self.spelling.nothing
            return {"type": kind, "binary": bool(content), "page": False, "roots": []}
        schema = content[JSON]["schema"]
        answer = {
            "type": self.type(schema, "answer", "types."),
            "binary": False,
            "page": False,
            "roots": list(refs(schema)),
        }
        if cursor := operation.get("x-novai-page"):
            data = next(each for name, each, _ in self.fields(schema) if name == "data")
            item = self.type(data["items"], "answer", "types.")
            cursor_expression = self.spelling.value(None if cursor == "single" else cursor)
            answer |= {
                "type": self.spelling.page(item, answer["type"]),
                "page": {"item": item, "cursor_expression": cursor_expression},
            }
        return answer

    # Schemas

    def model(self, name: str, usage: str) -> Node:
        schema = self.schemas[name]
        is_object = bool(schema.get("properties")) or "allOf" in schema or schema == {"type": "object"}
        fields = [self.field(*field, usage, "") for field in self.fields(schema)] if is_object else []
        also = f"types.{schema['x-novai-also']}" if "x-novai-also" in schema and usage == "request" else None
        return {
            "name": name,
            "doc": self.text(schema.get("description")),
            "mixin": f"{name}Mixin" if name in self.mixed else False,
            "object": is_object,
            "identifiers": all(field["name"] == field["wire"] for field in fields),
            "open": bool(schema.get("additionalProperties")),
            "fields": fields,
            "alias": False if is_object else self.type(schema, usage, "", also),
        }

    def field(self, name: str, schema: Node, required: bool, usage: str, prefix: str) -> Node:
        doc = self.text(schema.get("description"))
        return {
            "wire": name,
            "name": self.spelling.name(name),
            "type": self.type(schema, usage, prefix),
            "required": required,
            "doc": doc,
            "lines": doc.splitlines() if isinstance(doc, str) else [],
            "deprecated": schema.get("deprecated", False),
            **{flag: schema.get(f"x-novai-{flag}", False) for flag in FLAGS},
        }

    def fields(self, schema: Node) -> Iterator[tuple[str, Node, bool]]:
        """Name, schema and whether it is required, of the properties of an object and of all it is made of."""
        schema = resolve(self.spec, schema)
        for part in schema.get("allOf", []):
            yield from self.fields(part)
        for name, each in schema.get("properties", {}).items():
            yield name, each, name in schema.get("required", [])

    def type(self, schema: Node, usage: str, prefix: str, also: str | None = None) -> str:
        """A schema, spelled. `prefix` stands before the names of components; `also` is one more branch."""
        spell = self.spelling
        if "$ref" in schema:
            return prefix + named(schema)
        if branches := schema.get("oneOf") or schema.get("anyOf"):
            met = [branch for branch in branches if not branch.get("x-novai-unpacked")]  # the SDKs unpack the others
            spelled = [self.type(branch, usage, prefix) for branch in met]
            return spell.union(spelled + ([also] if also else []))
        if "const" in schema:
            return spell.literal([schema["const"]])
        kinds = schema.get("type", [])
        kinds = kinds if isinstance(kinds, list) else [kinds]
        if "enum" in schema:
            values = [value for value in schema["enum"] if value is not None]
            return spell.union([spell.literal(values), *([spell.scalars["null"]] if "null" in kinds else [])])
        return spell.union([self.kind(kind, schema, usage, prefix) for kind in kinds] or [spell.anything])

    def kind(self, kind: str, schema: Node, usage: str, prefix: str) -> str:
        if kind == "array":
            return self.spelling.array(self.type(schema.get("items", {}), usage, prefix), usage)
        if kind == "object":
            values = schema.get("additionalProperties", True)
            return self.spelling.mapping(
                self.type(values, usage, prefix) if isinstance(values, dict) else self.spelling.anything
            )
        if schema.get("format") in self.spelling.formats:
            return self.spelling.formats[schema["format"]]
        return self.spelling.scalars[kind]

    def reached(self, roots: Iterator[str]) -> list[str]:
        """The components that can be met from the roots, in the order of the spec."""
        found: set[str] = set()
        todo = list(roots)
        while todo:
            if (name := todo.pop()) not in found:
                found.add(name)
                todo += refs(self.schemas[name])
        return [name for name in self.schemas if name in found]

    def bottom_up(self, names: list[str]) -> list[str]:
        """Every union after those it is made of; it is evaluated where it stands."""
        ordered: dict[str, None] = {}

        def add(name: str) -> None:
            schema = self.schemas[name]
            for branch in schema.get("oneOf", []) + schema.get("anyOf", []):
                for ref in refs(branch):
                    add(ref)
            ordered[name] = None

        for name in names:
            add(name)
        return [name for name in ordered if name in names]

    def text(self, prose: str | None) -> str | bool:
        """A description as the language's comments can hold it. Templates take False, never an empty text."""
        return self.spelling.prose(prose.strip()) if prose else False


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in re.split(r"[._]", name))


def partition(fields: list[Node]) -> tuple[list[Node], list[Node]]:
    """The required ones and the others."""
    return [field for field in fields if field["required"]], [field for field in fields if not field["required"]]


def named(schema: Node) -> str:
    return str(schema["$ref"]).rsplit("/", 1)[1]


def refs(node: Any) -> Iterator[str]:
    """The components that a schema names, the server's own variant and prose left out."""
    if isinstance(node, list):
        for item in node:
            yield from refs(item)
    elif isinstance(node, dict):
        if "$ref" in node:
            yield named(node)
        for key, value in node.items():
            if key not in ("x-novai-server-schema", "discriminator", "example", "examples"):
                yield from refs(value)


def prepared(spec: Node, spelling: Spelling, out: Path) -> Node:
    """The spec as the generator gets it: what templates print is worked out."""
    return spec | {"x-novai-sdk": Sdk(spec, spelling, spelling.helpers(out), spelling.mixed(out)).facts()}


def generate(language: str, spec: Node, out: Path) -> None:
    """Writes what is generated into `out`; what is written by hand beside it stays."""
    spelling, home = SPELLINGS[language], HERE / language
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "spec.json", Path(folder) / "out"
        source.write_text(json.dumps(prepared(spec, spelling, out)))
        command = [str(Path(sys.executable).parent / "openapi-generator-cli"), "generate", "-g", spelling.generator]
        command += ["-i", str(source), "-o", str(made), "-c", str(home / "config.yaml"), "-t", str(home / "templates")]
        quiet = os.environ | {"JAVA_OPTS": "-Dlog.level=error"}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=quiet)
        # Of all that the generator can write, what the config names.
        for entry in yaml.safe_load((home / "config.yaml").read_text())["files"].values():
            name = Path(entry["folder"]) / entry["destinationFilename"]
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made / name, out / name)
    spelling.format(out)


def main() -> None:
    language, spec, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    generate(language, yaml.safe_load(spec.read_text(encoding="utf-8")), out)


if __name__ == "__main__":
    main()
