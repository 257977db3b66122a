"""Fetches what callers point at, without becoming their way into the network it stands in.

A URL is parsed once, by one strict expression, and is what that says: https, a name (never an address), no user, the
port of https. Its host must be one that the operator allows. The name is resolved once; every address it has must be a
public one of somebody else; the connection goes to the address that was checked, and TLS still asks for the name.
Redirects begin again from the top. Whatever goes wrong behind the checks is one sentence, so that the answer tells
nothing of the network.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from types import MappingProxyType
from urllib.parse import urljoin

import httpx

from api.clients.addresses import Address, is_public

TIMEOUT_S = 10.0  # of everything: names, connections, redirects, body
MOST_REDIRECTS = 3
AT_ONCE = 8
PORTS = MappingProxyType({"https": 443})
# The last label begins with a letter: no spelling of an address does.
URL = re.compile(
    r"(?P<scheme>[a-z]+)://(?P<host>(?:[a-z0-9_-]+\.)*[a-z][a-z0-9-]*)(?::(?P<port>[0-9]{1,5}))?(?P<path>[/?][!-~]*)?"
)
UNREACHABLE = "The image could not be fetched from its URL. Check that it is public, or send it as a data: URL."


class FetchError(Exception):
    """Says what the caller may know, and what to do next."""


class TooLargeError(FetchError):
    """More than the caller of `fetch` takes."""


Resolve = Callable[[str], Awaitable[list[Address]]]


async def resolve(host: str) -> list[Address]:
    """All addresses of a name. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [ip_address(entry[4][0]) for entry in found]


def is_own(address: Address) -> bool:
    """Whether it leads back to this machine: packets to it would come from it. None is sent to find out."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 9))
        except OSError:
            return False  # no way there
        return ip_address(probe.getsockname()[0]) == address


@dataclass(frozen=True, slots=True)
class Target:
    scheme: str
    host: str
    path: str


class Fetcher:
    """One per process. `hosts`: names, comma separated; `*.example.com` is all below, `*` is every one.

    The rest is for tests: where names lead, which addresses may be called and which are this machine's, the one port of
    each scheme, whose certificates are believed, how long it may all take.
    """

    def __init__(
        self,
        hosts: str,
        *,
        resolve: Resolve = resolve,
        is_allowed: Callable[[Address], bool] = is_public,
        is_own: Callable[[Address], bool] = is_own,
        ports: Mapping[str, int] = PORTS,
        tls: ssl.SSLContext | bool = True,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._hosts = [host.strip().lower() for host in hosts.split(",") if host.strip()]
        self._resolve = resolve
        self._is_allowed = is_allowed
        self._is_own = is_own
        self._ports = ports
        self._tls = tls
        self._timeout_s = timeout_s
        self._places = asyncio.Semaphore(AT_ONCE)

    async def fetch(self, url: str, most_bytes: int) -> bytes:
        """The body behind a URL. Raises FetchError, TooLargeError."""
        try:
            async with asyncio.timeout(self._timeout_s), self._places:
                return await self._follow(url, most_bytes)
        except (TimeoutError, OSError, ValueError, httpx.HTTPError, httpx.InvalidURL):
            raise FetchError(UNREACHABLE) from None

    async def aclose(self) -> None:
        if "_transport" in self.__dict__:
            await self._transport.aclose()

    async def _follow(self, url: str, most_bytes: int) -> bytes:
        for _ in range(1 + MOST_REDIRECTS):
            async with self._response(self._target(url)) as response:
                if not response.has_redirect_location:
                    return await body_of(response, most_bytes)
                url = urljoin(url, response.headers["location"])
        raise FetchError(UNREACHABLE)

    def _target(self, url: str) -> Target:
        if not self._hosts:
            raise FetchError("This server fetches no images. Send the image as a data: URL.")
        parsed = URL.fullmatch(with_small_host(url.partition("#")[0]))
        if parsed is None or len(parsed["host"]) > 253 or parsed["scheme"] not in self._ports:
            allowed = " or ".join(self._ports)
            raise FetchError(f"Images are fetched from {allowed} URLs with a host name. Or send a data: URL.")
        scheme, host, port = parsed["scheme"], parsed["host"], self._ports[parsed["scheme"]]
        if int(parsed["port"] or port) != port:
            raise FetchError(f"Images are fetched from port {port} only. Or send the image as a data: URL.")
        if not any(fits(host, pattern) for pattern in self._hosts):
            raise FetchError("This server does not fetch images from that host. Send the image as a data: URL.")
        path = parsed["path"] or "/"
        return Target(scheme, host, path if path.startswith("/") else f"/{path}")

    @asynccontextmanager
    async def _response(self, target: Target) -> AsyncIterator[httpx.Response]:
        for address in await self._addresses(target.host):
            try:
                response = await self._transport.handle_async_request(self._request(target, address))
            except httpx.ConnectError:
                continue  # perhaps another one
            try:
                if peer_of(response) != address:
                    raise FetchError(UNREACHABLE)
                yield response
            finally:
                await response.aclose()
            return
        raise FetchError(UNREACHABLE)

    async def _addresses(self, host: str) -> list[Address]:
        """Where the name leads; nowhere if a single one of them may not be called."""
        addresses = await self._resolve(host)
        return addresses if all(self._is_allowed(each) and not self._is_own(each) for each in addresses) else []

    def _request(self, target: Target, address: Address) -> httpx.Request:
        port = self._ports[target.scheme]
        url = httpx.URL(scheme=target.scheme, host=str(address), port=port, raw_path=target.path.encode())
        headers = {"host": target.host, "accept": "image/*", "accept-encoding": "identity", "user-agent": "novai"}
        return httpx.Request("GET", url, headers=headers, extensions={"sni_hostname": target.host})

    @cached_property
    def _transport(self) -> httpx.AsyncHTTPTransport:
        """No proxies of the environment, and no connection twice: it would be another name's."""
        limits = httpx.Limits(max_keepalive_connections=0)
        return httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False, limits=limits)


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


def with_small_host(url: str) -> str:
    """Scheme and host in small letters; the path as it is."""
    scheme, separator, rest = url.partition("://")
    end = next((index for index, letter in enumerate(rest) if letter in "/?"), len(rest))
    return f"{scheme.lower()}{separator}{rest[:end].lower()}{rest[end:]}"


def fits(host: str, pattern: str) -> bool:
    return host == pattern or (pattern.startswith("*") and host.endswith(pattern[1:]))


def peer_of(response: httpx.Response) -> Address:
    return ip_address(response.extensions["network_stream"].get_extra_info("server_addr")[0])
