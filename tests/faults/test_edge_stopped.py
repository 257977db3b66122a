"""The edge is stopped: what runs for longer than it waits is cut, and nobody pays; what it had to say is written."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

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


def test_readiness_says_no_before_anybody_is_turned_away(fresh_database: str, redis_url: str) -> None:
    """SIGTERM: balancers find out in time, and keep no connection that is closed under a request."""
    with api(fresh_database, redis_url, LAME_DUCK_S="600") as (url, process), httpx.Client(base_url=url) as client:
        assert client.get("/readyz").json()["checks"]["process"] == "ok"
        process.send_signal(signal.SIGTERM)
        while (answer := client.get("/readyz")).json()["checks"]["process"] == "ok":
            pass
        assert (answer.status_code, answer.headers["connection"]) == (503, "close")
        answer = client.get("/healthz")  # over a connection of its own
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        process.send_signal(signal.SIGINT)  # who does not want to wait
        assert process.wait() == 0
        with pytest.raises(httpx.ConnectError):
            client.get("/healthz")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_log_is_whole_when_a_stopped_process_ends(fresh_database: str, redis_url: str, number: int) -> None:
    with api(fresh_database, redis_url, LAME_DUCK_S="0") as (url, process):
        assert httpx.get(f"{url}/healthz").status_code == 200
        process.send_signal(number)
        assert process.stdout is not None
        said = [json.loads(line) for line in process.stdout]
        assert process.wait() == 0
    assert [line["path"] for line in said if line["logger"] == "novai.access"] == ["/healthz"]
    assert "Finished server process" in said[-1]["message"]


@contextlib.contextmanager
def api(database_url: str, redis_url: str, **settings: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A process of its own that listens, and writes its log to `stdout`."""
    port = str(free_port())
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "KEY_PEPPER": PEPPER, "API_PORT": port} | settings
    with subprocess.Popen([sys.executable, "-m", "api.main"], env=os.environ | env, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            while "Uvicorn running" not in json.loads(process.stdout.readline())["message"]:
                pass
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.kill()
