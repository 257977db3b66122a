"""What `novai batch` needs of the API, as a small server: batches make a step whenever they are asked for."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

STEPS = ("validating", "in_progress", "finalizing", "completed")


@dataclass
class Api:
    """`trouble`: what the next answers are instead of their own, a status, `cut`, `garbled` or `page`; None: those."""

    url: str = ""
    end: str = "completed"
    failing: frozenset[str] = frozenset()  # custom_ids
    packs: bool = False  # a proxy before it compresses what it may
    retry_after: str = "0"  # what trouble asks to wait
    trouble: list[int | str | None] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)  # by Idempotency-Key
    asked: list[str] = field(default_factory=list)

    def upload(self, body: bytes) -> dict[str, Any]:
        content = re.findall(rb'name="file"; filename="[^"]+"\r\n(?:[^\r]+\r\n)*\r\n(.*)\r\n--', body, re.DOTALL)[0]
        return self.add(content)

    def add(self, content: bytes) -> dict[str, Any]:
        file_id = f"file-{len(self.files)}"
        self.files[file_id] = content
        return {"id": file_id}

    def create(self, body: bytes) -> dict[str, Any]:
        asked = json.loads(body)
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        assert {line["url"] for line in lines} == {asked["endpoint"]}
        batch_id = f"batch_{len(self.batches)}"
        counts = {"total": len(lines), "completed": 0, "failed": 0}
        self.batches[batch_id] = {"id": batch_id, "status": STEPS[0], "request_counts": counts, "lines": lines}
        return self.batches[batch_id]

    def step(self, batch: dict[str, Any]) -> dict[str, Any]:
        step = STEPS.index(batch["status"]) + 1 if batch["status"] in STEPS[:-1] else None
        if step is None:
            return batch
        batch["status"] = STEPS[step] if step < len(STEPS) - 1 else self.end
        if batch["status"] == "failed":
            batch["errors"] = {"data": [{"code": "x", "message": "It is wrong.", "line": 2}]}
        elif batch["status"] == self.end:
            ids = [line["custom_id"] for line in batch["lines"]]
            for name, wanted in (("output", set(ids) - self.failing), ("error", set(ids) & self.failing)):
                content = b"".join(json.dumps({"custom_id": each}).encode() + b"\n" for each in ids if each in wanted)
                batch[f"{name}_file_id"] = self.add(content)["id"] if content else None
            failed = len(self.failing & set(ids))
            batch["request_counts"] |= {"completed": len(ids) - failed, "failed": failed}
        return batch


@contextlib.contextmanager
def serving(api: Api) -> Iterator[Api]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: object) -> None:
            pass

        def say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            if status != 200:
                self.send_header("retry-after", api.retry_after)
            elif api.packs and "gzip" in self.headers["accept-encoding"]:
                body = gzip.compress(body)
                self.send_header("content-encoding", "gzip")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def troubled(self) -> bool:
            api.asked.append(f"{self.command} {self.path}")
            assert self.headers["authorization"] == "Bearer sk-test"
            trouble = api.trouble.pop(0) if api.trouble else None
            if trouble is None:
                return False
            if trouble in ("cut", "garbled"):
                self.send_response(200)
                if trouble == "garbled":
                    self.send_header("content-encoding", "gzip")
                self.send_header("content-length", "1000")
                self.end_headers()
                self.wfile.write(b"only this")
                self.close_connection = True
            elif trouble == "page":
                self.say(200, b"<html>Welcome</html>")
            else:
                error = {"error": {"message": f"No: {trouble}.", "type": "t", "param": None, "code": None}}
                self.say(int(trouble), json.dumps(error).encode())
            return True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            key = self.headers["idempotency-key"]
            make = {"/v1/files": api.upload, "/v1/batches": api.create}[self.path]
            known = key in api.answers
            if not known:
                api.answers[key] = make(body)
            if not self.troubled():  # it has happened all the same: a retry finds it
                self.say(200, json.dumps(api.answers[key]).encode())

        def do_GET(self) -> None:
            if self.troubled():
                return
            kind, name = self.path.split("/")[2:4]
            if kind == "files":
                self.say(200, api.files[name])
            elif name in api.batches:
                self.say(200, json.dumps(api.step(api.batches[name])).encode())
            else:
                self.say(404, json.dumps({"error": {"message": "No such batch."}}).encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
