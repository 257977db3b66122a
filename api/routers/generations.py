"""What the routers of all public forms of a generation share."""

from __future__ import annotations

from fastapi import Request

from api.clients.session import GenerateRequest
from api.dependencies import principal_of
from api.services.generation import GenerationStream
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
