"""What httpx raises → what this package raises. The one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import APIConnectionError, APITimeoutError, NovAIError

if TYPE_CHECKING:
    import httpx


class Translated:
    """A context of whatever is read from or written to the network for a request."""

    def __init__(self, request: httpx.Request) -> None:
        self._request = request

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        import httpx

        if isinstance(error, httpx.TimeoutException):
            raise APITimeoutError(request=self._request) from error
        if isinstance(error, httpx.RequestError):
            server = f"{self._request.url.scheme}://{self._request.url.netloc.decode()}"
            told = f"Connection to {server} failed: {str(error) or type(error).__name__}"
            raise APIConnectionError(told, request=self._request) from error
        if isinstance(error, httpx.StreamClosed):
            raise NovAIError("This stream was closed: there is nothing more to read.") from error
