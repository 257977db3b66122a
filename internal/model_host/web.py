"""Where models are downloaded from: hosts that the operator names, over https and checked as `outbound/guard.py` says,
or origins written with their scheme (`http://10.0.0.5:8080`), which are the operator's own and called as they stand.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urljoin, urlsplit

import httpx

from internal.model_host.errors import InvalidError
from outbound.guard import MOST_REDIRECTS, Guard, RefusedError, UnreachableError

REFUSALS = {
    "no hosts": "this host downloads nothing: NOVAI_DOWNLOAD_HOSTS is empty.",
    "form": "expected OWNER/REPOSITORY, or an https:// URL with a host name.",
    "port": "expected the port of https.",
    "host": "that host is none of NOVAI_DOWNLOAD_HOSTS.",
}


class Web:
    """`hosts`: comma separated, names as of `Guard` and origins. `token`: told to the origin of `endpoint` only, and to
    nobody it leads to. Used as an `async with` block."""

    def __init__(self, hosts: str, endpoint: str = "", token: str = "") -> None:
        self._endpoint = origin_of(endpoint)
        self._authorization = {"authorization": f"Bearer {token}"} if token else {}
        entries = [entry.strip() for entry in hosts.split(",") if entry.strip()]
        self._origins = {entry.rstrip("/").lower() for entry in entries if "://" in entry}
        self._guard = Guard(",".join(entry for entry in entries if "://" not in entry))
        self._direct = httpx.AsyncHTTPTransport(trust_env=False)

    async def __aenter__(self) -> Web:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._guard.aclose()
        await self._direct.aclose()

    @asynccontextmanager
    async def open(self, url: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[httpx.Response]:
        """The answer behind a URL, its body unread. Raises InvalidError for one that may not be called; FAILURES."""
        headers = headers or {}
        async with AsyncExitStack() as stack:
            for _ in range(1 + MOST_REDIRECTS):
                if not self._is_ours(url):
                    break
                response = await stack.enter_async_context(self._ours(url, self._told(url, headers)))
                if not response.has_redirect_location:
                    yield response
                    return
                await stack.aclose()
                url = urljoin(url, response.headers["location"])
            else:
                raise UnreachableError
            try:
                response = await stack.enter_async_context(self._guard.open(url, self._told(url, headers)))
            except RefusedError as error:
                raise InvalidError(REFUSALS[error.why], "source") from None
            yield response

    def _is_ours(self, url: str) -> bool:
        return origin_of(url) in self._origins

    def _told(self, url: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        return {**headers, **self._authorization} if origin_of(url) == self._endpoint else headers

    @asynccontextmanager
    async def _ours(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        sent = {"host": urlsplit(url).netloc, "accept-encoding": "identity", "user-agent": "novai"} | dict(headers)
        response = await self._direct.handle_async_request(httpx.Request("GET", url, headers=sent))
        try:
            yield response
        finally:
            await response.aclose()


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
