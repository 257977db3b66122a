"""What OpenAI's two streamed forms share: data without names, a chunk of usage at the end, then `[DONE]`."""

from __future__ import annotations

from typing import Any

import msgspec

from api.errors import ApiError
from api.generated import schemas as s
from api.services.answering import AnswerStream

encode = msgspec.json.Encoder().encode

DONE = b"data: [DONE]\n\n"


class Chunks:
    """Half of a `streaming.Encoder`: how chunks begin and how the stream ends. `head`: the fields of every chunk."""

    def __init__(self, stream: AnswerStream[Any], head: dict[str, Any], include_usage: bool) -> None:
        self._stream = stream
        self._include_usage = include_usage
        self._head = b"data: " + encode(head)[:-1] + b',"choices":['
        self._end = b'],"usage":null}\n\n' if include_usage else b"]}\n\n"  # of a chunk

    def failed(self, error: ApiError) -> bytes:
        return b"data: " + encode(error.body()) + b"\n\n"

    def end(self) -> bytes:
        usage = b""
        if self._include_usage:
            usage = self._head + b'],"usage":' + encode(usage_of(self._stream)) + b"}\n\n"
        return usage + DONE


def includes_usage(options: object) -> bool:
    """Whether the caller's `stream_options` ask for usage."""
    return isinstance(options, s.StreamOptions) and options.include_usage is True


def usage_of(stream: AnswerStream[Any]) -> s.CompletionUsage:
    """Details are sub-counts, never extra."""
    usage = stream.usage()
    shown = s.CompletionUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
        prompt_tokens_details=s.PromptTokensDetails(cached_tokens=usage.cached_tokens, audio_tokens=0),
        completion_tokens_details=s.CompletionTokensDetails(
            reasoning_tokens=usage.reasoning_tokens,
            audio_tokens=0,
            accepted_prediction_tokens=0,
            rejected_prediction_tokens=0,
        ),
    )
    if stream.exhausted:
        shown.code = "budget_exhausted"
    return shown
