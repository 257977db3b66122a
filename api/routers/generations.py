"""What the routers of all public forms of a generation share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from fastapi import Request, Response

from api.clients.session import GenerateRequest
from api.dependencies import answer_headers, asking, encode
from api.domain import WantedTool
from api.services.answering import AnswerStream, Said
from api.services.generation_stream import GenerationStream
from api.state import AppState
from api.streaming import read_whole


async def admitted(
    app: AppState, request: Request, wanted: GenerateRequest, operation: str, streamed: object
) -> GenerationStream:
    """The caller's generation, not yet started. Raises as `GenerationService.admit`."""
    return await app.generation.admit(wanted, *asking(request, wanted.model), operation, streamed=streamed is True)


async def admitted_with_tools(
    app: AppState,
    request: Request,
    wanted: GenerateRequest,
    asked: Sequence[WantedTool],
    operation: str,
    streamed: object,
    most_calls: int | None = None,
) -> AnswerStream[Any]:
    """The caller's answer, with the tools of this server that it asks for, if any, at most so many calls of them.
    Raises as `ToolService.admit`."""
    if not asked:
        return await admitted(app, request, wanted, operation, streamed)
    return await app.tools.admit(
        wanted, asked, most_calls, *asking(request, wanted.model), operation, streamed=streamed is True
    )


async def answered(
    request: Request, stream: AnswerStream[Said], add: Callable[[Said], None], whole: Callable[[], msgspec.Struct]
) -> Response:
    """The stream as one answer: all that is said is `add`ed, `whole` is the sum of it. Raises the ApiError that ended
    the stream."""
    if not await read_whole(stream, request.receive, add):
        return Response(status_code=499)  # nobody reads this
    # Now, and not before: which upstream answers is known when the stream has started.
    headers = answer_headers(request) | stream.headers
    return Response(encode(whole()), headers=headers, media_type="application/json")
