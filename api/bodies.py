"""Bytes to values: the one place where bodies are parsed, strictly and once, whether they came alone or in a batch.

A body that does not fit the spec is refused with the path of the field at fault and a sentence that says what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from functools import cache, reduce
from itertools import islice
from typing import Any, TypeVar, cast

import msgspec

from api.accepted import accepted, below, steps
from api.errors import ApiError, InvalidRequestError
from api.json_text import BOM, unreadable

T = TypeVar("T")

# Known fields of other servers that would change the meaning of an answer, or would reach into this one.
REFUSED = {
    "functions": "Use `tools`.",
    "function_call": "Use `tool_choice`.",
    "audio": "This server answers in text only.",
    "web_search_options": "This server does not search the web.",
    "moderation": "This server does not moderate.",
    "chat_template": "The template comes from the model.",
    "guided_json": "Use `response_format`, or `structured_outputs` with `json`.",
    "guided_regex": "Use `structured_outputs` with `regex`.",
    "guided_grammar": "Use `structured_outputs` with `grammar`.",
    "guided_choice": "Use `structured_outputs` with `choice`.",
    "grammar": "Use `structured_outputs` with `grammar`.",
    "json_schema": "Use `response_format`.",
    "api_base": "The provider is chosen by the operator.",
    "api_key": "Send the key in the `Authorization` header.",
    "mcp_servers": "This server calls no MCP servers. Call them yourself and offer their `tools`.",
    "output_format": "Use `output_config.format`.",
    "best_of": "Use `n`.",
    "echo": "Answers do not repeat the prompt.",
    "suffix": "Text cannot be inserted before a suffix.",
    "response_format": "Use /v1/chat/completions.",
    "tools": "Use /v1/chat/completions.",
    "tool_choice": "Use /v1/chat/completions.",
}


@cache
def decoder(kind: Hashable) -> tuple[msgspec.json.Decoder[Any], frozenset[str]]:
    """The decoder of a Struct and the names of its fields."""
    struct: Any = kind
    names = frozenset(field.encode_name for field in msgspec.structs.fields(struct))
    return msgspec.json.Decoder(struct), names


MOST_ITEMS = 10_000  # more than any schema has room for
MOST_UNKNOWN = 1000  # names that are looked at
MOST_SHOWN_BYTES = 10_000  # of a value that is made to be shown; of longer ones, the beginning is shown as it came
keys_of = msgspec.json.Decoder(dict[str, msgspec.Raw])
NULL = b"null"


def parse(raw: bytes, kind: type[T], tolerance: Callable[[Any], set[str]] | None = None) -> tuple[T, set[str]]:
    """A body as the Struct of its kind, and the names of what nobody looks at; null is nothing. Raises
    InvalidRequestError.

    `tolerance`: what is done to it before it must fit its schema; the names of what that left out.
    """
    struct, names = decoder(cast(Hashable, kind))
    raw = raw.removeprefix(BOM)
    try:
        if tolerance is None:
            value: T = struct.decode(raw)
            unknown = _unknown(raw, names)
        else:
            plain = msgspec.json.decode(raw)
            left_out = tolerance(plain)
            value = msgspec.convert(plain, kind)
            unknown = {name for name, value in plain.items() if name not in names and value is not None} | left_out
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise explain(error, raw, kind) from None
    return value, unknown


def _unknown(raw: bytes, names: frozenset[str]) -> set[str]:
    """Of thousands that somebody made up, those that count and a few others."""
    given = keys_of.decode(raw)
    found = given.keys() - names
    if len(found) > MOST_UNKNOWN:
        found = found & REFUSED.keys() | set(islice(found, MOST_UNKNOWN))
    return {name for name in found if bytes(given[name]) != NULL}


def refuse(unknown: set[str]) -> None:
    """Raises InvalidRequestError for fields that are not looked at and would change the meaning of an answer."""
    for name in unknown & REFUSED.keys():
        raise InvalidRequestError(
            f"Unsupported parameter: '{name}'. {REFUSED[name]}", param=name, code="unsupported_parameter"
        )


def typed_items(body: Any) -> set[str]:
    """Fills in the `type` that items of a response's input may leave out, and leaves out nothing."""
    if isinstance(body, dict) and isinstance(body.get("input"), list):
        for item in islice(body["input"], MOST_ITEMS):
            if isinstance(item, dict) and item.get("type") is None:
                item["type"] = "message" if "role" in item or "content" in item else "item_reference"
    return set()


