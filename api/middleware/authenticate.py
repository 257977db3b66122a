"""Who is asking, decided before the body is read."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from api.auth.keys import SCOPES, KeyRing, incorrect_key
from api.config import Settings
from api.domain import Principal
from api.errors import ApiError, AuthenticationError
from api.middleware import reject

# All that is open; whatever is not named here needs a key, also paths that do not exist. `/` does not,
# and Claude Code probes it without one.
OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/openapi.json", "/openapi.yaml", "/docs"})
OPEN_FOLDER = "/docs/"
# Everyone, where no keys are asked for.
LOCAL = Principal(organisation_id="local", project_id="local", key_id="local", scopes=frozenset(SCOPES))
_HEADERS = (b"authorization", b"x-api-key", b"x-goog-api-key")
_CHALLENGE = {"www-authenticate": "Bearer"}


class NoKeyError(ApiError):
    """An AuthenticationError without a code, as the contract has it."""

    status = 401
    type = "invalid_request_error"
    code = None


class AuthenticateMiddleware:
    """Sets `scope["state"]["principal"]`, or answers 401 (503 when keys cannot be checked).

    Decides on `scope["path"]`, the one that is routed by, and never on a URL put together from headers.
    """

    def __init__(self, app: ASGIApp, settings: Settings, keys: Callable[[], KeyRing]) -> None:
        self._app = app
        self._needs_key = settings.authenticates
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if not self._needs_key:
                scope.setdefault("state", {})["principal"] = LOCAL
            elif not _is_open(scope["path"]):
                try:
                    principal = await self._keys().authenticate(presented_key(scope["headers"]))
                except ApiError as error:
                    await reject(scope, send, error)
                    return
                scope.setdefault("state", {})["principal"] = principal
        await self._app(scope, receive, send)


def presented_key(headers: list[tuple[bytes, bytes]]) -> str:
    """The one API key of a request. Raises AuthenticationError when there is none, or more than one."""
    given = [(name, value) for name, value in headers if name in _HEADERS]
    if len(given) != len({name for name, _ in given}):
        raise AuthenticationError("An authentication header came twice. Send your API key once.", headers=_CHALLENGE)
    found = {key for key in (_key(name, value) for name, value in given) if key}
    if not found:
        raise NoKeyError(
            "You didn't provide an API key. Send it in the Authorization header as `Bearer YOUR_KEY`; `novai keys "
            "create` makes one.",
            headers=_CHALLENGE,
        )
    if len(found) > 1:
        raise AuthenticationError("Two different API keys came with one request. Send one.", headers=_CHALLENGE)
    key = found.pop()
    try:
        return key.decode("ascii")
    except UnicodeDecodeError:
        raise incorrect_key("") from None


def _key(name: bytes, value: bytes) -> bytes:
    """Empty when the header holds no key, e.g. of another scheme than Bearer."""
    if name != b"authorization":
        return value.strip()
    scheme, _, credentials = value.strip().partition(b" ")
    return credentials.strip() if scheme.lower() == b"bearer" else b""


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)
