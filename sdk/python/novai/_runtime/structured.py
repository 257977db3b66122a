"""Answers that have the form of a Python type: pydantic models, dataclasses, TypedDicts, and whatever pydantic reads.

Needs pydantic: `pip install novai[pydantic]`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .errors import NovAIError
from .omit import Omit

if TYPE_CHECKING:
    from pydantic import BaseModel

    from .. import params

T = TypeVar("T")


class Form(Generic[T]):
    """A type as the server is asked for it, and as its answers are read."""

    def __init__(self, kind: type[T]) -> None:
        try:
            from pydantic import TypeAdapter
        except ImportError as error:
            raise NovAIError("Reading answers into types needs pydantic: pip install 'novai[pydantic]'") from error
        self._adapter = TypeAdapter(kind)
        self.name = re.sub(r"[^a-zA-Z0-9_-]", "_", getattr(kind, "__name__", "answer"))[:64]
        self.schema = strict(self._adapter.json_schema())

    def read(self, text: str) -> T:
        """Raises pydantic's ValidationError."""
        return self._adapter.validate_json(text)


class Tool(dict[str, Any]):
    """A tool whose arguments are read into a pydantic model."""

    model: type[BaseModel]


def pydantic_function_tool(
    model: type[BaseModel], *, name: str | None = None, description: str | None = None
) -> params.Tool:
    """A tool that takes the fields of a model; `parse()` and `stream()` read its calls into `parsed_arguments`."""
    function = {"name": name or model.__name__, "parameters": strict(model.model_json_schema()), "strict": True}
    if said := description or inspect.cleandoc(model.__doc__ or ""):
        function["description"] = said
    tool = Tool(type="function", function=function)
    tool.model = model
    return tool  # type: ignore[return-value]  # a dict of that form


def models_of(tools: Iterable[Any] | Omit | None) -> dict[str, type[BaseModel]]:
    """By their names, the tools whose arguments are read."""
    given: Iterable[Any] = () if tools is None or isinstance(tools, Omit) else tools
    return {tool["function"]["name"]: tool.model for tool in given if isinstance(tool, Tool)}


def arguments_of(text: str, model: type[BaseModel] | None) -> Any:
    """Raises pydantic's ValidationError. Of a tool without a model: None."""
    return None if model is None else model.model_validate_json(text or "{}")


def strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON Schema that leaves nothing open, as structured output wants it: all properties, and no others."""
    return dict(closed(schema, schema))


def closed(node: Any, root: Mapping[str, Any], within: frozenset[str] = frozenset()) -> Any:
    """`within`: the definitions whose copies this is a part of."""
    if isinstance(node, list):
        return [closed(item, root, within) for item in node]
    if not isinstance(node, Mapping):
        return node
    if "$ref" in node and len(node) > 1:  # what stands beside a $ref is not read everywhere
        name = node["$ref"]
        if name in within:  # it contains itself: copies would have no end
            return {key: value for key, value in node.items() if key != "default"}
        target: Any = root
        for part in name.removeprefix("#/").split("/"):
            target = target[part]
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return closed({**target, **beside}, root, within | {name})
    if len(node.get("allOf", ())) == 1:
        beside = {key: value for key, value in node.items() if key != "allOf"}
        return closed({**node["allOf"][0], **beside}, root, within)
    made = {
        key: {name: closed(each, root, within) for name, each in value.items()}
        if key in ("properties", "$defs")
        else closed(value, root, within)
        for key, value in node.items()
        if key != "default"
    }
    if made.get("type") == "object" and "properties" in made:
        made |= {"additionalProperties": False, "required": list(made["properties"])}
    return made
