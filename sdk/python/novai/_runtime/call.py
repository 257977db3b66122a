"""One call of an operation, before it is a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from .omit import Omit, omit

if TYPE_CHECKING:
    import httpx

    Timeout = float | httpx.Timeout | None

Headers = Mapping[str, "str | Omit"]
Query = Mapping[str, object]


class RequestOptions(TypedDict, total=False):
    """What every call takes besides its own parameters."""

    extra_headers: Headers | None
    extra_query: Query | None
    extra_body: Mapping[str, object] | None
    timeout: Timeout | Omit
    max_retries: int
    idempotency_key: str | None


@dataclass
class Call:
    """`body` is sent as JSON, or with `form` as multipart. `timeout` in seconds, None for none."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: object = omit
    form: bool = False
    extra_headers: Headers | None = None
    extra_query: Query | None = None
    extra_body: Mapping[str, object] | None = None
    timeout: Timeout | Omit = omit
    max_retries: int | Omit = omit
    idempotency_key: str | None = None
    accept: str = "application/json"
    events: bool = False  # the answer is a stream of events
