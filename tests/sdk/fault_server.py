"""An HTTP server that misbehaves as it is told: it drops, truncates, dawdles, and says whatever status and headers.

Each request takes the next answer of the list; the last one serves all that follow.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from tests.threads import on_a_thread


@dataclass
class Answer:
    """`pieces` are written one by one and flushed. `cut`: the connection closes where the body should go on."""

    status: int = 200
    body: object = None  # JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)  # instead of `body`, chunked
    pause_s: float = 0  # before each piece
    cut: bool = False
    dropped: bool = False  # nothing is answered at all
    never: bool = False  # nor is the connection closed


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    connection: int  # the client's port

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def events(*items: object, end: str = "[DONE]") -> list[bytes]:
    """The pieces of a stream, an event each."""
    texts = [json.dumps(item) for item in items] + ([end] if end else [])
    return [f"data: {text}\n\n".encode() for text in texts]


class FaultServer:
    def __init__(self) -> None:
        self.url = ""
        self.answers: list[Answer] = []
        self.requests: list[Request] = []
        self.left = threading.Event()  # a client has gone before it had everything

    def next_answer(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self.one(reader, writer):
                pass
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.rstrip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await self.body(reader, headers)
        self.requests.append(Request(method, path, headers, body, writer.get_extra_info("peername")[1]))
        answer = self.next_answer()
        if answer.never:
            await reader.read()
        if answer.dropped or answer.never:
            return False
        writer.write(self.head(answer))
        for piece in answer.pieces:
            await asyncio.sleep(answer.pause_s)
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            try:
                await writer.drain()
            except ConnectionError:
                self.left.set()
                raise
        if answer.pieces and not answer.cut:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return not answer.cut

    async def body(self, reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
        if "chunked" not in headers.get("transfer-encoding", ""):
            return await reader.readexactly(int(headers.get("content-length", 0)))
        pieces = []
        while size := int(await reader.readline(), 16):
            pieces.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return b"".join(pieces)

    def head(self, answer: Answer) -> bytes:
        body = b"" if answer.pieces else json.dumps(answer.body).encode()
        kind = "text/event-stream" if answer.pieces else "application/json"
        headers = {"content-type": kind} | dict(answer.headers)
        if answer.pieces:
            headers["transfer-encoding"] = "chunked"
        else:
            headers["content-length"] = str(len(body) + answer.cut)
        lines = [f"HTTP/1.1 {answer.status} Reason", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body


def fault_server() -> AbstractContextManager[FaultServer]:
    """On a thread of its own."""
    return on_a_thread(listening())


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[FaultServer]:
    faults = FaultServer()
    server = await asyncio.start_server(faults.serve, "127.0.0.1", 0)
    faults.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield faults
    finally:
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
