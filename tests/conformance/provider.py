"""Somebody else's API on loopback: OpenAI's and Anthropic's forms over real sockets, with whatever can go wrong.

It says what the scripted backend would: 200 words, or what the last user message tells it to (`script:[…]`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from base64 import b64encode
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, AnyStr

from internal.inference.backends.scripted import WORDS, read

CONTEXT = 512
PIECE = 5  # characters of a call's arguments that are told at a time
Step = tuple[str, Any]  # say | think | call, and what


@dataclass(frozen=True)
class Fault:
    """What happens to one request."""

    status: int = 0  # it is answered with this status
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b'{"error": {"message": "as the test wants it"}}'
    after: int = 0  # events of the answer that still leave; with none, not even its head does
    hangs: bool = False  # then nothing more comes; otherwise the connection is cut


@dataclass
class Asked:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    left: asyncio.Event = field(default_factory=asyncio.Event)  # its connection was closed before the answer was out

    @property
    def key(self) -> str:
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")


class Provider:
    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.faults: deque[Fault] = deque()  # of the next requests, one each
        self.always: Fault | None = None  # of all of them
        self.by_key: dict[str, Fault] = {}  # of all that come with this key
        self.counts = True  # it tells usage
        self.usage: dict[str, Any] = {}  # and these counts, whatever it did
        self.heeds = True  # it ends where `max_tokens` says
        self.base64 = False  # vectors are told so, as was asked
        self.piece_bytes = 0  # answers leave in pieces of so many bytes; 0: event by event
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._answer(reader, writer):
                    pass
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        asked = await take(reader)
        self.asked.append(asked)
        fault = self.faults.popleft() if self.faults else self.by_key.get(asked.key, self.always)
        if fault and fault.status:
            writer.write(head(fault.status, fault.headers, len(fault.body)) + fault.body)
            return True
        leaving = asyncio.create_task(self._watch(reader, asked))
        try:
            return await self._say(writer, asked, fault)
        except ConnectionError:
            asked.left.set()
            raise
        finally:
            leaving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await leaving

    async def _say(self, writer: asyncio.StreamWriter, asked: Asked, fault: Fault | None) -> bool:
        if asked.path.endswith("/embeddings"):
            if fault and fault.hangs:
                await asked.left.wait()
            return not fault and await self._whole(writer, vectors(asked.body["input"], self.counts, self.base64))
        if refusal := refusal_of(asked.body):
            return await self._whole(writer, refusal, 400)
        if asked.path.endswith("/count_tokens"):
            return await self._whole(writer, {"input_tokens": prompt_tokens(asked.body)})
        body = asked.body if self.heeds else asked.body | {"max_tokens": 0}
        events = anthropic(body, self.counts) if "/messages" in asked.path else openai(body, self.counts, self.usage)
        begun = False
        for number, (pause_s, event) in enumerate(events):
            if fault and number >= fault.after:
                if fault.hangs:
                    await asked.left.wait()
                return False
            if not begun:
                writer.write(head(200, (("content-type", "text/event-stream"),), None))
                begun = True
            await asyncio.sleep(pause_s)
            if event is None:
                await asked.left.wait()
                return False
            for piece in pieces(event, self.piece_bytes):
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
                if self.piece_bytes:
                    await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")
        return True

    @staticmethod
    async def _whole(writer: asyncio.StreamWriter, body: dict[str, Any], status: int = 200) -> bool:
        data = json.dumps(body).encode()
        writer.write(head(status, (("content-type", "application/json"),), len(data)) + data)
        return True

    @staticmethod
    async def _watch(reader: asyncio.StreamReader, asked: Asked) -> None:
        """Waits for the end, and leaves what else comes where it is: it may be the next request."""
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof() and reader.exception() is None:
                await asyncio.sleep(0.005)
        asked.left.set()


@contextlib.asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    serving = Provider()
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serving.serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    serving.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield serving
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def take(reader: asyncio.StreamReader) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Asked(first.split()[1], headers, json.loads(body))


def head(status: int, headers: tuple[tuple[str, str], ...], length: int | None) -> bytes:
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    lines = [f"HTTP/1.1 {status} Whatever", framing, *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def pieces(data: AnyStr, size: int) -> list[AnyStr]:
    return [data[start : start + size] for start in range(0, len(data), size)] if size else [data]


# ---------------------------------------------------------------- what it says


def text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or ())


def prompt_tokens(body: dict[str, Any]) -> int:
    return sum(len(text_of(message["content"]).split()) for message in body["messages"])


def refusal_of(body: dict[str, Any]) -> dict[str, Any] | None:
    tokens = prompt_tokens(body)
    if tokens <= CONTEXT:
        return None
    message = f"This model's maximum context length is {CONTEXT} tokens. You sent {tokens}: the prompt is too long."
    return {"type": "error", "error": {"message": message, "code": "context_length_exceeded", "param": "messages"}}


def vectors(texts: list[str], counts: bool, base64: bool) -> dict[str, Any]:
    data: list[dict[str, Any]] = []
    for index, text in reversed(list(enumerate(texts))):  # whoever goes by their place is wrong
        floats = [float(len(text)), 1.0, 0.0, 0.5]
        packed = b64encode(struct.pack("<4f", *floats)).decode()
        data.append({"index": index, "embedding": packed if base64 else floats})
    used = sum(len(text.split()) for text in texts)
    usage = {"usage": {"prompt_tokens": used, "total_tokens": used}} if counts else {}
    return {"object": "list", "data": data} | usage


def steps_of(body: dict[str, Any]) -> Iterator[Step]:
    said = next(text_of(m["content"]) for m in reversed(body["messages"]) if m["role"] == "user")
    if not said.startswith("script:"):
        yield from (("say", " tok") for _ in range(200))
        return
    for kind, value in read(said.removeprefix("script:")):
        if kind in ("say", "think"):
            yield from ((kind, word) for word in WORDS.findall(value))
        elif kind == "count":
            yield from (("say", f" {number}") for number in range(value))
        else:
            yield kind, value


@dataclass
class Told:
    """The steps of an answer until its end."""

    steps: list[Step]
    tokens: int
    reason: str
    stopped_by: str | None = None


def told(body: dict[str, Any]) -> Told:
    most = body.get("max_tokens") or body.get("max_completion_tokens") or 1 << 30
    stops = body.get("stop") or body.get("stop_sequences") or []
    told = Told([], 0, "stop")
    text = ""
    for kind, value in steps_of(body):
        if kind == "stop":
            told.stopped_by = value
            return told
        if kind in ("say", "think", "call"):
            told.tokens += 1
        if kind == "say" and (found := next((s for s in stops if s in text + value), None)):
            told.steps.append(("say", (text + value)[len(text) : (text + value).index(found)]))
            told.stopped_by = found
            return told
        text += value if kind == "say" else ""
        told.steps.append((kind, value))
        told.reason = "tool_calls" if kind == "call" else told.reason
        if told.tokens == most:
            told.reason = "length"
            return told
    return told


PAUSE_S = 0.001  # between two tokens
Timed = tuple[float, bytes | None]  # after a pause, an event; None: nothing more, ever


def sse(body: dict[str, Any], name: str = "") -> bytes:
    return (
        (f"event: {name}\n" if name else "").encode()
        + b"data: "
        + json.dumps(body, ensure_ascii=False).encode()
        + b"\n\n"
    )


def openai(body: dict[str, Any], counts: bool, usage: dict[str, Any]) -> Iterator[Timed]:
    told_ = told(body)
    choices = range(body.get("n") or 1)

    def chunk(choice: int, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        said = {"index": choice, "delta": delta, "finish_reason": finish} | more
        return sse({"object": "chat.completion.chunk", "id": "c", "choices": [said]})

    yield 0, b"".join(chunk(choice, {"role": "assistant", "content": ""}) for choice in choices)
    calls = 0
    for kind, value in told_.steps:
        if kind == "hang":
            yield 0, None
        if kind == "fail":
            yield 0, sse({"error": {"message": value}})
            return
        if kind == "wait_ms":
            yield value / 1e3, b": a comment\n\n"
            continue
        more: dict[str, Any] = {}
        if body.get("logprobs") and kind == "say":
            token = {"token": value, "logprob": -0.5, "bytes": list(value.encode())}
            more = {"logprobs": {"content": [token | {"top_logprobs": [token] * body["top_logprobs"]}]}}
        for choice in choices:
            for delta in openai_deltas(kind, value, calls):
                yield PAUSE_S, chunk(choice, delta, **more)
        calls += kind == "call"
    for choice in choices:
        yield 0, chunk(choice, {}, told_.reason, stop_reason=told_.stopped_by)
    if counts:
        used = {"prompt_tokens": prompt_tokens(body), "completion_tokens": told_.tokens * len(choices)}
        yield 0, sse({"choices": [], "usage": used | {"prompt_tokens_details": {"cached_tokens": 1}} | usage})
    yield 0, b"data: [DONE]\n\n"


def openai_deltas(kind: str, value: Any, calls: int) -> Iterator[dict[str, Any]]:
    if kind == "call":
        arguments = json.dumps(value.arguments) if value.arguments else ""
        named = {"index": calls, "id": f"call_{calls}", "type": "function"}
        yield {"tool_calls": [named | {"function": {"name": value.name, "arguments": ""}}]}
        for part in pieces(arguments, PIECE):
            yield {"tool_calls": [{"index": calls, "function": {"arguments": part}}]}
    else:
        yield {"content" if kind == "say" else "reasoning_content": value}


REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def anthropic(body: dict[str, Any], counts: bool) -> Iterator[Timed]:
    told_ = told(body)
    used = {"input_tokens": prompt_tokens(body), "output_tokens": 1} if counts else None
    yield 0, sse({"type": "message_start", "message": {"id": "m", "usage": used}}, "message_start")
    yield 0, sse({"type": "ping"}, "ping")
    index, open_ = -1, ""
    for kind, value in told_.steps:
        if kind == "hang":
            yield 0, None
        if kind == "fail":
            yield 0, sse({"type": "error", "error": {"type": "overloaded_error", "message": value}}, "error")
            return
        if kind == "wait_ms":
            yield value / 1e3, b": a comment\n\n"
            continue
        if kind != open_ or kind == "call":
            if open_:
                yield 0, sse({"type": "content_block_stop", "index": index})
            index, open_ = index + 1, kind
            yield 0, sse({"type": "content_block_start", "index": index, "content_block": block(kind, value, index)})
        for change in changes(kind, value):
            yield PAUSE_S, sse({"type": "content_block_delta", "index": index, "delta": change})
    reason = "stop_sequence" if told_.stopped_by else REASONS[told_.reason]
    ended = {"stop_reason": reason, "stop_sequence": told_.stopped_by}
    last = {"usage": {"output_tokens": told_.tokens}} if counts else {}
    yield 0, sse({"type": "message_delta", "delta": ended} | last, "message_delta")
    yield 0, sse({"type": "message_stop"}, "message_stop")


def block(kind: str, value: Any, index: int) -> dict[str, Any]:
    if kind == "call":
        return {"type": "tool_use", "id": f"toolu_{index}", "name": value.name, "input": {}}
    return {"type": "text", "text": ""} if kind == "say" else {"type": "thinking", "thinking": ""}


def changes(kind: str, value: Any) -> Iterator[dict[str, Any]]:
    if kind == "call":
        for part in pieces(json.dumps(value.arguments) if value.arguments else "", PIECE):
            yield {"type": "input_json_delta", "partial_json": part}
    elif kind == "say":
        yield {"type": "text_delta", "text": value}
    else:
        yield {"type": "thinking_delta", "thinking": value}
