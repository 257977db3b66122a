"""A server of files that answers ranges, and cuts connections where a test says. Also the listing of a repository."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Files:
    """What it does wrong is said for one file after the other, in the order they are asked for; then it does well."""

    bodies: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int | None] = field(default_factory=list)  # the connection breaks after so many bytes
    statuses: list[int] = field(default_factory=list)  # answered instead
    moved: dict[str, str] = field(default_factory=dict)
    replacement: bytes = b""  # of every body, once a connection broke
    etag: str = '"one"'
    says_length: bool = True
    packed: bool = False  # says that bodies are
    gate: asyncio.Event | None = None  # all bodies but the first wait for it
    url: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # paths and headers

    def ranges(self, path: str) -> list[str]:
        """What was asked for of a file, connection by connection; empty: all of it."""
        return [headers.get("range", "") for asked, headers in self.asked if asked == path]

    def repository(self, name: str, files: dict[str, bytes], said: dict[str, str] | None = None) -> None:
        """`said`: hashes that are not the files' own."""
        rows = []
        for path, body in files.items():
            self.bodies[f"/{name}/resolve/main/{path}"] = body
            oid = (said or {}).get(path) or hashlib.sha256(body).hexdigest()
            rows.append({"type": "file", "path": path, "size": len(body), "lfs": {"oid": oid}})
        rows.append({"type": "directory", "path": "folder"})
        self.bodies[f"/api/models/{name}/tree/main"] = json.dumps(rows).encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            path = first.split()[1].partition("?")[0]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            self.asked.append((path, headers))
            await self._answer(path, headers, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        body = self.bodies.get(path)
        refusal = 404 if body is None else self.statuses.pop(0) if self.statuses else 200
        if path in self.moved or body is None or refusal != 200:
            status = f"302 X\r\nlocation: {self.moved[path]}" if path in self.moved else f"{refusal} X"
            writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode())
            return
        start, status = 0, "200 OK"
        if headers.get("range", "").startswith("bytes=") and headers.get("if-range") == self.etag:
            start, status = int(headers["range"][6:-1]), "206 Partial Content"
            if start >= len(body):
                writer.write(b"HTTP/1.1 416 X\r\ncontent-length: 0\r\n\r\n")
                return
        head = [f"HTTP/1.1 {status}", f"etag: {self.etag}", "connection: close"]
        head += [f"content-length: {len(body) - start}"] if self.says_length else []
        head += ["content-encoding: gzip"] if self.packed else []
        head += [f"content-range: bytes {start}-{len(body) - 1}/{len(body)}"] if start else []
        writer.write(("\r\n".join(head) + "\r\n\r\n").encode())
        if self.gate is not None and len(self.asked) > 1:
            await self.gate.wait()
        cut = self.cuts.pop(0) if self.cuts else None
        writer.write(body[start:][:cut])
        await writer.drain()
        if cut is not None and self.replacement:
            self.etag, self.bodies[path] = '"two"', self.replacement


@asynccontextmanager
async def serving(files: Files) -> AsyncIterator[Files]:
    server = await asyncio.start_server(files.serve, "127.0.0.1", 0)
    files.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield files
    finally:
        server.close()
