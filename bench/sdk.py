"""The Python SDK beside the official one: chunks per second of a long stream, memory over a gigabyte, time to import.

python -m bench.sdk [--rounds 5] [--gigabytes 1]

Prints one JSON line. A server of this machine writes chunks as fast as they are read, so the client is measured;
each client runs in a process of its own, in turns, and reads the content of every chunk. Memory is what is resident
after 5 % of the gigabyte, and the peak at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

SDK = Path(__file__).parents[1] / "sdk" / "python"
CHUNK = {
    "id": "chatcmpl-0123456789abcdef",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "service_tier": "default",
    "system_fingerprint": "fp",
    "choices": [{"index": 0, "delta": {"content": " word"}, "logprobs": None, "finish_reason": None}],
    "usage": None,
}
EVENT = b"data: " + json.dumps(CHUNK, separators=(",", ":")).encode() + b"\n\n"
BATCH = 200  # events a write
READ = """
import resource, sys, time
sys.path.insert(0, {sdk!r})
from {package} import {client}
client = {client}(base_url={url!r}, api_key="k")
began, chunks, early, text = time.perf_counter(), 0, 0, 0
stream = client.chat.completions.create(model="m", messages=[{{"role": "user", "content": "hi"}}], stream=True)
for chunk in stream:
    text += len(chunk.choices[0].delta.content or "")
    chunks += 1
    if chunks == {total} // 20:
        early = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() // 1024
took = time.perf_counter() - began
assert chunks == {total} and text == 5 * {total}
print(chunks / took, early, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
IMPORT = "import sys, time; sys.path.insert(0, {sdk!r}); t = time.perf_counter(); from {package} import {client}; "
IMPORT += "{client}(api_key='k'); print(time.perf_counter() - t)"
CLIENTS = {"novai": "NovAI", "openai": "OpenAI"}


def serve(listening: socket.socket, total: int) -> None:
    """One stream of `total` chunks to everyone who connects."""
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection, connection.makefile("rb") as request:
            head = [line.lower() for line in iter(request.readline, b"\r\n")]
            request.read(next(int(line.split()[1]) for line in head if line.startswith(b"content-length")))
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
            for start in range(0, total, BATCH):
                connection.sendall(EVENT * min(BATCH, total - start))
            connection.sendall(b"data: [DONE]\n\n")


def run(code: str, **values: Any) -> list[float]:
    """The numbers that a fresh interpreter prints."""
    command = [sys.executable, "-c", code.format(sdk=str(SDK), **values)]
    return [float(number) for number in subprocess.check_output(command, env=os.environ, text=True).split()]


def streamed(package: str, total: int) -> list[float]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        threading.Thread(target=serve, args=(listening, total), daemon=True).start()
        numbers = run(READ, package=package, client=CLIENTS[package], url=url, total=total)
        listening.shutdown(socket.SHUT_RDWR)
    return numbers


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--chunks", type=int, default=50_000)
    p.add_argument("--gigabytes", type=float, default=1)
    a = p.parse_args()
    rates: dict[str, list[float]] = {name: [] for name in CLIENTS}
    imports: dict[str, list[float]] = {name: [] for name in CLIENTS}
    for _ in range(a.rounds):
        for name, client in CLIENTS.items():
            rates[name].append(streamed(name, a.chunks)[0])
            imports[name] += run(IMPORT, package=name, client=client)
    _, early_kb, peak_kb = streamed("novai", int(a.gigabytes * 1e9 / len(EVENT)))
    per_s = {name: round(statistics.median(found)) for name, found in rates.items()}
    import_ms = {name: round(statistics.median(found) * 1000, 1) for name, found in imports.items()}
    result = {
        "bench": "sdk",
        "chunks_per_s": per_s,
        "chunks_ratio": round(per_s["novai"] / per_s["openai"], 2),
        "import_ms": import_ms,
        "import_ratio": round(import_ms["novai"] / import_ms["openai"], 3),
        "streamed_gb": a.gigabytes,
        "rss_mb": {"early": round(early_kb / 1024, 1), "peak": round(peak_kb / 1024, 1)},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
