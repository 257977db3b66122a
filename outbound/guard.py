"""Opens URLs that others wrote, without becoming their way into the network this process stands in.

A URL is parsed once, by one strict expression, and is what that says: https, a name (never an address), no user, the
port of https. Its host must be one that the operator allows. The name is resolved once; every address it has must be a
public one of somebody else; the connection goes to the address that was checked, and TLS still asks for the name.
Redirects begin again from the top.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from types import MappingProxyType
from typing import Literal
from urllib.parse import urljoin

import httpx

from outbound.addresses import Address, is_public

MOST_REDIRECTS = 3
CONNECT_S = 1.0  # to an address, while there are others: it may swallow packets
PORTS = MappingProxyType({"https": 443})
# The last label begins with a letter: no spelling of an address does.
URL = re.compile(
    r"(?P<scheme>[a-z]+)://(?P<host>(?:[a-z0-9_-]+\.)*[a-z][a-z0-9-]*)(?::(?P<port>[0-9]{1,5}))?(?P<path>[/?][!-~]*)?"
)
Why = Literal["no hosts", "form", "port", "host"]


class RefusedError(Exception):
    """The URL is not called. `why`: no host is allowed at all, it is not of the form, not of the port, not of a host
    that is allowed."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why = why


class UnreachableError(Exception):
    """It leads nowhere, or where nobody may go: whoever wrote it is not told which."""


# Of a URL that may be called: it leads nowhere, or what comes is no answer.
FAILURES = (UnreachableError, OSError, ValueError, httpx.HTTPError, httpx.InvalidURL)

Resolve = Callable[[str], Awaitable[list[Address]]]


async def resolve(host: str) -> list[Address]:
    """All addresses of a name. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


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


class Guard:
    """`hosts`: names, comma separated; `*.example.com` is all below, `*` is every one.

    The rest is for tests: where names lead, which addresses may be called and which are this machine's, the one port of
    each scheme, whose certificates are believed.
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
    ) -> None:
        self._hosts = [host.strip().lower() for host in hosts.split(",") if host.strip()]
        self._resolve = resolve
        self._is_allowed = is_allowed
        self._is_own = is_own
        self.ports = ports
        self._tls = tls

    @asynccontextmanager
    async def open(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """The answer behind a URL and its redirects, its body unread. `authorization` is told to the first host only.

        Raises RefusedError, FAILURES.
        """
        first = ""
        async with AsyncExitStack() as stack:
            for _ in range(1 + MOST_REDIRECTS):
                target = self._target(url)
                first = first or target.host
                sent = headers if target.host == first else {k: v for k, v in headers.items() if k != "authorization"}
                response = await stack.enter_async_context(self._response(target, sent))
                if not response.has_redirect_location:
                    yield response
                    return
                await stack.aclose()
                url = urljoin(url, response.headers["location"])
        raise UnreachableError

    async def aclose(self) -> None:
        if "_transport" in self.__dict__:
            await self._transport.aclose()

    def _target(self, url: str) -> Target:
        if not self._hosts:
            raise RefusedError("no hosts")
        parsed = URL.fullmatch(with_small_host(url.partition("#")[0]))
        if parsed is None or len(parsed["host"]) > 253 or parsed["scheme"] not in self.ports:
            raise RefusedError("form")
        scheme, host, port = parsed["scheme"], parsed["host"], self.ports[parsed["scheme"]]
        if int(parsed["port"] or port) != port:
            raise RefusedError("port")
        if not any(fits(host, pattern) for pattern in self._hosts):
            raise RefusedError("host")
        path = parsed["path"] or "/"
        return Target(scheme, host, path if path.startswith("/") else f"/{path}")

    @asynccontextmanager
    async def _response(self, target: Target, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        addresses = await self._addresses(target.host)
        for address in addresses:
            limit_s = None if address == addresses[-1] else CONNECT_S
            try:
                response = await self._transport.handle_async_request(self._request(target, address, headers, limit_s))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # perhaps another one
            try:
                if peer_of(response) != address:
                    raise UnreachableError
                yield response
            finally:
                await response.aclose()
            return
        raise UnreachableError

    async def _addresses(self, host: str) -> list[Address]:
        """Where the name leads; nowhere if a single one of them may not be called."""
        addresses = await self._resolve(host)
        return addresses if all(self._is_allowed(each) and not self._is_own(each) for each in addresses) else []

    def _request(
        self, target: Target, address: Address, headers: Mapping[str, str], connect_s: float | None
    ) -> httpx.Request:
        url = httpx.URL(
            scheme=target.scheme, host=str(address), port=self.ports[target.scheme], raw_path=target.path.encode()
        )
        sent = {"host": target.host, "accept-encoding": "identity", "user-agent": "novai"} | dict(headers)
        extensions = {"sni_hostname": target.host, "timeout": {"connect": connect_s}}
        return httpx.Request("GET", url, headers=sent, extensions=extensions)

    @cached_property
    def _transport(self) -> httpx.AsyncHTTPTransport:
        """No proxies of the environment, and no connection twice: it would be another name's."""
        limits = httpx.Limits(max_keepalive_connections=0)
        return httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False, limits=limits)


def with_small_host(url: str) -> str:
    """Scheme and host in small letters; the path as it is."""
    scheme, separator, rest = url.partition("://")
    end = next((index for index, letter in enumerate(rest) if letter in "/?"), len(rest))
    return f"{scheme.lower()}{separator}{rest[:end].lower()}{rest[end:]}"


def fits(host: str, pattern: str) -> bool:
    return host == pattern or (pattern.startswith("*") and host.endswith(pattern[1:]))


def peer_of(response: httpx.Response) -> Address:
    return ip_address(response.extensions["network_stream"].get_extra_info("server_addr")[0])
