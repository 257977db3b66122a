"""A grammar in which the output calls tools, in the syntax of the model's family.

With `required` (or a named tool) nothing but calls can be written. With `auto` the model is free to write text, or is
held to a constraint there, and is held to the allowed tools and to strict schemas once it begins a call.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import llguidance
from gen import inference_pb2 as pb

from internal.errors import InvalidRequestError, UnsupportedError
from internal.inference import constrain
from internal.inference.constrain import (
    LIMITS,
    Grammar,
    Vocabulary,
    compile_source,
    grammar_of,
    json_grammar,
    key_of,
    lark_source,
    limits_of,
    literal,
    reasoning_before,
    reasoning_rules,
)
from internal.inference.schema_limits import SchemaError, checked_schema
from internal.inference.tool_families import Family

MAX_CALLS = 16  # that one output is made to hold; a weak model would go on for ever
_ANY_OBJECT: dict[str, Any] = {"type": "object"}
# Keywords by which a schema speaks of properties that it does not list itself.
_OPENING = (
    "additionalProperties",
    "patternProperties",
    "unevaluatedProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "if",
    "$ref",
)
_NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


def tool_grammar(
    tools: Sequence[pb.Tool],
    choice: pb.ToolChoice,
    family: Family,
    vocabulary: Vocabulary,
    *,
    parallel: bool = True,
    thinking: bool = False,
    reasoning_open: bool = False,
    content: pb.Constraint | None = None,
) -> Grammar | None:
    """None when the tools leave the output as free as it is without them.

    `thinking`: the model may reason before it calls; `reasoning_open`: the prompt has begun that already.
    `content`: what an answer without calls must be. Raises InvalidRequestError: an unknown tool is chosen, or the
    schema of a strict tool is not supported; UnsupportedError: in this family, text and calls cannot be told apart.
    """
    offered = _offered(tools, choice)
    if choice.mode == pb.ToolChoice.NONE or not offered:
        return None
    required = choice.mode == pb.ToolChoice.REQUIRED
    if required:
        content = None  # there is none
    if not (required or content or choice.allowed or not parallel or any(tool.strict for tool in offered)):
        return None
    if content is not None:
        _check_content(content, family, vocabulary)

    def make() -> Grammar:
        parts = [_arguments_grammar(tool, f"arguments{n}") for n, tool in enumerate(offered)]
        rules = [
            f"start: {reasoning_before(thinking, reasoning_open)} output",
            f"output: {_required(family, vocabulary) if required else _auto(family, vocabulary, content is not None)}",
            _tail_rule(family, vocabulary, MAX_CALLS if parallel else 1),
            "call: " + " | ".join(f"call{n}" for n in range(len(offered))),
            *(f"call{n}: {_call(tool.name, n, family, vocabulary)}" for n, tool in enumerate(offered)),
            f"trigger[lazy]: ANY {json.dumps(family.opening)}",
            "OTHER: /(\\s*[^{\\s](.|\\n)*)?/",
            reasoning_rules(vocabulary),
        ]
        if content is not None:
            parts.append(grammar_of(content, "content"))
        limits = LIMITS if content is None else limits_of(content)
        return compile_source(lark_source("\n".join(rules), *parts), vocabulary, limits)

    tools_key = tuple(tool.SerializeToString(deterministic=True) for tool in offered)
    content_key = key_of(content) if content else None
    key = ("tools", tools_key, content_key, choice.mode, family.name, parallel, thinking, reasoning_open)
    try:
        return vocabulary.grammar(key, make)
    except SchemaError as error:
        raise InvalidRequestError(f"the tools cannot be enforced together: {error}", "tools") from None


def _offered(tools: Sequence[pb.Tool], choice: pb.ToolChoice) -> list[pb.Tool]:
    unknown = set(choice.allowed) - {tool.name for tool in tools}
    if unknown:
        raise InvalidRequestError(f"tool_choice names {sorted(unknown)[0]!r}, which is not in tools", "tool_choice")
    offered = [tool for tool in tools if not choice.allowed or tool.name in choice.allowed]
    if choice.mode == pb.ToolChoice.REQUIRED and not offered:
        raise InvalidRequestError("tool_choice requires a call, but there are no tools", "tool_choice")
    return offered


def _check_content(content: pb.Constraint, family: Family, vocabulary: Vocabulary) -> None:
    """So that what is wrong with it is told by its own name. Raises InvalidRequestError, UnsupportedError."""
    param = content.param or "response_format"
    if family.bare:
        raise UnsupportedError(f"with this model, use either tools or {param}, not both", param)
    constrain.compile(content, vocabulary)


def _texts(texts: Sequence[str], vocabulary: Vocabulary) -> str:
    return " ".join(literal(text, vocabulary) for text in texts)


def _required(family: Family, vocabulary: Vocabulary) -> str:
    return f"{'' if family.bare else literal(family.opening, vocabulary)} tail"


def _auto(family: Family, vocabulary: Vocabulary, constrained: bool) -> str:
    """Text, with or without calls behind it. In a bare family any output that begins with a brace is a call."""
    if constrained:
        return f"@content | {literal(family.opening, vocabulary)} tail"
    special = family.opening in vocabulary.special
    # Two ways to go on must differ in their first character, or the longer one hides the other.
    text = "OTHER" if family.bare else "ANY"
    marked = f"{text} {literal(family.opening, vocabulary)} tail" if special else "trigger tail"
    if family.bare:
        return f"{text} | tail" + (f" | {marked}" if special else "")
    return f"{text} | {marked}"


def _tail_rule(family: Family, vocabulary: Vocabulary, count: int) -> str:
    """What follows the opening marker: the calls, to the end of the output."""
    first = (*family.before_all, *family.before_each)[0 if family.bare else 1 :]
    after = _texts(family.after_each, vocabulary)
    again = _texts((*family.between, *family.before_each), vocabulary)
    more = f"({again} call {after}){{0,{count - 1}}}" if count > 1 else ""
    return f"tail: {_texts(first, vocabulary)} call {after} {more} {_texts(family.after_all, vocabulary)}"


def _call(name: str, number: int, family: Family, vocabulary: Vocabulary) -> str:
    if family.named:
        return f"{json.dumps(name)} {literal(family.named, vocabulary)} @arguments{number}"
    head = f'{{"name": {json.dumps(name)}, "{family.arguments_key}": '
    return f'{json.dumps(head)} @arguments{number} "}}"'


def _arguments_grammar(tool: pb.Tool, name: str) -> dict[str, Any]:
    """The tool's own schema. Where nobody asked for strictness, what the compiler cannot do is left out."""
    try:
        schema = checked_schema(tool.parameters_json) if tool.parameters_json else _NO_ARGUMENTS
        grammar = json_grammar(_closed(_as_object(schema)), name, lenient=not tool.strict)
        problem = llguidance.LLMatcher.validate_grammar(json.dumps({"grammars": [grammar]}), limits=LIMITS)
        if problem and not problem.startswith("WARNING"):
            raise SchemaError(problem.strip().partition("\n")[0])
    except SchemaError as error:
        if tool.strict:
            raise InvalidRequestError(f"Invalid schema for function '{tool.name}': {error}", "tools") from None
        return json_grammar(_ANY_OBJECT, name)
    return grammar


def _as_object(schema: dict[str, Any]) -> dict[str, Any]:
    """Arguments are an object, whether or not the schema says so."""
    if schema.get("type", "object") != "object":
        raise SchemaError("the parameters of a function must be of type object")
    return schema if "$ref" in schema else schema | _ANY_OBJECT


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Without arguments that are not listed, unless the schema speaks of such: functions seldom take them, and a weak
    model goes on inventing some for ever.
    """
    if "properties" not in schema or any(keyword in schema for keyword in _OPENING):
        return schema
    return schema | {"additionalProperties": False}
