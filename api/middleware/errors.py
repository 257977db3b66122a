"""The one door through which failures leave: always in the form that the path's clients read, whatever raised.

What is raised before the answer began is the answer: bugs, too, without their trace. What is raised later cuts it.
"""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import ApiError, MethodNotAllowedError, NotFoundError, ShuttingDownError
from api.middleware import reject, told


class ErrorsMiddleware:
    """Innermost, so that what it answers passes every other layer. One layer instead of Starlette's two, which would
    wrap every chunk that is sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            if scope["state"]["exchange"].status or isinstance(error, ClientDisconnect):
                raise
            failure = from_starlette(error, scope) if isinstance(error, HTTPException) else told(scope, error)
            await reject(scope, send, failure)
        except asyncio.CancelledError:  # by the server alone, which ends
            if scope["state"]["exchange"].status:
                raise
            await reject(scope, send, ShuttingDownError())


def methods(scope: Scope) -> set[str]:
    """All that a path has: Starlette itself only looks at the first of its routes. A path that is written out has what
    it says, and nothing of the templates that would match it."""
    routes = [route for route in scope["app"].routes if isinstance(route, Route)]
    matching = [route for route in routes if route.path_regex.match(scope["path"])]
    exact = [route for route in matching if route.path == scope["path"]]
    return {name for route in exact or matching for name in route.methods or ()}


def from_starlette(error: HTTPException, scope: Scope) -> ApiError:
    """What Starlette itself refuses: wrong methods and, else, unknown paths."""
    where = f"{scope['method']} {scope['path'][:200]}"
    if error.status_code == 405:
        allow = ", ".join(sorted(methods(scope)))
        return MethodNotAllowedError(f"Not allowed: {where}. This path has: {allow}.", headers={"Allow": allow})
    return NotFoundError(f"Invalid URL ({where}). The API is described at /docs.")
