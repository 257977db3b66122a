"""Every error of the tree in the form of Anthropic's clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api import errors
from api.answers.errors import TYPES, shown, speaks_messages
from api.errors import ApiError


def tree(kind: type[ApiError] = ApiError) -> Iterator[type[ApiError]]:
    yield kind
    for sub in kind.__subclasses__():
        yield from tree(sub)


def made(kind: type[ApiError]) -> ApiError:
    told = {"unit": "tokens", "reason": "key:tpm:full"} if issubclass(kind, errors.RateLimitError) else {}
    return kind("m", **told)


@pytest.mark.parametrize("kind", list(tree()), ids=lambda kind: kind.__name__)
def test_every_error_has_a_type(kind: type[ApiError]) -> None:
    status, body = shown(made(kind), "/v1/messages", "req_1")
    assert body["type"] == "error"
    assert body["request_id"] == "req_1"
    assert body["error"]["type"] == TYPES[status]
    assert body["error"]["message"] == "m"


@pytest.mark.parametrize(
    ("kind", "status", "name"),
    [
        (errors.OverloadedError, 529, "overloaded_error"),
        (errors.LedgerUnavailableError, 529, "overloaded_error"),
        (errors.InsufficientQuotaError, 402, "billing_error"),
        (errors.RateLimitError, 429, "rate_limit_error"),
        (errors.UpstreamError, 502, "api_error"),
    ],
)
def test_where_the_forms_differ(kind: type[ApiError], status: int, name: str) -> None:
    error = made(kind)
    found, body = shown(error, "/v1/messages/count_tokens", "")
    assert (found, body["error"]["type"]) == (status, name)
    assert shown(error, "/v1/chat/completions", "") == (error.status, error.body())


def test_which_paths_speak_it() -> None:
    assert all(map(speaks_messages, ("/v1/messages", "/v1/messages/", "/v1/messages/count_tokens", "/v1/messages/x/y")))
    assert not any(map(speaks_messages, ("/v1/message", "/v1/messages2", "/messages", "/v1/chat/completions", "/")))
