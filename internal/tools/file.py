"""`tools.yaml`: which tools there are and who runs them, read once and strictly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from internal.config import ConfigError
from internal.tools.shipped import SHIPPED

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
OWN = "novai"  # who runs the tools that NovAI brings along
# How a server is reached, and the fields that say more about it.
WAYS = {"command": "env", "url": "headers", "address": "token"}


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one call may take."""

    timeout_s: float = 10.0
    max_argument_bytes: int = 64 << 10  # more is refused
    max_result_bytes: int = 64 << 10  # more is cut off; it goes into the model's context


class ServerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A server of tools, reached in one of three ways. Values of `env` and `headers` may be, and `token` must be, a
    reference: `env:NAME` or `file:PATH`."""

    name: str
    command: list[str] = []  # an MCP server that is started, and spoken to over its stdin and stdout
    env: dict[str, str] = {}  # of its process, beside PATH and HOME
    url: str = ""  # an MCP server over streamable HTTP
    headers: dict[str, str] = {}
    address: str = ""  # host:port of another tool server (proto/tool_execution.proto)
    token: str = ""
    tools: list[str] | None = None  # which of its tools; None: all
    prefix: str = ""  # before their names
    limits: Limits = Limits()


class ToolsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tools: list[str] = []  # of those that NovAI brings along
    limits: Limits = Limits()  # of these
    servers: list[ServerConfig] = []


def load_tools(path: Path) -> ToolsFile:
    """Raises ConfigError."""
    try:
        file = msgspec.yaml.decode(path.read_bytes(), type=ToolsFile)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file. Write one, or name another with NOVAI_TOOLS_FILE.") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path}: {error}") from None
    for name in file.tools:
        if name not in SHIPPED:
            raise ConfigError(f"{path}: tools: there is no tool {name!r}. Name some of: {', '.join(SHIPPED)}.")
    names = [OWN, *(server.name for server in file.servers)]
    for limits in (file.limits, *(server.limits for server in file.servers)):
        check_limits(limits, path)
    for server in file.servers:
        for wrong in faults(server, names):
            raise ConfigError(f"{path}: servers: {server.name!r}: {wrong}")
    return file


def faults(server: ServerConfig, names: list[str]) -> Iterator[str]:
    """What is wrong with a server."""
    if not NAME.fullmatch(server.name):
        yield "a name has letters, digits, `_` and `-`, at most 64."
    if names.count(server.name) > 1:
        yield "this name is taken. Give the server another one."
    ways = [way for way in WAYS if getattr(server, way)]
    if len(ways) != 1:
        yield f"expected exactly one of {', '.join(f'`{way}`' for way in WAYS)}."
    for way, more in WAYS.items():
        if getattr(server, more) and way not in ways:
            yield f"`{more}` belongs to `{way}`. Leave it out."
    if server.url and not server.url.startswith(("http://", "https://")):
        yield "`url` begins with https:// or http://."
    if server.prefix and not NAME.fullmatch(server.prefix):
        yield "a `prefix` has letters, digits, `_` and `-`."


def check_limits(limits: Limits, path: Path) -> None:
    """Raises ConfigError."""
    for name in limits.__struct_fields__:
        if getattr(limits, name) <= 0:
            raise ConfigError(f"{path}: limits: `{name}` is above 0.")
