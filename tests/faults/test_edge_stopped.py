"""The edge is stopped: what runs for longer than it waits is cut, and nobody pays; what it had to say is written."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys

import httpx
import pytest

from api.ledger.reconcile import verify
from api.storage.session import open_pool
from internal.dev.processes import free_port
from tests.edge import PEPPER, Edge, open_edge
from tests.workers import MODEL

pytestmark = pytest.mark.timeout(60)
CHAT = "/v1/chat/completions"


async def test_nobody_pays_for_what_a_shutdown_cut(fresh_database: str, redis_url: str) -> None:
    heard = {"begun": asyncio.Event()}

    async def ask(edge: Edge, stream: bool, key: str) -> tuple[int, str]:
        """The status, and the last line."""
        headers = {"authorization": f"Bearer {edge.key}"} | ({"idempotency-key": key} if key else {})
        body = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}], "stream": stream}
        async with (
            httpx.AsyncClient(base_url=edge.url, headers=headers, timeout=30) as client,
            client.stream("POST", CHAT, json=body) as response,
        ):
            last = ""
            async for line in response.aiter_lines():
                last = line or last
                if "tok" in line:
                    heard["begun"].set()
            return response.status_code, last

    options = {"step_ms": 5.0, "tokens": 100_000}
    async with open_edge(fresh_database, redis_url, worker_options=options) as edge:
        asked = ((True, ""), (True, "k"), (False, ""))
        answers = [asyncio.create_task(ask(edge, stream, key)) for stream, key in asked]
        await asyncio.wait_for(heard["begun"].wait(), 30)
        while edge.workers[0].service.running < len(answers):
            await asyncio.sleep(0.01)
    said = [(status, json.loads(line.removeprefix("data: "))) for status, line in await asyncio.gather(*answers)]
    assert [status for status, _ in said] == [200, 200, 503]
    assert {body["error"]["code"] for _, body in said} == {"server_is_overloaded"}
    database = await open_pool(fresh_database)
    rows = await database.fetch("SELECT outcome, cost_nusd, status FROM usage ORDER BY status")
    assert [tuple(row) for row in rows] == [("upstream_broke", 0, 200)] * 2 + [("upstream_broke", 0, 503)]
    assert not await database.fetch("SELECT FROM idempotency")  # the same key may be tried again
    assert [finding for finding in await verify(database) if finding.offences] == []
    await database.aclose()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_log_is_whole_when_a_stopped_process_ends(fresh_database: str, redis_url: str, number: int) -> None:
    port = str(free_port())
    env = {"DATABASE_URL": fresh_database, "REDIS_URL": redis_url, "KEY_PEPPER": PEPPER, "API_PORT": port}
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen([sys.executable, "-m", "api.main"], env=os.environ | env, stdout=subprocess.PIPE)
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        while "Uvicorn running" not in json.loads(process.stdout.readline())["message"]:
            pass
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        process.send_signal(number)
        said = [json.loads(line) for line in process.stdout]
        assert process.wait() == 0
    assert [line["path"] for line in said if line["logger"] == "novai.access"] == ["/healthz"]
    assert "Finished server process" in said[-1]["message"]
