"""Every tool that can be called, checked before it is offered; every call, kept within its limits.

Nothing that a source says is believed: not its schemas, not how long it takes, not how much it returns. A tool that
cannot be offered is logged and skipped, and the others are.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
import msgspec

from internal.inference.schema_limits import checked_schema
from internal.tools.base import Source, Tool, ToolError
from internal.tools.file import NAME, Limits

log = logging.getLogger("novai.tools")

MAX_TOOLS = 128
MAX_LISTING_BYTES = 3 << 20  # of all descriptions and schemas: whoever lists them takes 4 MiB in one message
MAX_DESCRIPTION = 8_192  # characters
MAX_BACKTRACKS = 10_000  # of a schema's regular expressions
MAX_REASON = 500  # characters of why arguments do not fit
NO_ARGUMENTS = '{"type": "object", "properties": {}, "additionalProperties": false}'


@dataclass(frozen=True, slots=True)
class Origin:
    """A source, and what is said about it in tools.yaml."""

    name: str
    source: Source
    limits: Limits
    chosen: frozenset[str] | None = None  # of its tools; None: all
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool that was found to be in order."""

    name: str
    description: str
    parameters: str
    server: str
    tool: Tool
    limits: Limits
    validator: Any  # of jsonschema_rs

    @property
    def size_bytes(self) -> int:
        """Of what is listed of it, nearly."""
        return len(self.description.encode(errors="replace")) + len(self.parameters)  # ASCII, as `json.dumps` writes it


@dataclass(frozen=True, slots=True)
class Result:
    """What the model reads."""

    output: str
    failed: bool = False


class Registry:
    """`run` → `listings`, `execute`* → `close`."""

    def __init__(self, origins: Sequence[Origin]) -> None:
        self._origins = origins
        self._found: dict[str, Sequence[Tool]] = {}  # by the name of the origin
        self._tools: dict[str, Offered] = {}
        self._news = asyncio.Event()  # set, and replaced, at every change
        self._closed = False

    async def run(self) -> None:
        """Keeps to all sources until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for origin in self._origins:
                tasks.create_task(self._follow(origin))

    async def listings(self) -> AsyncIterator[list[Offered]]:
        """The tools, and again whenever they change, until `close`."""
        while not self._closed:
            news = self._news
            yield list(self._tools.values())
            await news.wait()

    def close(self) -> None:
        """Nobody is told of changes any more. Calls go on."""
        self._closed = True
        self._announce()

    async def execute(self, name: str, arguments: str) -> Result:
        """One call. Whatever is wrong with it, the model is told."""
        offered = self._tools.get(name)
        if offered is None:
            return Result(f"There is no tool {name!r}.", failed=True)
        limits = offered.limits
        try:
            given = fitting(arguments, offered)
            async with asyncio.timeout(limits.timeout_s):
                result = Result(await offered.tool.call(given))
        except ToolError as error:
            result = Result(str(error), failed=True)
        except TimeoutError:
            result = Result(f"The tool did not answer within {limits.timeout_s:g} s.", failed=True)
        except Exception:
            log.exception("the tool %s of %s broke", name, offered.server)
            result = Result("The tool broke. It is the server's fault, not that of the arguments.", failed=True)
        return Result(cut(result.output, limits.max_result_bytes), result.failed)

    async def _follow(self, origin: Origin) -> None:
        def offer(tools: Sequence[Tool]) -> None:
            if self._found.get(origin.name) != tools:
                self._found[origin.name] = tools
                self._renew()

        await origin.source.run(offer)

    def _renew(self) -> None:
        tools: dict[str, Offered] = {}
        room = MAX_LISTING_BYTES
        for offered in self._sound():
            if offered.name in tools:
                log.warning("%s: %s has a tool of this name, too: skipped", offered.name, offered.server)
            elif len(tools) == MAX_TOOLS:
                log.warning("%s of %s: there are %d tools already: skipped", offered.name, offered.server, MAX_TOOLS)
            elif offered.size_bytes > room:
                log.warning("%s of %s: too long to be listed beside the others: skipped", offered.name, offered.server)
            else:
                room -= offered.size_bytes
                tools[offered.name] = offered
        self._tools = tools
        self._announce()

    def _announce(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _sound(self) -> Iterator[Offered]:
        for origin in self._origins:
            for tool in self._found.get(origin.name, ()):
                if origin.chosen is not None and tool.name not in origin.chosen:
                    continue
                try:
                    yield checked(tool, origin)
                except ToolError as error:
                    log.warning("the tool %r of %s is skipped: %s", tool.name[:80], origin.name, error)


def checked(tool: Tool, origin: Origin) -> Offered:
    """The tool as it is offered. Raises ToolError when it cannot be."""
    name = origin.prefix + tool.name
    if not NAME.fullmatch(name):
        raise ToolError("a name has letters, digits, `_` and `-`, at most 64")
    if len(tool.description) > MAX_DESCRIPTION:
        raise ToolError(f"its description has more than {MAX_DESCRIPTION} characters")
    try:
        schema = checked_schema(tool.parameters or NO_ARGUMENTS)
        if schema.get("type") != "object":
            raise ToolError("its parameters are no object")
        validator = jsonschema_rs.validator_for(
            schema, pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=MAX_BACKTRACKS)
        )
    except (ValueError, jsonschema_rs.ReferencingError) as error:  # also what is no text: half a character
        raise ToolError(f"invalid schema: {str(error)[:MAX_REASON]}") from None
    return Offered(name, tool.description, json.dumps(schema), origin.name, tool, origin.limits, validator)


def fitting(arguments: str, offered: Offered) -> dict[str, Any]:
    """The arguments, which fit the tool's parameters. Raises ToolError."""
    if len(arguments.encode(errors="replace")) > offered.limits.max_argument_bytes:
        raise ToolError(f"The arguments are longer than {offered.limits.max_argument_bytes} bytes.")
    try:
        given: dict[str, Any] = msgspec.json.decode(arguments or "{}", type=dict[str, Any])
        offered.validator.validate(given)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError) as error:
        raise ToolError(f"The arguments are not a JSON object: {error}.") from None
    except jsonschema_rs.ValidationError as error:
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
        message = f"Invalid arguments{' at ' + where.lstrip('.') if where else ''}: {error.message}"
        raise ToolError(message[:MAX_REASON]) from None
    return given


def cut(text: str, most: int) -> str:
    """At most so many bytes of a text, which says what is missing."""
    data = text.encode(errors="replace")
    if len(data) <= most:
        return data.decode()
    return data[:most].decode(errors="ignore") + f"\n[cut off: {most} of {len(data)} bytes]"
