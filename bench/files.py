"""What a large upload costs: a batch's input of 200 MB, in and out again, and how far the api's memory grows meanwhile.

    python -m bench.files [--mb 200] [--at-once 1]

Lines of 4 kB, looked at while they arrive; the client sends from a generator and drops what it gets. Prints one line of
JSON.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from bench.stack import Stack, running

MODELS = Path(__file__).parent / "models.scripted.yaml"
API = "api.main"
BOUNDARY = "cut-here"
MESSAGES = [{"role": "user", "content": "x" * 3880}]
LINES_AT_ONCE = 16


def line(number: int) -> bytes:
    body = {"model": "scripted", "messages": MESSAGES}
    request = {"custom_id": f"{number:08}", "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(request).encode() + b"\n"


def form(size: int) -> Iterator[bytes]:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--{BOUNDARY}\r\n'
    yield (head + 'Content-Disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n').encode()
    block = b"".join(map(line, range(LINES_AT_ONCE)))
    for _ in range(size // len(block)):
        yield block
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


class Memory:
    """The most that the api's processes have had while the block ran, in MB."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.before = self.most = stack.rss_mb(API)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.most = max(self.most, self._stack.rss_mb(API))


def upload(http: httpx.Client, size: int) -> str:
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    answer = http.post("/files", content=form(size), headers=headers)
    answer.raise_for_status()
    return str(answer.json()["id"])


def download(http: httpx.Client, file_id: str) -> int:
    with http.stream("GET", f"/files/{file_id}/content") as answer:
        answer.raise_for_status()
        return sum(map(len, answer.iter_raw()))


def measure(stack: Stack, size: int, at_once: int) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {stack.key}"}
    with httpx.Client(base_url=stack.url, headers=headers, timeout=600) as http, ThreadPoolExecutor(at_once) as threads:
        http.delete(f"/files/{upload(http, 1 << 20)}")  # what is loaded with the first one is loaded
        with Memory(stack) as memory:
            began_s = time.monotonic()
            files = list(threads.map(lambda _: upload(http, size), range(at_once)))
            uploaded_s = time.monotonic()
            received = sum(threads.map(lambda file: download(http, file), files))
            downloaded_s = time.monotonic()
    return {
        "bench": "files",
        "mb": round(size / 1e6),
        "at_once": at_once,
        "upload_mb_s": round(received / 1e6 / (uploaded_s - began_s), 1),
        "download_mb_s": round(received / 1e6 / (downloaded_s - uploaded_s), 1),
        "api_rss_before_mb": memory.before,
        "api_rss_growth_mb": round(memory.most - memory.before, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=1, help="uploads")
    options = parser.parse_args()
    with running(models=MODELS) as stack:
        print(json.dumps(measure(stack, options.mb * 1_000_000 - 100_000, options.at_once)))


if __name__ == "__main__":
    main()
