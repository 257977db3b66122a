"""What the routers of all public forms of a generation share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import Request

from api.clients.session import GenerateRequest
from api.dependencies import principal_of
from api.domain import WantedTool
from api.services.answering import AnswerStream
from api.services.generation_stream import GenerationStream
from api.state import AppState


async def admitted(
    app: AppState, request: Request, wanted: GenerateRequest, operation: str, streamed: object
) -> GenerationStream:
    """The caller's generation, not yet started. Raises as `GenerationService.admit`."""
    state = request.scope["state"]
    state["log"]["model"] = wanted.model
    return await app.generation.admit(
        wanted, principal_of(request), state["request_id"], operation, streamed=streamed is True
    )


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
    state = request.scope["state"]
    state["log"]["model"] = wanted.model
    return await app.tools.admit(
        wanted, asked, most_calls, principal_of(request), state["request_id"], operation, streamed=streamed is True
    )
