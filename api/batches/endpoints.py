"""What lines can be sent to: the same rules, services and answers as those of requests, without anybody who waits.

An endpoint parses a line's body, runs it, and hands its answer to the commit that charges for it. Adding one is adding
a row.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from api.answers.chat import ChatAnswer
from api.answers.completions import CompletionAnswer
from api.answers.embeddings import embedding_answer
from api.answers.responses import ResponseAnswer, begun
from api.batches.lines import answer_line
from api.bodies import parse, refuse, typed_items
from api.clients.completions_request import from_completion
from api.clients.embedding import Vectors
from api.clients.generate_request import from_chat, server_tools
from api.clients.responses_request import from_response
from api.clients.responses_request import server_tools as server_tools_of
from api.clients.session import Delta, GenerateRequest, yielding
from api.domain import LineAnswer, Principal, WantedTool
from api.errors import InvalidRequestError
from api.generated import schemas as s
from api.rules import check_chat, check_completion, check_embedding, check_response
from api.services.generation_stream import GenerationStream
from api.state import AppState

T = TypeVar("T")

encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Asked:
    """A line that is to be answered."""

    batch_id: str
    shard_id: int
    line: int
    custom_id: str
    request_id: str
    principal: Principal
    body: bytes

    def answered(self, body: bytes) -> LineAnswer:
        line = answer_line(self.batch_id, self.line, self.custom_id, self.request_id, 200, body)
        return LineAnswer(self.shard_id, self.line, failed=False, body=line)


class Answer(Protocol):
    def add(self, delta: Delta) -> None: ...
    def whole(self) -> msgspec.Struct: ...


async def chat(app: AppState, asked: Asked) -> None:
    body = whole_body(asked, s.ChatCompletionRequest)
    check_chat(body)
    refuse_tools(server_tools(body.tools))
    await generated(app, asked, from_chat(body), "createChatCompletion", lambda stream: ChatAnswer(stream, body))


async def completion(app: AppState, asked: Asked) -> None:
    body = whole_body(asked, s.CompletionRequest)
    wanted = from_completion(body, check_completion(body))
    await generated(app, asked, wanted, "createCompletion", lambda stream: CompletionAnswer(stream, body))


async def response(app: AppState, asked: Asked) -> None:
    """A response that is to be kept is kept before its line: what is in the file can be retrieved."""
    body = whole_body(asked, s.ResponseRequest, typed_items)
    check_response(body)
    refuse_tools(server_tools_of(body.tools))
    turn = await app.responses.turn(body, asked.principal.project_id)
    wanted = from_response(body, [*turn.earlier, *turn.items])
    stream = await admitted(app, asked, wanted, "createResponse")
    try:
        answer = ResponseAnswer(stream, begun(body, turn, stream))
        await stream.collect(answer.delta)
        answer.finish(None)
        if answer.response.store:
            await app.responses.keep(answer.response, turn)
        stream.keep(asked.answered(encode(answer.response)))
    finally:
        await closed(stream)


async def embedding(app: AppState, asked: Asked) -> None:
    body = whole_body(asked, s.EmbeddingRequest)
    inputs = check_embedding(body)
    dimensions = body.dimensions if isinstance(body.dimensions, int) else 0

    def keep(model: str, vectors: Vectors) -> LineAnswer:
        return asked.answered(embedding_answer(body, model, vectors))

    await app.embeddings.embed(body.model, inputs, dimensions, asked.principal, asked.request_id, keep)


async def generated(
    app: AppState,
    asked: Asked,
    wanted: GenerateRequest,
    operation: str,
    form: Callable[[GenerationStream], Answer],
) -> None:
    stream = await admitted(app, asked, wanted, operation)
    try:
        answer = form(stream)
        await stream.collect(answer.add)
        stream.keep(asked.answered(encode(answer.whole())))
    finally:
        await closed(stream)


async def admitted(app: AppState, asked: Asked, wanted: GenerateRequest, operation: str) -> GenerationStream:
    return await app.generation.admit(yielding(wanted), asked.principal, asked.request_id, operation, streamed=False)


async def closed(stream: GenerationStream) -> None:
    """What has no answer is free, whatever it was that kept it from having one."""
    stream.abandon()
    await stream.aclose()


def whole_body(asked: Asked, kind: type[T], tolerance: Callable[[Any], set[str]] | None = None) -> T:
    """Raises InvalidRequestError."""
    body, unknown = parse(asked.body, kind, tolerance)
    refuse(unknown)
    if getattr(body, "stream", None) is True:
        raise InvalidRequestError(
            "Lines of a batch are not streamed. Leave 'stream' out.", param="stream", code="unsupported_value"
        )
    return body


def refuse_tools(wanted: Sequence[WantedTool]) -> None:
    """A line is one generation, settled in one commit with its answer. Raises InvalidRequestError."""
    for tool in wanted:
        raise InvalidRequestError(
            "Lines of a batch cannot use the server's tools. Offer functions instead.",
            param=tool.param,
            code="unsupported_value",
        )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`run` raises the ApiError that the line is answered with; when it returns, the answer is on its way to the
    ledger, or somebody else's was first."""

    kind: Literal["chat", "embedding"]  # of its models
    run: Callable[[AppState, Asked], Awaitable[None]]


ENDPOINTS = {
    "/v1/chat/completions": Endpoint("chat", chat),
    "/v1/completions": Endpoint("chat", completion),
    "/v1/embeddings": Endpoint("embedding", embedding),
    "/v1/responses": Endpoint("chat", response),
}
