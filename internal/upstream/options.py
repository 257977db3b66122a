"""How an upstream is described in `options` of a row of models.yaml."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from internal.config import ConfigError, http_address
from internal.upstream.secrets import Secret, is_reference, read_secret

Seconds = Annotated[float, msgspec.Meta(gt=0, le=600)]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
MOST_TOKENS = 1 << 31  # that anybody counts in one answer
SECRET_HEADERS = {"authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization"}


class UpstreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One upstream: where it is, what it is asked for, and who asks."""

    base_url: str  # as its SDK takes it: https://api.openai.com/v1, https://api.anthropic.com
    model: str  # the upstream's own name of the model
    name: str = ""  # what callers and bills are told of it; empty: the host of its URL
    keys: tuple[str, ...] = ()  # references, `env:NAME` or `file:PATH`; they take turns. None: it wants no key
    headers: dict[str, str] = {}  # sent with every request; a value may be a reference, and a secret has to be one
    max_tokens: int = 0  # of output, where the caller says nothing and the upstream wants a number; 0: the form's own
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    extensions: bool = False  # it takes vLLM's and NovAI's additions to OpenAI's API (top_k, reasoning_content, …)
    # That its model takes. Clients of Responses and Messages name one in every request: it is told the nearest, or none
    # where none is listed here. What chat completions ask for it is told as it is.
    efforts: tuple[Effort, ...] = ()
    connect_timeout_s: Seconds = 5.0
    first_token_timeout_s: Seconds = 40.0  # of one attempt
    idle_timeout_s: Seconds = 12.0  # between two pieces of an answer


class FallbackOptions(UpstreamOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An upstream that is asked when those before it cannot answer."""

    backend: str  # its form, as the row's own


def name_of(options: UpstreamOptions) -> str:
    return options.name or urlsplit(options.base_url).hostname or ""


def check(options: UpstreamOptions) -> None:
    """Raises ConfigError for what cannot work."""
    url = http_address(options.base_url)
    if url is None or url.query or url.fragment:
        raise ConfigError(f"base_url {shown(options.base_url)!r}: expected http(s)://host[:port][/path]")
    if url.username or url.password:
        raise ConfigError("base_url has a password in it: use `keys` or `headers`")
    if not (name_of(options).isascii() and name_of(options).isprintable()):
        raise ConfigError(f"upstream name {options.name!r}: it is told in a header and has to be ASCII")


def shown(url: str) -> str:
    """A URL without what may be secret in it."""
    return url.rpartition("@")[2].partition("?")[0]


def header_lines(options: UpstreamOptions) -> bytes:
    """The extra headers as they go over the wire. Raises ConfigError."""
    lines = []
    for name, text in options.headers.items():
        if name.lower() in SECRET_HEADERS and not is_reference(text):
            raise ConfigError(f"header {name!r}: a secret is named in models.yaml, not written (`env:NAME`)")
        value = read_secret(text).reveal() if is_reference(text) else text
        lines.append(line(name, value))
    return b"".join(lines)


def bearer(key: Secret | None) -> bytes:
    """The header that says who asks, as OpenAI's form has it."""
    return line("authorization", f"Bearer {key.reveal()}") if key is not None else b""


def line(name: str, value: str) -> bytes:
    """One header. Raises ConfigError for what would be two."""
    if not name or not (name + value).isascii() or not (name + value).isprintable() or set(name) & set(": "):
        raise ConfigError(f"header {name!r}: names and values are one line of ASCII")
    return f"{name.lower()}: {value}\r\n".encode("ascii")
