"""What routers get of a request: its body and parameters as values, and who sent it."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Hashable, Mapping
from functools import partial
from typing import Any, TypeVar, cast

import msgspec
from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.accepted import accepted
from api.bodies import decoder, expected, parse, refuse
from api.domain import Principal
from api.errors import InvalidRequestError, PermissionDeniedError, UnsupportedContentTypeError

log = logging.getLogger("novai.http")

T = TypeVar("T")

encode = msgspec.json.Encoder().encode

Tolerance = Callable[[Request, Any], set[str]]


class Endpoint:
    """One route: a request in, the response it returns out."""

    def __init__(self, handler: Callable[[Request], Awaitable[Response]]) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._handler(Request(scope, receive, send))
        await response(scope, receive, send)


class JsonCodec:
    """Implements `generated.routes.Codec`. `kinds`: bodies whose decoders are made now, not by the first request.

    `tolerances`: what is done to a body of that kind before it must fit its schema; the names of what was left out.
    """

    def __init__(self, *kinds: Hashable, tolerances: Mapping[Hashable, Tolerance] | None = None) -> None:
        self._tolerances = tolerances or {}
        for kind in (*kinds, *self._tolerances):
            decoder(kind)

    def endpoint(self, handler: Callable[[Request], Awaitable[Response]]) -> ASGIApp:
        """The handler as an ASGI application. Starlette's own wrapper would catch errors a second time, around every
        chunk that is sent; the layer around the router catches them once."""
        return Endpoint(handler)

    def require(self, request: Request, scope: str) -> None:
        """Before the body is looked at. Raises PermissionDeniedError when the key lacks the scope."""
        need(principal_of(request), scope)

    def only(self, request: Request, *names: str) -> None:
        """Raises InvalidRequestError for a parameter of the query that is none of `names`: a filter that is misspelt
        would widen what is read, or cleared."""
        for name in request.query_params:
            if name not in names:
                there_are = ", ".join(map(repr, names)) or "none"
                raise InvalidRequestError(
                    f"Unknown query parameter: {name[:60]!r}. Parameters of this path are: {there_are}.",
                    param=name[:60],
                    code="unknown_parameter",
                )

    async def body(self, request: Request, kind: type[T]) -> T:
        """The body as the Struct the spec names. Raises UnsupportedContentTypeError, InvalidRequestError."""
        content_type = request.headers.get("content-type", "application/json")
        if content_type.partition(";")[0].strip().lower() not in ("application/json", ""):
            raise UnsupportedContentTypeError(
                f"Content-Type is {content_type[:80]!r}: send the body as application/json."
            )
        raw = await request.body()
        tolerance = self._tolerances.get(cast(Hashable, kind))
        value, unknown = parse(raw, kind, partial(tolerance, request) if tolerance else None)
        if unknown:
            ignore(request, unknown)
        return value

    def query(self, request: Request, name: str, kind: Any, default: Any, required: bool) -> Any:
        """One query parameter, converted. Raises InvalidRequestError."""
        given = request.query_params.get(name)
        if given is None:
            if required:
                raise InvalidRequestError(
                    f"Missing required query parameter: '{name}'.", param=name, code="missing_required_parameter"
                )
            return default
        return converted(given, name, kind)

    def path(self, request: Request, name: str, kind: Any) -> Any:
        """One parameter of the path, converted. Raises InvalidRequestError."""
        return converted(request.path_params[name], name, kind)

    def answer(self, request: Request, value: Any, status: int) -> Response:
        if isinstance(value, Response):
            return value
        return Response(encode(value), status, answer_headers(request), media_type="application/json")


def ignore(request: Request, unknown: set[str]) -> None:
    """Notes names of fields that nobody looks at, for the answer's header. Raises InvalidRequestError for those that
    would change the meaning of an answer."""
    refuse(unknown)
    names = sorted(name if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) else "?" for name in unknown)[:32]
    state = request.scope["state"]
    state["ignored_params"] = state["log"]["ignored_params"] = ",".join(names)


def converted(given: str, name: str, kind: Any) -> Any:
    """A parameter's text as what the spec says it is. Raises InvalidRequestError."""
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        choices = accepted(kind, b"", "")
        why = f"{given[:60]!r}. Supported values are: {choices}" if choices else expected(str(error))
        raise InvalidRequestError(f"Invalid value for '{name}': {why}.", param=name, code="invalid_value") from None


def need(principal: Principal, scope: str) -> None:
    """Raises PermissionDeniedError when the key lacks the scope."""
    if scope not in principal.scopes:
        raise PermissionDeniedError(f"This key lacks the scope `{scope}`. Use one that has it.", code="missing_scope")


def principal_of(request: Request) -> Principal:
    """Whoever the authenticate middleware found behind the key."""
    found: Principal = request.scope["state"]["principal"]
    return found


def asking(request: Request, model: str) -> tuple[Principal, str]:
    """Who asks for a model, and the request's id. The access log gets the model."""
    request.scope["state"]["log"]["model"] = model
    return principal_of(request), request.scope["state"]["request_id"]


def answer_headers(request: Request) -> dict[str, str]:
    """Headers of an answer that the body's parsing decided."""
    ignored = request.scope["state"].get("ignored_params")
    return {"x-novai-ignored-params": ignored} if ignored else {}
