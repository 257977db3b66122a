from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from api import metrics
from api.domain import TokenUsage, UsageRecord
from api.ledger.usage import UsageRecorder
from api.storage.session import Database, open_pool
from tests.unit.api.tcp_proxy import proxied

Make = Callable[..., UsageRecord]


async def written(store: Database) -> dict[str, dict[str, object]]:
    return {row["request_id"]: dict(row) for row in await store.fetch("SELECT * FROM usage")}


async def test_a_record_is_written_whole(store: Database, usage_record: Make) -> None:
    record = usage_record(ttft_ms=None, started_at_s=1_700_000_000.25)
    async with contextlib.aclosing(UsageRecorder(store)) as recorder:
        await recorder.record(record)
        row = (await written(store))[record.request_id]
    started_at = row.pop("started_at")
    assert started_at.timestamp() == record.started_at_s  # type: ignore[attr-defined]
    assert row == {
        "request_id": record.request_id,
        "organisation_id": "org_1",
        "project_id": "proj_1",
        "key_id": "key_1",
        "operation": "createChatCompletion",
        "model": "tiny",
        "replica": "127.0.0.1:5",
        "outcome": "finished",
        "finish_reason": "stop",
        "provenance": "engine",
        "prompt_tokens": 10,
        "cached_tokens": 4,
        "completion_tokens": 7,
        "reasoning_tokens": 2,
        "status": 200,
        "streamed": True,
        "ttft_ms": None,
        "duration_ms": 99.25,
    }


async def test_many_at_once_and_twice_the_same(store: Database, usage_record: Make) -> None:
    records = [usage_record() for _ in range(700)]
    lost = metrics.USAGE_LOST._value.get()
    async with contextlib.aclosing(UsageRecorder(store)) as recorder:
        await asyncio.gather(*map(recorder.record, [*records, *records]))
        await recorder.record(replace(records[0], model="another"))
    rows = await written(store)
    assert rows.keys() == {record.request_id for record in records}
    assert rows[records[0].request_id]["model"] == "tiny"
    assert metrics.USAGE_LOST._value.get() == lost


async def test_a_record_that_cannot_be_written_is_in_the_log_and_sinks_no_other(
    store: Database, usage_record: Make, caplog: pytest.LogCaptureFixture
) -> None:
    good = [usage_record() for _ in range(5)]
    impossible = usage_record(tokens=TokenUsage(prompt_tokens=1, cached_tokens=2))
    nul = usage_record(model="a\0b")
    lost = metrics.USAGE_LOST._value.get()
    async with contextlib.aclosing(UsageRecorder(store)) as recorder:
        with caplog.at_level(logging.WARNING, "api.ledger"):
            await asyncio.gather(*map(recorder.record, [*good[:2], impossible, nul, *good[2:]]))
    assert (await written(store)).keys() == {record.request_id for record in good}
    assert metrics.USAGE_LOST._value.get() == lost + 2
    for record in (impossible, nul):
        assert f'"request_id":"{record.request_id}"' in caplog.text


@pytest.mark.parametrize("how", ["cut", "silence"])
async def test_an_outage_delays_usage_and_holds_no_answer(
    how: str, migrated_url: str, store: Database, usage_record: Make
) -> None:
    records = [usage_record() for _ in range(300)]
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_pool(url, 4, 2.5)) as database:
        async with contextlib.aclosing(UsageRecorder(database)) as recorder:
            await recorder.record(records[0])
            if how == "cut":
                await proxy.cut()
            else:
                proxy.silence()
            started = time.monotonic()
            await asyncio.gather(*map(recorder.record, records[1:]))
            assert time.monotonic() - started < 1.6
            async with asyncio.timeout(10):
                while recorder.unwritten < len(records) - 1:
                    await asyncio.sleep(0.02)
            assert metrics.USAGE_WAITING._value.get() == recorder.unwritten
            await proxy.restore()
            async with asyncio.timeout(10):
                while recorder.unwritten:
                    await asyncio.sleep(0.02)
            assert metrics.USAGE_WAITING._value.get() == 0
    assert (await written(store)).keys() == {record.request_id for record in records}


async def test_what_is_kept_is_bounded_and_told(
    migrated_url: str, store: Database, usage_record: Make, caplog: pytest.LogCaptureFixture
) -> None:
    records = [usage_record() for _ in range(12)]
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_pool(url, 2, 0.5)) as database:
        await proxy.cut()
        recorder = UsageRecorder(database, max_unwritten=10)
        with caplog.at_level(logging.ERROR, "api.ledger"):
            await asyncio.gather(*map(recorder.record, records))
            await asyncio.sleep(0)
            assert recorder.unwritten == 10
            await recorder.aclose(patience_s=0.1)
    # Nothing disappears without a trace: two found no room, ten were left when the process ended.
    assert all(record.request_id in caplog.text for record in records)
    assert await written(store) == {}


async def test_a_caller_who_leaves_leaves_the_record(store: Database, usage_record: Make) -> None:
    record = usage_record()
    async with contextlib.aclosing(UsageRecorder(store)) as recorder:
        recording = asyncio.create_task(recorder.record(record))
        await asyncio.sleep(0)
        recording.cancel()
        await asyncio.gather(recording, return_exceptions=True)
    assert record.request_id in await written(store)
