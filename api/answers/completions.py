"""What a worker generated → a completion of the older form, whole or as events, exactly by the wire contract."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from typing import cast

import msgspec

from api.answers.chunks import Chunks, usage_of
from api.clients.session import FINISH_NAMES, Delta, TokenLogprob
from api.generated import schemas as s
from api.services.generation_stream import GenerationStream

encode = msgspec.json.Encoder().encode


class Logprobs:
    """The log probabilities of one choice, token after token."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._offset = 0  # characters so far

    def take(self, tokens: Iterable[TokenLogprob]) -> s.CompletionLogprobs:
        """Those of the next tokens."""
        taken = s.CompletionLogprobs(tokens=[], token_logprobs=[], top_logprobs=[], text_offset=[])
        for token in tokens:
            text = text_of(token.token)
            taken.tokens.append(text)
            taken.token_logprobs.append(token.logprob)
            taken.top_logprobs.append({text_of(top.token): top.logprob for top in token.top} | {text: token.logprob})
            taken.text_offset.append(self._offset)
            self._offset += len(self._decode(token.token))
        return taken


class CompletionCollector:
    """One choice of a whole answer, put together from its deltas."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._text: list[str] = []
        self._logprobs: list[TokenLogprob] = []
        self._finish = 0

    def add(self, delta: Delta) -> None:
        if delta.text:
            self._text.append(delta.text)
        if delta.logprobs:
            self._logprobs.extend(delta.logprobs)
        if delta.finish:
            self._finish = delta.finish

    def choice(self, echo: str, with_logprobs: bool) -> s.CompletionChoice:
        return s.CompletionChoice(
            text=echo + "".join(self._text),
            index=self._index,
            logprobs=Logprobs().take(self._logprobs) if with_logprobs else None,
            finish_reason=finish_name(self._finish),
        )


class CompletionEncoder(Chunks):
    """Implements `streaming.Encoder`. What does not change between events is encoded once."""

    def __init__(self, stream: GenerationStream, include_usage: bool) -> None:
        head = {
            "id": completion_id(stream.request_id),
            "object": "text_completion",
            "created": stream.created_s,
            "model": stream.model,
            "system_fingerprint": None,
        }
        super().__init__(stream, head, include_usage)
        self._generation = stream
        self._tail = b',"logprobs":null,"finish_reason":null}' + self._end
        self._text = [self._head + b'{"index":%d,"text":' % index for index in range(stream.choices)]
        self._logprobs = [Logprobs() for _ in range(stream.choices)]

    def start(self) -> bytes:
        """The prompt of every choice, where it is wanted."""
        if not self._generation.echo:
            return b""
        return b"".join(
            text + encode(echo_of(self._generation, index)) + self._tail for index, text in enumerate(self._text)
        )

    def delta(self, delta: Delta) -> bytes:
        event = self._text[delta.choice] + encode(delta.text)
        if not delta.finish and not delta.logprobs:
            return event + self._tail
        logprobs = encode(self._logprobs[delta.choice].take(delta.logprobs)) if delta.logprobs else b"null"
        reason = encode(finish_name(delta.finish)) if delta.finish else b"null"
        return event + b',"logprobs":' + logprobs + b',"finish_reason":' + reason + b"}" + self._end


class CompletionAnswer:
    """A whole answer, put together from the deltas of its stream."""

    def __init__(self, stream: GenerationStream, body: s.CompletionRequest) -> None:
        self._stream = stream
        self._with_logprobs = isinstance(body.logprobs, int)
        self._choices = [CompletionCollector(index) for index in range(stream.choices)]

    def add(self, delta: Delta) -> None:
        self._choices[delta.choice].add(delta)

    def whole(self) -> s.Completion:
        """Once the stream was read to its end."""
        stream = self._stream
        choices = enumerate(self._choices)
        return s.Completion(
            id=completion_id(stream.request_id),
            object="text_completion",
            created=stream.created_s,
            model=stream.model,
            system_fingerprint=None,
            choices=[choice.choice(echo_of(stream, index), self._with_logprobs) for index, choice in choices],
            usage=usage_of(stream),
        )


def completion_id(request_id: str) -> str:
    return "cmpl-" + request_id.removeprefix("req_")


def echo_of(stream: GenerationStream, index: int) -> str:
    """The prompt of a choice, where the request asked for it; else nothing."""
    return stream.echo[index * len(stream.echo) // stream.choices] if stream.echo else ""


def finish_name(finish: int) -> s.CompletionFinishReason:
    """Plain text calls no tools."""
    return cast(s.CompletionFinishReason, FINISH_NAMES.get(finish, "stop"))


def text_of(token: bytes) -> str:
    """Bytes that are no whole text are spelled out, so that different tokens stay different keys."""
    try:
        return token.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token)
