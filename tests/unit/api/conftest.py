"""Databases with our tables, and what tests put into them."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from api.admin import main
from api.domain import Principal, TokenUsage, UsageRecord
from api.storage import tenants
from api.storage.session import Database, open_pool
from api.storage.tenants import Project
from tests.conftest import database, execute

PEPPER = "a pepper"
Novai = Callable[..., Any]

# The ledger refuses to be emptied; a session that plays a replica fires no triggers.
EMPTY = """
SET session_replication_role = replica;
TRUNCATE usage, usage_rollups, holds, transfers, prices, budgets, budget_alerts, ledger_events, ledger_processes,
    audit_log, files, responses, response_items, batches, batch_shards, line_answers, api_keys, projects, organisations,
    jobs.procrastinate_jobs, jobs.procrastinate_events, jobs.procrastinate_periodic_defers, jobs.procrastinate_workers
"""


@pytest.fixture(scope="session")
def shared_url(postgres_url: str) -> Iterator[str]:
    """One migrated database for all tests: making and dropping one costs more than most tests."""
    with database(postgres_url) as url:
        yield url


@pytest.fixture
def migrated_url(shared_url: str) -> str:
    """URL of a migrated database with empty tables."""
    execute(shared_url, EMPTY)
    return shared_url


@pytest.fixture
async def store(migrated_url: str) -> AsyncIterator[Database]:
    async with contextlib.aclosing(await open_pool(migrated_url, 4, 5.0)) as opened:
        yield opened


@pytest.fixture
async def project(store: Database) -> Project:
    await tenants.add_organisation(store, "org_1", "acme")
    made = await tenants.add_project(store, "proj_1", "org_1", "web")
    assert made is not None
    return made


@pytest.fixture
def usage_record() -> Callable[..., UsageRecord]:
    """Makes records; each keyword replaces a field."""

    def make(**fields: object) -> UsageRecord:
        defaults: dict[str, object] = {
            "request_id": "req_" + secrets.token_urlsafe(18),
            "principal": Principal("org_1", "proj_1", "key_1", frozenset({"inference"})),
            "operation": "createChatCompletion",
            "model": "tiny",
            "replica": "127.0.0.1:5",
            "outcome": "finished",
            "finish_reason": "stop",
            "provenance": "engine",
            "tokens": TokenUsage(prompt_tokens=10, cached_tokens=4, completion_tokens=7, reasoning_tokens=2),
            "status": 200,
            "streamed": True,
            "started_at_s": time.time(),
            "ttft_ms": 12.5,
            "duration_ms": 99.25,
        }
        return UsageRecord(**(defaults | fields))  # type: ignore[arg-type]

    return make


@pytest.fixture
def novai(migrated_url: str, capsys: pytest.CaptureFixture[str]) -> Novai:
    """`novai …`: what it printed, parsed when it was asked for JSON. `fails=True`: the one line of its error."""

    def run(line: str, *, fails: bool = False, **env: str) -> Any:
        capsys.readouterr()
        status = main(line.split(), {"DATABASE_URL": migrated_url, "KEY_PEPPER": PEPPER} | env)
        said = capsys.readouterr()
        assert status == (1 if fails else 0), said
        if fails:
            assert said.err.startswith("error: ") and said.err.count("\n") == 1 and not said.out
            return said.err
        return json.loads(said.out) if "--json" in line else said.out

    return run
