"""Who is asking, decided before the body is read."""

from __future__ import annotations

import math
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from api.auth.guard import Guard
from api.auth.keys import LOCAL, KeyRing, incorrect_key
from api.config import Settings
from api.domain import Principal
from api.errors import ApiError, AuthenticationError, TooManyWrongKeysError
from api.middleware import reject

# All that is open with `all_except_health`; whatever is not named here needs a key, also paths that do not exist. `/`
# does not, and Claude Code probes it without one.
OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/openapi.json", "/openapi.yaml", "/docs", "/favicon.ico"})
OPEN_FOLDER = "/docs/"
_HEADERS = (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")


class NoKeyError(AuthenticationError):
    """Without a code, as the contract has it."""

    code = None


class AuthenticateMiddleware:
    """Sets `scope["state"]["principal"]`, or answers 401 (429 when many wrong keys came from the same address, 503 when
    keys cannot be checked).

    Decides on `scope["path"]`, the one that is routed by, and never on a URL put together from headers.
    """

    def __init__(self, app: ASGIApp, settings: Settings, keys: Callable[[], KeyRing], guard: Guard) -> None:
        self._app = app
        self._mode = settings.auth
        self._keys = keys
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if self._mode == "off":
                scope.setdefault("state", {})["principal"] = LOCAL
            elif self._mode == "strict" or not _is_open(scope["path"]):
                try:
                    principal = await self._principal(scope)
                except ApiError as error:
                    await reject(scope, send, error)
                    return
                scope.setdefault("state", {})["principal"] = principal
        await self._app(scope, receive, send)

    async def _principal(self, scope: Scope) -> Principal:
        keys, key = self._keys(), presented_key(scope["headers"])
        address = scope["client"][0] if scope.get("client") else ""
        if (wait_s := self._guard.wait_s(address)) and not keys.knows(key):
            raise TooManyWrongKeysError(
                f"Too many incorrect API keys came from your address. Please try again in {math.ceil(wait_s)}s.",
                retry_after_ms=math.ceil(wait_s * 1e3),
            )
        try:
            return await keys.authenticate(key)
        except AuthenticationError:
            self._guard.failed(address)
            raise


def presented_key(headers: list[tuple[bytes, bytes]]) -> str:
    """The one API key of a request. Raises AuthenticationError when there is none, or more than one."""
    given = [(name, value) for name, value in headers if name in _HEADERS]
    if len(given) != len({name for name, _ in given}):
        raise AuthenticationError("An authentication header came twice. Send your API key once.")
    found = {key for key in (_key(name, value) for name, value in given) if key}
    if not found:
        raise NoKeyError(
            "You didn't provide an API key. Send it in the Authorization header as `Bearer YOUR_KEY`; `novai keys "
            "create` makes one."
        )
    if len(found) > 1:
        raise AuthenticationError("Two different API keys came with one request. Send one.")
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
