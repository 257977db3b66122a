"""What `NovAI` and `AsyncNovAI` are made of: settings, sending, and the ways an answer is presented."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum, auto
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from urllib.parse import urlsplit

from . import log
from .attempts import Attempts
from .call import Call, Headers
from .errors import APIConnectionError, APIResponseValidationError, NovAIError, json_of
from .failures import Translated
from .objects import Object, check, converter, is_model
from .omit import Omit, omit
from .pages import AsyncPage, AsyncPages, Listing, Page
from .responses import AsyncStreamedResponse, BinaryResponse, RawResponse, StreamedResponse
from .retries import checked
from .streaming import AsyncStream, Stream

if TYPE_CHECKING:
    import httpx
    from typing_extensions import Self, Unpack

    from .call import RequestOptions, Timeout

T = TypeVar("T")
Http = TypeVar("Http", bound="httpx.Client | httpx.AsyncClient")
LOCAL = "http://127.0.0.1:8000/v1"  # where `novai dev` listens
TIMEOUT_S, CONNECT_S = 600.0, 5.0
MAX_CONNECTIONS, MAX_KEPT = 1000, 100


class Presentation(Enum):
    PARSED = auto()
    RAW = auto()
    STREAMED = auto()


def http_defaults() -> dict[str, Any]:
    import httpx

    return {
        "timeout": httpx.Timeout(TIMEOUT_S, connect=CONNECT_S),
        "limits": httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_KEPT),
        "follow_redirects": True,
    }


def DefaultHttpxClient(**options: Any) -> httpx.Client:  # noqa: N802
    """An httpx.Client with this package's defaults, but for what is given: a proxy, certificates, a transport."""
    import httpx

    return httpx.Client(**{**http_defaults(), **options})


def DefaultAsyncHttpxClient(**options: Any) -> httpx.AsyncClient:  # noqa: N802
    """As `DefaultHttpxClient`."""
    import httpx

    return httpx.AsyncClient(**{**http_defaults(), **options})


class BaseClient(Generic[Http]):
    version: str
    is_async: bool

    def __init__(
        self,
        *,
        api_key: str | Callable[[], Any] | None = None,
        base_url: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        timeout: Timeout | Omit = omit,
        max_retries: int = 2,
        default_headers: Headers | None = None,
        default_query: Mapping[str, object] | None = None,
        http_client: Http | None = None,
        validate_responses: bool = False,
    ) -> None:
        """
        Args:
            api_key: or a function that is asked for one before every attempt. `NOVAI_API_KEY`.
            base_url: with or without `/v1`. `NOVAI_BASE_URL`, else the address of `novai dev`.
            organization: `NOVAI_ORG_ID`.
            project: `NOVAI_PROJECT_ID`.
            timeout: seconds, or an httpx.Timeout; None for none. 600 s without a byte, 5 s to connect.
            max_retries: after the first attempt.
            default_headers: sent with every call; the value `omit` leaves one of this package's out.
                `NOVAI_CUSTOM_HEADERS` adds to them, a line `Name: value` each.
            http_client: your own, of httpx; `DefaultHttpxClient(…)` makes one with the usual defaults.
            validate_responses: raise APIResponseValidationError for an answer that is not of its type.

        Raises NovAIError without a key, and for a `base_url` that is none.
        """
        env = os.environ.get
        self._given: dict[str, Any] = {
            key: value for key, value in locals().items() if key not in ("self", "env", "http_client")
        }
        key = api_key if api_key is not None else env("NOVAI_API_KEY")
        if not key:
            raise NovAIError("A key is needed: pass `api_key`, or set NOVAI_API_KEY.")
        self.api_key = key
        self.base_url = (base_url or env("NOVAI_BASE_URL") or LOCAL).rstrip("/")
        if not is_url(self.base_url):
            raise NovAIError(f"`base_url` is {self.base_url!r}: it must be a URL of http:// or https://.")
        self.organization = organization or env("NOVAI_ORG_ID")
        self.project = project or env("NOVAI_PROJECT_ID")
        self.max_retries = checked(max_retries)
        self.default_headers: Headers = {**headers_of(env("NOVAI_CUSTOM_HEADERS") or ""), **(default_headers or {})}
        self.default_query = default_query or {}
        self.validate_responses = validate_responses
        self._timeout, self._presentation = timeout, Presentation.PARSED
        if http_client is not None:
            self.http = http_client
        log.set_up()

    @cached_property
    def http(self) -> Http:
        return self._make_http()

    def _make_http(self) -> Http:
        raise NotImplementedError

    @property
    def timeout(self) -> Timeout:
        """Of calls that say nothing else."""
        return self.http.timeout if isinstance(self._timeout, Omit) else self._timeout

    def url(self, path: str) -> str:
        """Of a path as the API's reference writes it: `/v1/…`."""
        return path if path.startswith("http") else self.base_url.removesuffix("/v1") + path

    def with_options(self, **changes: Any) -> Self:
        """The same client with other settings; both share their connections."""
        return type(self)(http_client=changes.pop("http_client", self.http), **{**self._given, **changes})

    copy = with_options

    def presenting(self, presentation: Presentation) -> Self:
        """A view of this client, for `with_raw_response` and `with_streaming_response`."""
        _ = self.http  # made now, so that both have the same
        view = copy.copy(self)
        view._presentation = presentation
        return view

    def read(self, response: httpx.Response, cast_to: Any) -> Any:
        """A whole answer as what was asked for: a model, plain JSON, text, bytes, or nothing."""
        if cast_to is None or not (response.content or is_model(cast_to)):
            return None
        if cast_to in (str, bytes):
            return response.text if cast_to is str else response.content
        body = json_of(response)
        if is_model(cast_to) and not isinstance(body, dict):
            raise APIResponseValidationError("The answer is not an object.", response=response, body=body)
        convert = converter(cast_to)
        made = convert(body) if convert else body
        if isinstance(made, Object):
            made._request_id = response.headers.get("x-request-id")
        if self.validate_responses:
            try:
                check(made, cast_to)
            except ValueError as error:
                raise APIResponseValidationError(str(error), response=response, body=body) from error
        return made


