"""What this process counts. Nothing here is touched per streamed chunk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cache
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.process_collector import ProcessCollector

from api.domain import UsageRecord

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

REQUESTS = Counter("novai_requests", "Answered requests", ["route", "method", "status"], registry=REGISTRY)
REQUESTS_IN_FLIGHT = Gauge("novai_requests_in_flight", "Requests being answered", registry=REGISTRY)
TTFT = Histogram(
    "novai_ttft_seconds",
    "Time to first token",
    ["model"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=REGISTRY,
)
TOKENS = Counter("novai_tokens", "Tokens of recorded requests", ["model", "kind"], registry=REGISTRY)
OUTCOMES = Counter("novai_outcomes", "How recorded requests ended", ["model", "outcome"], registry=REGISTRY)
USAGE_WAITING = Gauge("novai_usage_waiting", "Usage records that PostgreSQL has not taken yet", registry=REGISTRY)
USAGE_LOST = Counter("novai_usage_lost", "Usage records given up; each is in the log", registry=REGISTRY)
LEDGER_EVENTS = Counter(
    "novai_ledger_events", "Settlements that came late or cost more than held", ["kind"], registry=REGISTRY
)
LEDGER_SWEPT = Counter("novai_ledger_swept", "Holds closed for processes that died", ["how"], registry=REGISTRY)
LEDGER_DRIFT = Gauge(
    "novai_ledger_drift", "Rows that break an invariant of the ledger", ["invariant"], registry=REGISTRY
)
BUDGET_ALERTS = Counter(
    "novai_budget_alerts",
    "Thresholds (percent) of budgets and credits that were passed",
    ["kind", "threshold"],
    registry=REGISTRY,
)
RATE_LIMIT_REFUSALS = Counter(
    "novai_rate_limit_refusals", "Requests that did not fit a limit", ["scope", "limit", "why"], registry=REGISTRY
)
RATE_LIMIT_DEGRADED = Gauge("novai_rate_limit_degraded", "1 while Redis does not answer", registry=REGISTRY)
RATE_LIMIT_UNSHARED = Counter("novai_rate_limit_unshared", "Requests judged without Redis", registry=REGISTRY)
RATE_LIMIT_SETTLEMENTS_LOST = Counter(
    "novai_rate_limit_settlements_lost", "Settlements that Redis never took", registry=REGISTRY
)
RESPONSES_NOT_STORED = Counter(
    "novai_responses_not_stored", "Responses that PostgreSQL did not take in time", registry=REGISTRY
)
TOOL_CALLS = Counter("novai_tool_calls", "Calls of the server's tools", ["tool", "outcome"], registry=REGISTRY)
LOG_LINES_DROPPED = Counter("novai_log_lines_dropped", "Log lines that found no room", registry=REGISTRY)


def exposed(host: str, port: int) -> AbstractContextManager[None]:
    """Metrics on a port of their own, never on the one that callers reach, from now to the end of the block. Port 0:
    none. Raises OSError when it cannot be listened on."""
    if not port:
        return contextlib.nullcontext()
    try:
        server, thread = start_http_server(port, host, REGISTRY)
    except OSError as error:
        raise OSError(f"metrics cannot be offered on {host}:{port}: {error.strerror}") from None
    return _listening(server, thread)


@contextlib.contextmanager
def _listening(server: WSGIServer, thread: Thread) -> Iterator[None]:
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def count_request(route: str, method: str, status: int) -> None:
    """`route` is a template of the spec, so that callers cannot invent label values."""
    _request_counter(route, method if method in _METHODS else "other", status).inc()


def count_usage(record: UsageRecord) -> None:
    tokens = record.tokens
    for kind, number in (
        ("prompt", tokens.prompt_tokens),
        ("cached", tokens.cached_tokens),
        ("completion", tokens.completion_tokens),
        ("reasoning", tokens.reasoning_tokens),
    ):
        if number:
            _token_counter(record.model, kind).inc(number)
    _outcome_counter(record.model, record.outcome).inc()
    if record.ttft_ms is not None:
        _ttft(record.model).observe(record.ttft_ms / 1e3)


def count_refusal(reason: str) -> None:
    """`reason`: SCOPE:LIMIT:WHY."""
    _refusal_counter(reason).inc()


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


# `labels()` takes a lock and builds a tuple of strings each time; the label sets are few.
@cache
def _request_counter(route: str, method: str, status: int) -> Counter:
    return REQUESTS.labels(route, method, str(status))


@cache
def _refusal_counter(reason: str) -> Counter:
    return RATE_LIMIT_REFUSALS.labels(*reason.split(":"))


@cache
def _token_counter(model: str, kind: str) -> Counter:
    return TOKENS.labels(model, kind)


@cache
def _outcome_counter(model: str, outcome: str) -> Counter:
    return OUTCOMES.labels(model, outcome)


@cache
def _ttft(model: str) -> Histogram:
    return TTFT.labels(model)
