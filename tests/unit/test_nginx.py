"""deploy/nginx.conf with a real nginx, where one is installed: its limits hold, and tokens pass as they are made."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from internal import child
from internal.dev.processes import free_port

CONF = Path(__file__).parents[2] / "deploy/nginx.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

# The times of the file, shortened for the test.
SHORTER = {
    "client_header_timeout       10s": "client_header_timeout 1s",
    "client_body_timeout         15s": "client_body_timeout 1s",
    "proxy_read_timeout    600s": "proxy_read_timeout 1s",
}


@dataclass
class Edge:
    """An api that does what the path says, and an nginx before it."""

    url: str
    folder: Path
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    seen: list[bytes] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.seen.append(head)
            length = re.search(rb"(?i)content-length: (\d+)", head)
            await reader.readexactly(int(length.group(1)) if length else 0)
            if b"/silent" in head:
                await self.go_on.wait()
            elif b"/stream" in head:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
                await writer.drain()
                await self.go_on.wait()
                writer.write(b"data: 2\n\n")
            else:
                writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def edge(*, with_api: bool = True) -> AsyncIterator[Edge]:
    port, api_port = free_port(), free_port()
    text = CONF.read_text()
    shorter = {"api:8000": f"127.0.0.1:{api_port}", "listen 8080": f"listen 127.0.0.1:{port}", **SHORTER}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for old, new in (shorter | {"/tmp/": f"{folder}/", "/dev/stdout": f"{folder}/access"}).items():
            assert old in text, f"{old!r} is not in the file any more"
            text = text.replace(old, new)
        conf = Path(folder) / "nginx.conf"
        conf.write_text(text)
        assert NGINX is not None
        argv = [NGINX, "-e", "stderr", "-p", folder, "-c", str(conf), "-g", "daemon off;"]
        running = Edge(f"http://127.0.0.1:{port}", Path(folder))
        async with contextlib.AsyncExitStack() as stack:
            if with_api:
                api = await stack.enter_async_context(
                    await asyncio.start_server(running.answer, "127.0.0.1", api_port, limit=1 << 20)
                )
                assert api.is_serving()
            process = await asyncio.create_subprocess_exec(*child.command(argv), stderr=subprocess.DEVNULL)
            try:
                await listening(port)
                yield running
            finally:
                running.go_on.set()
                process.terminate()
                await process.wait()


async def listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)


async def test_tokens_are_not_held_back() -> None:
    async with edge() as running, httpx.AsyncClient() as client:
        async with client.stream("POST", f"{running.url}/stream", content=b"{}") as response:
            parts = response.aiter_raw()
            assert await anext(parts) == b"data: 1\n\n"
            assert not running.go_on.is_set(), "the second event does not exist yet"
            running.go_on.set()
            assert b"".join([part async for part in parts]) == b"data: 2\n\n"
        spoofed = {"X-Forwarded-For": "203.0.113.9", "x-request-id": "mine"}
        assert (await client.get(f"{running.url}/v1", headers=spoofed)).status_code == 401, "the api's own answer"
        assert b"203.0.113.9" not in running.seen[-1]
        assert b"x-request-id: mine" in running.seen[-1].lower()


async def test_what_is_too_large_or_hidden_is_refused_in_the_shape_of_the_api() -> None:
    async with edge() as running, httpx.AsyncClient(base_url=running.url) as client:
        answers = {
            "request_too_large": await client.post("/v1", content=b"x" * ((8 << 20) + 1)),
            "headers": await client.get("/v1", headers={"x-large": "x" * 9000}),
            "many headers": await client.get("/v1", headers={f"x-{n}": "x" * 4000 for n in range(12)}),
            "address": await client.get("/v1?" + "x" * 9000),
            "metrics": await client.get("/metrics"),
            "upstream_timeout": await client.get("/silent"),
        }
        assert [answer.status_code for answer in answers.values()] == [413, 400, 400, 414, 404, 504]
        for name, answer in answers.items():
            error = answer.json()["error"]
            assert set(error) == {"message", "type", "param", "code"}, name
            assert error["code"] in (name, None)
        assert (await client.post("/v1", content=b"x" * (8 << 20))).status_code == 401
        assert len(running.seen) == 2, "nothing that was refused reached the api"


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense",
        b"GET /%00 HTTP/1.1\r\nHost: x",
        b"GET /../.. HTTP/1.1\r\nHost: x",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x",
        b"TRACE / HTTP/1.1\r\nHost: x",
        b"GET / HTTP/3.1\r\nHost: x",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y",
    ],
)
async def test_what_is_no_request_is_the_clients_fault_in_the_shape_of_the_api(head: bytes) -> None:
    async with edge() as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(running.url.rpartition(":")[2]))
        writer.write(head + b"\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(30):
            said, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        assert said.startswith(b"HTTP/1.1 400 ")
        assert json.loads(body)["error"]["type"] == "invalid_request_error"
        assert running.seen == []


async def test_a_disk_that_takes_no_bodies_is_told_in_the_shape_of_the_api() -> None:
    async with edge() as running, httpx.AsyncClient() as client:
        shutil.rmtree(running.folder / "client_body")  # where bodies are kept that do not fit in memory
        answer = await client.post(f"{running.url}/v1", content=b"x" * (1 << 20))
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")


async def test_without_an_api_clients_are_told_to_retry() -> None:
    async with edge(with_api=False) as running, httpx.AsyncClient() as client:
        answer = await client.get(f"{running.url}/v1/models")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["error"]["code"] == "server_is_overloaded"


@pytest.mark.parametrize(
    "start", [b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"]
)
async def test_slow_clients_are_let_go_before_the_api_hears_of_them(start: bytes) -> None:
    async with edge() as running:
        port = int(running.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, family=socket.AF_INET)
        writer.write(start)
        async with asyncio.timeout(30):
            with contextlib.suppress(ConnectionResetError):
                said = await reader.read()
                assert said == b"" or b" 408 " in said
        writer.close()
        assert running.seen == []
