"""Fetches pictures that callers point at. Who may be called is `outbound/guard.py`'s; whatever goes wrong behind its
checks is one sentence, so that the answer tells nothing of the network.
"""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

import httpx

from outbound.guard import FAILURES, Guard, RefusedError

TIMEOUT_S = 10.0  # of everything: names, connections, redirects, body
AT_ONCE = 8
AT_ONCE_EACH = 3  # fewer than the threads that look names up: nobody's slow hosts keep all others waiting
UNREACHABLE = "The image could not be fetched from its URL. Check that it is public, or send it as a data: URL."


class FetchError(Exception):
    """Says what the caller may know, and what to do next."""


class TooLargeError(FetchError):
    """More than the caller of `fetch` takes."""


class Fetcher:
    """One per process. `timeout_s`: how long it may all take."""

    def __init__(self, guard: Guard, timeout_s: float = TIMEOUT_S) -> None:
        self._guard = guard
        self._timeout_s = timeout_s
        self._places = asyncio.Semaphore(AT_ONCE)
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()  # while somebody has a part

    async def fetch(self, url: str, most_bytes: int, project_id: str) -> bytes:
        """The body behind a URL. Raises FetchError, TooLargeError."""
        share = self._shares.setdefault(project_id, asyncio.Semaphore(AT_ONCE_EACH))
        try:
            opening = self._guard.open(url, {"accept": "image/*"})
            async with asyncio.timeout(self._timeout_s), share, self._places, opening as response:
                return await body_of(response, most_bytes)
        except RefusedError as error:
            raise FetchError(self._refusal(error)) from None
        except FAILURES:  # TimeoutError is an OSError
            raise FetchError(UNREACHABLE) from None

    async def aclose(self) -> None:
        await self._guard.aclose()

    def _refusal(self, error: RefusedError) -> str:
        ports = self._guard.ports
        return {
            "no hosts": "This server fetches no images. Send the image as a data: URL.",
            "form": f"Images are fetched from {' or '.join(ports)} URLs with a host name. Or send a data: URL.",
            "port": f"Images are fetched from port {', '.join(map(str, ports.values()))} only. Or send the image as a "
            "data: URL.",
            "host": "This server does not fetch images from that host. Send the image as a data: URL.",
        }[error.why]


async def body_of(response: httpx.Response, most_bytes: int) -> bytes:
    """Raises TooLargeError; FetchError when there is none, or it is packed."""
    if response.status_code != 200 or response.headers.get("content-encoding", "identity") != "identity":
        raise FetchError(UNREACHABLE)
    body = bytearray()
    if int(response.headers.get("content-length", "0")) > most_bytes:
        raise TooLargeError
    async for part in response.aiter_raw():
        body += part
        if len(body) > most_bytes:
            raise TooLargeError
    return bytes(body)
