"""The words of the edge: who calls, what a request is called, and what it used. No imports from the rest of `api`."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

_ID_BYTES = 18
_random = bytearray()  # not given out yet; one system call is enough for many ids


def new_request_id() -> str:
    """`req_` and 24 URL-safe characters: 144 random bits."""
    if not _random:
        _random.extend(os.urandom(256 * _ID_BYTES))
    raw = bytes(_random[-_ID_BYTES:])
    del _random[-_ID_BYTES:]
    return "req_" + base64.urlsafe_b64encode(raw).decode()


LimitName = Literal[
    "requests_per_minute", "tokens_per_minute", "requests_per_day", "tokens_per_day", "concurrent_requests"
]


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `burst + amount × t / window` in any time t; for concurrent requests, at most `amount` at once."""

    name: LimitName
    amount: int
    burst: int | None = None  # None: as `limits/dimensions.py` has it


@dataclass(frozen=True, slots=True)
class Limits:
    """What the tier, the project and the key say together. Empty: without limits."""

    key: tuple[Limit, ...] = ()
    project: tuple[Limit, ...] = ()
    # By model, each within the project; `*` is every model that is not named.
    models: tuple[tuple[str, tuple[Limit, ...]], ...] = ()

    def of_model(self, model: str) -> tuple[Limit, ...]:
        by_name = dict(self.models)
        return by_name.get(model, by_name.get("*", ()))


UNLIMITED = Limits()


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever an API key stands for. Organisation ⊃ project ⊃ key."""

    organisation_id: str
    project_id: str
    key_id: str
    scopes: frozenset[str]
    models: frozenset[str] | None = None  # None: every model
    limits: Limits = UNLIMITED
    first_key_id: str = ""  # of the keys that were rotated into this one; empty: there were none

    @property
    def line_id(self) -> str:
        """What the budgets and rate limits of the key are kept under: a key and its successors share them."""
        return self.first_key_id or self.key_id

    def may_use(self, model: str) -> bool:
        return self.models is None or model in self.models


@dataclass(slots=True)
class TokenUsage:
    """Tokens of one request. Cached tokens are part of the prompt, reasoning tokens of the completion."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: TokenUsage) -> TokenUsage:
        return TokenUsage(
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


@dataclass(frozen=True, slots=True)
class WantedTool:
    """A tool of this server that a request names, and where."""

    name: str
    param: str
    server: str = ""  # that has to run it; empty: whichever has it


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool that this server runs."""

    index: int  # among those of its answer
    id: str
    server: str  # that runs it, as tools.yaml calls it
    name: str
    arguments: str  # JSON text, as the model wrote it


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the model reads: a result, or why there is none."""

    output: str
    failed: bool


@dataclass(frozen=True, slots=True)
class ToolRun:
    """A tool begins to run; with a result, it is over."""

    call: ToolCall
    result: ToolResult | None = None


Provenance = Literal["engine", "provider", "estimated"]  # who counted the tokens
Outcome = Literal["finished", "client_left", "upstream_broke", "refused"]


BatchEndpoint = Literal["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"]
BatchStatus = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]
# What a batch may be next. One that is nothing next is over.
NEXT: Mapping[BatchStatus, tuple[BatchStatus, ...]] = {
    "validating": ("in_progress", "failed", "cancelling"),
    "in_progress": ("finalizing", "cancelling"),
    "finalizing": ("completed", "expired"),  # nothing runs any more: it ends as its files say
    "cancelling": ("cancelled",),
    "completed": (),
    "failed": (),
    "expired": (),
    "cancelled": (),
}
OVER = tuple(status for status, following in NEXT.items() if not following)


def before(status: BatchStatus) -> tuple[BatchStatus, ...]:
    """What a batch may be that becomes this next."""
    return tuple(earlier for earlier, following in NEXT.items() if status in following)


@dataclass(frozen=True, slots=True)
class LineAnswer:
    """The answer to a line of a batch, kept in the commit that charges for it."""

    shard_id: int
    line: int  # its number in the file
    failed: bool  # it belongs into the error file
    body: bytes  # JSON, as a line of that file


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """One row of `usage`: what a request used and how it ended. Written for every admitted request, once."""

    request_id: str
    principal: Principal
    operation: str  # the operationId of the spec
    model: str
    replica: str  # `upstream@address` where an upstream answered
    outcome: Outcome
    finish_reason: str
    provenance: Provenance
    tokens: TokenUsage
    status: int  # what the client was told; 499 when it left before it was told anything
    streamed: bool
    started_at_s: float  # unix seconds, by PostgreSQL's clock
    ttft_ms: float | None
    duration_ms: float