def is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0  # raises for no number
    except ValueError:
        return False


def headers_of(lines: str) -> dict[str, str]:
    """`Name: value`, a line each."""
    pairs = (line.partition(":") for line in lines.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


class SyncClient(BaseClient["httpx.Client"]):
    is_async = False

    def _make_http(self) -> httpx.Client:
        return DefaultHttpxClient()

    def request(self, call: Call, cast_to: type[T]) -> T:
        return self._present(call, lambda response: cast(T, self.read(response, cast_to)))

    def stream(self, call: Call, item: Any) -> Any:
        """`item`: a model or a union of models."""
        call.events = True
        return self._present(call, lambda response: Stream[Any](response, item))

    def page(self, call: Call, item: Any, cursor: str | None) -> Page[Any]:
        listing = Listing(item, cursor)
        return self._present(call, lambda response: Page[Any].read(response, self, call, listing))

    def binary(self, call: Call) -> BinaryResponse:
        call.accept = "*/*"
        return self._present(call, BinaryResponse)

    def _present(self, call: Call, read: Callable[[httpx.Response], T]) -> T:
        streamed = self._presentation is Presentation.STREAMED
        response = self._send(call, whole=not (call.events or streamed))
        if streamed:
            return cast(T, StreamedResponse(response, read))
        return cast(T, RawResponse(response, read)) if self._presentation is Presentation.RAW else read(response)

    def _send(self, call: Call, whole: bool) -> httpx.Response:
        """A success; its body is read if it is wanted whole. Raises what the last attempt met."""
        with Attempts(self, call) as attempts:
            while True:
                request = attempts.request(self._key(), self.http)
                try:
                    with Translated(request):
                        response = self.http.send(request, stream=True)
                        if whole or not response.is_success:
                            response.read()
                    if (wait_s := attempts.answered(response)) is None:
                        return response
                except APIConnectionError as error:
                    wait_s = attempts.failed(error)
                time.sleep(wait_s)

    def _key(self) -> str:
        return self.api_key if isinstance(self.api_key, str) else self.api_key()

    def close(self) -> None:
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(
        self,
        path: str,
        *,
        cast_to: Any = object,
        query: Mapping[str, Any] | None = None,
        **options: Unpack[RequestOptions],
    ) -> Any:
        return self.request(Call("GET", path, query=query or {}, **options), cast_to)

    def post(
        self,
        path: str,
        *,
        cast_to: Any = object,
        body: object = omit,
        stream_item: Any = None,
        **options: Unpack[RequestOptions],
    ) -> Any:
        call = Call("POST", path, body=body, **options)
        return self.stream(call, stream_item) if stream_item else self.request(call, cast_to)

    def put(self, path: str, *, cast_to: Any = object, body: object = omit, **options: Unpack[RequestOptions]) -> Any:
        return self.request(Call("PUT", path, body=body, **options), cast_to)

    def patch(self, path: str, *, cast_to: Any = object, body: object = omit, **options: Unpack[RequestOptions]) -> Any:
        return self.request(Call("PATCH", path, body=body, **options), cast_to)

    def delete(
        self, path: str, *, cast_to: Any = object, body: object = omit, **options: Unpack[RequestOptions]
    ) -> Any:
        return self.request(Call("DELETE", path, body=body, **options), cast_to)


class AsyncClient(BaseClient["httpx.AsyncClient"]):
    is_async = True

    def _make_http(self) -> httpx.AsyncClient:
        return DefaultAsyncHttpxClient()

    async def request(self, call: Call, cast_to: type[T]) -> T:
        return await self._present(call, lambda response: cast(T, self.read(response, cast_to)))

    async def stream(self, call: Call, item: Any) -> Any:
        """`item`: a model or a union of models."""
        call.events = True
        return await self._present(call, lambda response: AsyncStream[Any](response, item))

    def page(self, call: Call, item: Any, cursor: str | None) -> AsyncPages[Any]:
        listing = Listing(item, cursor)
        return AsyncPages(self._present(call, lambda response: AsyncPage[Any].read(response, self, call, listing)))

    async def binary(self, call: Call) -> BinaryResponse:
        call.accept = "*/*"
        return await self._present(call, BinaryResponse)

    async def _present(self, call: Call, read: Callable[[httpx.Response], T]) -> T:
        streamed = self._presentation is Presentation.STREAMED
        response = await self._send(call, whole=not (call.events or streamed))
        if streamed:
            return cast(T, AsyncStreamedResponse(response, read))
        return cast(T, RawResponse(response, read)) if self._presentation is Presentation.RAW else read(response)

    async def _send(self, call: Call, whole: bool) -> httpx.Response:
        """As `SyncClient._send`."""
        import asyncio  # dear, and there already wherever this runs

        with Attempts(self, call) as attempts:
            while True:
                request = attempts.request(await self._key(), self.http)
                try:
                    with Translated(request):
                        response = await self.http.send(request, stream=True)
                        if whole or not response.is_success:
                            await response.aread()
                    if (wait_s := attempts.answered(response)) is None:
                        return response
                except APIConnectionError as error:
                    wait_s = attempts.failed(error)
                await asyncio.sleep(wait_s)

    async def _key(self) -> str:
        key = self.api_key if isinstance(self.api_key, str) else self.api_key()
        return await key if isinstance(key, Awaitable) else key

    async def close(self) -> None:
        await self.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def get(
        self,
        path: str,
        *,
        cast_to: Any = object,
        query: Mapping[str, Any] | None = None,
        **options: Unpack[RequestOptions],
    ) -> Any:
        return await self.request(Call("GET", path, query=query or {}, **options), cast_to)

    async def post(
        self,
        path: str,
        *,
        cast_to: Any = object,
        body: object = omit,
        stream_item: Any = None,
        **options: Unpack[RequestOptions],
    ) -> Any:
        call = Call("POST", path, body=body, **options)
        return await (self.stream(call, stream_item) if stream_item else self.request(call, cast_to))

    async def put(
        self, path: str, *, cast_to: Any = object, body: object = omit, **options: Unpack[RequestOptions]
    ) -> Any:
        return await self.request(Call("PUT", path, body=body, **options), cast_to)

    async def patch(
        self, path: str, *, cast_to: Any = object, body: object = omit, **options: Unpack[RequestOptions]
    ) -> Any:
        return await self.request(Call("PATCH", path, body=body, **options), cast_to)

    async def delete(
        self, path: str, *, cast_to: Any = object, body: object = omit, **options: Unpack[RequestOptions]
    ) -> Any:
        return await self.request(Call("DELETE", path, body=body, **options), cast_to)