# ---------------------------------------------------------------- what was wrong with a body

AT = re.compile(r"^(?P<text>.*?)(?: - at `\$?(?P<at>.*)`)?$", re.DOTALL)
MISSING = re.compile(r"Object missing required field `(?P<name>.+)`")
BOUND = re.compile(r"Expected `(?P<kind>int|float|number)` (?P<op>>=|<=|>|<) (?P<bound>.+)")
LENGTH = re.compile(r"Expected `(?P<kind>\w+)` of length (?P<op>>=|<=) (?P<bound>\d+)")
PATTERN = re.compile(r"Expected `str` matching regex '(.+)'")
KINDS = {
    "int": "integer",
    "float": "decimal",
    "number": "decimal",
    "str": "string",
    "array": "array",
    "object": "object",
}


def explain(error: Exception, raw: bytes, kind: type) -> ApiError:
    """msgspec's verdict as the contract says it: a code, the path of the field, what was expected and what came."""
    if not isinstance(error, msgspec.ValidationError):
        return InvalidRequestError(
            f"We could not parse the JSON body of your request: {unreadable(error, raw)}. "
            "Send one JSON object in UTF-8.",
            code="invalid_json",
        )
    match = AT.match(str(error))
    assert match is not None
    text, at = match["text"], (match["at"] or "").lstrip(".")
    if missing := MISSING.match(text):
        param = f"{at}.{missing['name']}" if at else missing["name"]
        return InvalidRequestError(
            f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter"
        )
    where = f"'{at}'" if at else "the body"
    if length := LENGTH.match(text):
        what, above = KINDS.get(length["kind"], length["kind"]), length["op"].startswith("<")
        return InvalidRequestError(
            f"Invalid {where}: {what} too {'long' if above else 'short'}. "
            f"Expected a length {length['op']} {length['bound']}.",
            param=at or None,
            code=f"{what}_{'above_max' if above else 'below_min'}_length",
        )
    came = shown(raw, at)
    if bound := BOUND.match(text):
        number, above = KINDS[bound["kind"]], bound["op"].startswith("<")
        return InvalidRequestError(
            f"Invalid {where}: {number} {'above maximum' if above else 'below minimum'} value. "
            f"Expected a value {bound['op']} {bound['bound']}{came and f', but got {came} instead'}.",
            param=at or None,
            code=f"{number}_{'above_max' if above else 'below_min'}_value",
        )
    if text.startswith("Expected") and ", got " in text:
        return InvalidRequestError(
            f"Invalid type for {where}: {text[0].lower()}{text[1:]} instead.", param=at or None, code="invalid_type"
        )
    choices = accepted(kind, raw, at)
    said = f"Supported values are: {choices}" if choices else expected(text)
    return InvalidRequestError(
        f"Invalid value for {where}{came and f': {came}'}. {said}.",
        param=at or None,
        code="invalid_value",
    )


def expected(text: str) -> str:
    """msgspec's words, with a pattern as the spec has it."""
    if (found := PATTERN.match(text)) is None:
        return text
    pattern = found[1].replace("\\\\", "\\").removesuffix("\\Z")
    return f"Expected a string that matches {pattern}" + ("$" if found[1].endswith("\\Z") else "")


def shown(body: bytes, path: str) -> str:
    """What a body has at a path like `messages[0].role`, as short text; empty when it has nothing there, or is no JSON
    behind the place where it was found wrong."""
    found = reduce(below, steps(path), body)
    if len(found) > MOST_SHOWN_BYTES:
        return found[:57].decode(errors="ignore") + "..."
    try:
        text = msgspec.json.encode(msgspec.json.decode(found)).decode()
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""
    return text if len(text) <= 60 else text[:57] + "..."
