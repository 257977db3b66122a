"""The one door through which failures leave: always `{"error": {...}}`, whatever raised."""

from __future__ import annotations

import logging

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from api.errors import ApiError, InternalError, InvalidRequestError, MethodNotAllowedError, NotFoundError

log = logging.getLogger("novai.http")
encode = msgspec.json.Encoder().encode


def render(error: ApiError) -> Response:
    """The answer that an error is."""
    return Response(encode(error.body()), error.status, headers=error.headers(), media_type="application/json")


async def on_api_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return render(error)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses: unknown paths, wrong methods."""
    assert isinstance(error, HTTPException)
    where = f"{request.method} {request.scope['path'][:200]}"
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "")
        return render(MethodNotAllowedError(f"Not allowed: {where}. This path has: {allow}.", headers={"Allow": allow}))
    if error.status_code == 404:
        return render(NotFoundError(f"Invalid URL ({where}). The API is described at /docs."))
    return render(InvalidRequestError(str(error.detail)))


async def on_bug(request: Request, error: Exception) -> Response:
    """Anything else is a bug: logged with its trace, told without it."""
    request_id = request.scope.get("state", {}).get("request_id", "")
    log.error("unhandled error in %s", request_id, exc_info=error)
    return render(InternalError(f"Something broke on our side. Please report the request id {request_id}."))


def install(app: FastAPI) -> None:
    app.add_exception_handler(ApiError, on_api_error)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(Exception, on_bug)
