"""What differs between the APIs of upstreams: how a request is said there, and how an answer is read."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any, Protocol

import msgspec
from gen import inference_pb2 as pb

from internal.inference.efforts import nearest
from internal.upstream.http import BrokenError
from internal.upstream.options import MOST_TOKENS, UpstreamOptions
from internal.upstream.secrets import Secret

IMAGE_TYPES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
)


class StreamError(BrokenError):
    """The upstream says in the middle of its answer that it failed, or says what nobody understands."""


class Reader(Protocol):
    """Reads one answer. `usage` and `finishes` are complete when `done` is true."""

    done: bool  # the upstream has said that nothing follows
    usage: pb.Usage | None  # what it counted; None: it has not said
    finishes: dict[int, pb.Delta]  # choice → its last delta

    def read(self, data: bytes) -> Iterable[pb.Delta]:
        """The deltas of one event, without `tokens`. Raises StreamError."""


class Form(Protocol):
    """One API."""

    path: str
    count_path: str  # where tokens of a prompt are counted, by the same body; empty: nowhere

    def authorization(self, key: Secret | None) -> bytes:
        """The header lines that say who asks."""

    def body(self, request: pb.GenerateRequest, options: UpstreamOptions) -> dict[str, Any]:
        """What is asked for, `stream` apart."""

    def reader(self, request: pb.GenerateRequest) -> Reader: ...


def effort_for(chat: pb.Chat, options: UpstreamOptions) -> str:
    """What an upstream is told of how much it is to think; empty: nothing."""
    if chat.effort_is_wish and chat.reasoning_effort:
        return nearest(chat.reasoning_effort, options.efforts)
    return chat.reasoning_effort


def decimal(value: float) -> float:
    """A float32 as it was meant: 0.7, not 0.699999988079071."""
    return float(f"{value:.7g}")


def counted(prompt: int, cached: int, completion: int, reasoning: int) -> pb.Usage | None:
    """What an upstream says it counted, as bills need it: cached tokens are of the prompt, those of reasoning of the
    completion. None when it cannot be."""
    if not all(0 <= count < MOST_TOKENS for count in (prompt, cached, completion, reasoning)):
        return None
    return pb.Usage(
        prompt_tokens=prompt,
        cached_tokens=min(cached, prompt),
        completion_tokens=completion,
        reasoning_tokens=min(reasoning, completion),
        provenance=pb.PROVIDER,
    )


def offered(chat: pb.Chat) -> list[pb.Tool]:
    """The tools that may be called: whoever allows some of them is given no others."""
    if chat.tool_choice.mode == pb.ToolChoice.NONE and not any(message.tool_calls for message in chat.messages):
        return []
    allowed = set(chat.tool_choice.allowed)
    return [tool for tool in chat.tools if not allowed or tool.name in allowed]


def parameters(tool: pb.Tool) -> Any:
    return msgspec.Raw((tool.parameters_json or '{"type":"object","properties":{}}').encode())


def image_type(image: bytes) -> str:
    return next((name for start, name in IMAGE_TYPES if image.startswith(start)), "application/octet-stream")


class Calls:
    """The tool calls of one choice, under numbers of our own: in order, without gaps, each with an id and, in the end,
    with arguments, whatever the upstream makes of them."""

    def __init__(self) -> None:
        self._known: list[tuple[int | None, str]] = []  # the upstream's number and id of each
        self._bare = False  # the last one has no arguments yet

    def __len__(self) -> int:
        return len(self._known)

    def take(self, number: int | None, call_id: str, name: str, arguments: str) -> list[pb.ToolCallDelta]:
        """A piece of a call: a new one where its id is new, or where it has none and its number is new."""
        deltas = []
        index = self._find(number, call_id)
        if index is None:
            deltas += self.end()
            index = len(self._known)
            self._known.append((number, call_id))
            self._bare = True
            deltas.append(pb.ToolCallDelta(index=index, id=call_id or f"call_{secrets.token_hex(12)}", name=name))
        if arguments:
            self._bare = False
            deltas.append(pb.ToolCallDelta(index=index, arguments=arguments))
        return deltas

    def end(self) -> list[pb.ToolCallDelta]:
        """The last one has all its arguments: none are an empty object."""
        if not self._bare:
            return []
        self._bare = False
        return [pb.ToolCallDelta(index=len(self._known) - 1, arguments="{}")]

    def _find(self, number: int | None, call_id: str) -> int | None:
        for index in reversed(range(len(self._known))):
            known_number, known_id = self._known[index]
            if known_id == call_id if call_id else number in (None, known_number):
                return index
        return None
