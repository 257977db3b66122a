"""Fetching what callers point at: whom no packet reaches, and what comes back of whom it does.

A real server on loopback counts who connects. Names lead where a small resolver says; loopback is allowed where a test
needs an answer, and nowhere else.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest

from api.clients.fetcher import AT_ONCE, UNREACHABLE, Fetcher, FetchError, TooLargeError
from outbound.addresses import Address, is_public
from outbound.guard import Guard, is_own, resolve
from tests.swallowing import swallowing

MIB = 1 << 20
CERTIFICATE = Path(__file__).parent / "pictures.test.pem"  # of pictures.test, by itself, and its key
LOOPBACK = ip_address("127.0.0.1")
Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """What it was asked: path and host. `connections` counts those that asked nothing, too. `trusted`: hosts that were
    told a secret."""

    port: int = 0
    connections: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    trusted: list[str] = field(default_factory=list)


@asynccontextmanager
async def serving(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    told = Server()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            host = next(line for line in head if line.lower().startswith("host:")).partition(": ")[2]
            told.trusted += [host for line in head if line == "authorization: a secret"]
            told.asked.append((head[0].split(" ")[1], host))
            await answer(head[0].split(" ")[1], writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    told.port = server.sockets[0].getsockname()[1]
    try:
        yield told
    finally:
        server.close()


def saying(body: bytes, *headers: str, status: str = "200 OK") -> Answer:
    async def answer(_path: str, writer: asyncio.StreamWriter) -> None:
        head = "\r\n".join([f"HTTP/1.1 {status}", *headers, "connection: close", "", ""])
        writer.write(head.encode() + body)
        await writer.drain()

    return answer


class Names:
    """Where names lead: each look-up takes the next answer of a name, and the last one stays."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self._answers = {name.replace("_", "."): found for name, found in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str) -> list[Address]:
        self.asked.append(host)
        found = self._answers[host]
        return [ip_address(text) for text in (found.pop(0) if len(found) > 1 else found[0])]


@asynccontextmanager
async def fetching(
    server: Server,
    names: Callable[[str], Awaitable[list[Address]]] | None = None,
    allowed: bool = True,
    hosts: str = "*",
    timeout_s: float = 10.0,
) -> AsyncIterator[Fetcher]:
    """Over http, to the server's port. `allowed`: whether loopback is, and this machine."""
    guard = Guard(
        hosts,
        resolve=names or Names(pictures_test=[["127.0.0.1"]]),
        is_allowed=lambda address: is_public(address) or (allowed and address == LOOPBACK),
        is_own=lambda address: not allowed and is_own(address),
        ports={"http": server.port},
    )
    made = Fetcher(guard, timeout_s)
    try:
        yield made
    finally:
        await made.aclose()


async def test_a_picture_is_fetched_under_its_own_name() -> None:
    async with serving(saying(b"pixels")) as server, fetching(server) as fetch:
        assert await fetch.fetch("http://Pictures.test/A?b=c%20#d", MIB, "project") == b"pixels"
        assert await fetch.fetch(f"HTTP://pictures.test:{server.port}?b", MIB, "project") == b"pixels"
    assert server.asked == [("/A?b=c%20", "pictures.test"), ("/?b", "pictures.test")]


@pytest.mark.parametrize(
    ("host", "believed", "fetched"),
    [("pictures.test", True, True), ("pictures.test", False, False), ("others.test", True, False)],
)
async def test_the_certificate_is_the_names_though_the_address_is_called(
    host: str, believed: bool, fetched: bool
) -> None:
    asked: list[str | None] = []
    serves = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serves.load_cert_chain(CERTIFICATE)
    serves.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with serving(saying(b"pixels"), serves) as server:
        guard = Guard(
            "*",
            resolve=Names(pictures_test=[["127.0.0.1"]], others_test=[["127.0.0.1"]]),
            is_allowed=lambda address: address == LOOPBACK,
            is_own=lambda _: False,
            ports={"https": server.port},
            tls=ssl.create_default_context(cafile=CERTIFICATE if believed else None),
        )
        fetch = Fetcher(guard)
        try:
            body = await fetch.fetch(f"https://{host}/", MIB, "project")
        except FetchError as error:
            body = str(error).encode()
        await fetch.aclose()
    assert asked == [host]
    assert (body, len(server.asked)) == ((b"pixels", 1) if fetched else (UNREACHABLE.encode(), 0))


# ---------------------------------------------------------------- who is not called

SPELLINGS = [
    "127.0.0.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "127.1", "0", "①②⑦.⓪.⓪.①", "127。0。0。1", "[::1]",
    "[::]", "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[::127.0.0.1]", "[fe80::1%25lo]", "100.100.100.200", "168.63.129.16", "[fd00:ec2::254]", "224.0.0.1", "0.0.0.0",
    "169.254.169.254", "127.0.0.1.", "user@127.0.0.1", "a@b@127.0.0.1", "1.1.1.1@127.0.0.1", "localhost", "LOCALHOST",
    "127.0.0.1%2f@1.1.1.1", "127.0.0.1%00.pictures.test", "loc\talhost", "local host", " localhost",
    "localhost\\@1.1.1.1", "localhost\r\nHost: x",
]  # fmt: skip


@pytest.mark.parametrize("host", SPELLINGS)
@pytest.mark.parametrize("form", ["http://{host}:{port}/x", "http://{host}/x", "http:\\\\{host}:{port}/x"])
async def test_no_spelling_of_a_forbidden_address_is_called(host: str, form: str) -> None:
    """With the system's own resolver, and a server that would notice."""
    async with serving(saying(b"secret")) as server, fetching(server, resolve, allowed=False) as fetch:
        with pytest.raises(FetchError):
            await fetch.fetch(form.format(host=host, port=server.port), MIB, "project")
    assert server.connections == 0


async def test_the_table_above_can_fail() -> None:
    """Without the rule about addresses, the system's resolver leads to the server."""
    async with serving(saying(b"secret")) as server, fetching(server, resolve) as fetch:
        assert await fetch.fetch("http://localhost/x", MIB, "project") == b"secret"
    assert server.connections == 1


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "0.0.0.0", "169.254.169.254"],
)
async def test_a_name_that_leads_to_a_forbidden_address_is_not_called(address: str) -> None:
    async with serving(saying(b"secret")) as server:
        async with fetching(server, Names(pictures_test=[[address]]), allowed=False) as fetch:
            with pytest.raises(FetchError, match="could not be fetched"):
                await fetch.fetch("http://pictures.test/", MIB, "project")
    assert server.connections == 0


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "fd00::1"], []]
)
async def test_one_forbidden_address_of_a_name_is_enough(addresses: list[str]) -> None:
    """127.0.0.1 is allowed here, and the server answers there."""
    async with serving(saying(b"pixels")) as server:
        async with fetching(server, Names(pictures_test=[addresses])) as fetch:
            with pytest.raises(FetchError):
                await fetch.fetch("http://pictures.test/", MIB, "project")
    assert server.connections == 0


async def test_a_name_is_looked_up_once_and_that_address_is_called() -> None:
    """A name that leads elsewhere a moment later: nobody asks again."""
    names = Names(pictures_test=[["127.0.0.1"], ["10.0.0.1"]])
    async with serving(saying(b"pixels")) as server, fetching(server, names) as fetch:
        assert await fetch.fetch("http://pictures.test/", MIB, "project") == b"pixels"
        assert names.asked == ["pictures.test"]
        with pytest.raises(FetchError):  # the next image is looked up anew
            await fetch.fetch("http://pictures.test/", MIB, "project")
    assert server.connections == 1


def test_this_machines_own_addresses_are_known() -> None:
    assert is_own(LOOPBACK)
    assert is_own(ip_address("127.9.9.9")) is False  # comes from 127.0.0.1; forbidden by the table
    assert not is_own(ip_address("192.0.2.1"))


async def test_this_machine_is_not_called_by_its_own_public_address() -> None:
    """The rule about addresses allows it here, as it would a public one."""
    async with serving(saying(b"secret")) as server:
        guard = Guard(
            "*",
            resolve=Names(pictures_test=[["127.0.0.1"]]),
            is_allowed=lambda _: True,
            ports={"http": server.port},
        )
        fetch = Fetcher(guard)
        with pytest.raises(FetchError):
            await fetch.fetch("http://pictures.test/", MIB, "project")
        await fetch.aclose()
    assert server.connections == 0


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://pictures.test/", "https URLs"),
        ("ftp://pictures.test/", "https URLs"),
        ("file:///etc/passwd", "https URLs"),
        ("//pictures.test/", "https URLs"),
        ("", "https URLs"),
        ("https://1.1.1.1/", "https URLs"),
        ("https://a:b@pictures.test/", "https URLs"),
        ("https://pictures.test:6379/", "port 443"),
        ("https://pictures.test:50051/", "port 443"),
        ("https://pictures.test:5432/", "port 443"),
        ("https://other.test/", "that host"),
        ("https://xpictures.test/", "that host"),
        ("https://pictures.test.other.test/", "that host"),
    ],
)
async def test_what_an_url_may_be_is_said(url: str, told: str) -> None:
    names = Names()
    fetch = Fetcher(Guard("pictures.test, *.images.test", resolve=names))
    with pytest.raises(FetchError, match=told):
        await fetch.fetch(url, MIB, "project")
    assert names.asked == []


async def test_without_hosts_nothing_is_fetched() -> None:
    with pytest.raises(FetchError, match="fetches no images"):
        await Fetcher(Guard("")).fetch("https://pictures.test/", MIB, "project")


async def test_an_address_that_swallows_packets_keeps_nobody_from_the_next_one() -> None:
    async with serving(saying(b"pixels")) as server:
        with swallowing(server.port) as address:
            guard = Guard(
                "*",
                resolve=Names(pictures_test=[[address, "127.0.0.1"]]),
                is_allowed=lambda _: True,
                is_own=lambda _: False,
                ports={"http": server.port},
            )
            fetch = Fetcher(guard)
            assert await fetch.fetch("http://pictures.test/", MIB, "project") == b"pixels"
            await fetch.aclose()


# ---------------------------------------------------------------- redirects


def sending_to(left: list[str]) -> Answer:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        if not left:
            return await saying(b"pixels")(path, writer)
        return await saying(b"", f"location: {left.pop(0)}", "content-length: 0", status="302 Found")(path, writer)

    return answer


async def test_three_redirects_are_followed() -> None:
    async with serving(sending_to(["/b", "http://pictures.test/c", "?d"])) as server, fetching(server) as fetch:
        assert await fetch.fetch("http://pictures.test/a", MIB, "project") == b"pixels"
    assert [path for path, _ in server.asked] == ["/a", "/b", "/c", "/c?d"]


async def test_a_secret_is_told_to_the_first_host_only() -> None:
    names = Names(pictures_test=[["127.0.0.1"]], elsewhere_test=[["127.0.0.1"]])
    places = ["/b", "http://elsewhere.test/c"]
    async with serving(sending_to(places)) as server:
        guard = Guard(
            "*", resolve=names, is_allowed=lambda _: True, is_own=lambda _: False, ports={"http": server.port}
        )
        async with guard.open("http://pictures.test/a", {"authorization": "a secret"}) as response:
            assert response.status_code == 200
        await guard.aclose()
    assert [host for _, host in server.asked] == ["pictures.test", "pictures.test", "elsewhere.test"]
    assert server.trusted == ["pictures.test", "pictures.test"]


@pytest.mark.parametrize(
    "places",
    [
        ["/b", "/c", "/d", "/e"],
        ["http://private.test/"],
        ["http://127.0.0.1:{port}/"],
        ["http://[::1]:{port}/"],
        ["//127.0.0.1:{port}/"],
        ["https://pictures.test/"],
        ["file:///etc/passwd"],
        ["gopher://pictures.test/"],
        ["http://elsewhere.other/"],
        ["http://user@pictures.test/"],
        ["http://pictures.test:22/"],
        ["http://[/"],
    ],
)
async def test_every_redirect_begins_from_the_top(places: list[str]) -> None:
    names = Names(pictures_test=[["127.0.0.1"]], private_test=[["10.0.0.1"]])
    left: list[str] = []
    async with serving(sending_to(left)) as server:
        left += [place.format(port=server.port) for place in places]
        async with fetching(server, names, hosts="*.test") as fetch:
            with pytest.raises(FetchError):
                await fetch.fetch("http://pictures.test/a", MIB, "project")
    assert server.connections == min(len(places), 4)


# ---------------------------------------------------------------- bodies


async def for_ever(_path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(saying(b"", f"content-length: {10 << 30}"), id="10 GB declared"),
        pytest.param(for_ever, id="chunks without end"),
        pytest.param(saying(bytes(MIB + 1)), id="more than allowed, until the end"),
    ],
)
async def test_a_body_that_is_too_large_is_not_read(answer: Answer) -> None:
    async with serving(answer) as server, fetching(server) as fetch:
        with pytest.raises(TooLargeError):
            await fetch.fetch("http://pictures.test/", MIB, "project")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(saying(b"packed", "content-encoding: gzip"), id="gzip"),
        pytest.param(saying(b"no", status="404 Not Found"), id="404"),
        pytest.param(saying(b"no", status="500 Oops"), id="500"),
        pytest.param(saying(b"", status="304 Not Modified"), id="304"),
        pytest.param(saying(b"part", status="206 Partial Content"), id="206"),
        pytest.param(saying(b"part", "content-length: 99"), id="less than declared"),
        pytest.param(saying(b"x", "content-length: many"), id="no number"),
        pytest.param(saying(b"nothing", status="nonsense"), id="no HTTP"),
        pytest.param(saying(b"x", "a: " + "b" * 200_000), id="endless header"),
    ],
)
async def test_what_is_no_answer_is_one_sentence(answer: Answer) -> None:
    async with serving(answer) as server, fetching(server) as fetch:
        with pytest.raises(FetchError) as caught:
            await fetch.fetch("http://pictures.test/", MIB, "project")
    assert str(caught.value) == UNREACHABLE


async def test_a_body_that_drips_is_given_up() -> None:
    async def drip(_path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(drip) as server, fetching(server, timeout_s=0.2) as fetch:
        with pytest.raises(FetchError, match="could not be fetched"):
            await fetch.fetch("http://pictures.test/", MIB, "project")


async def test_who_refuses_the_connection_is_told_apart_from_nobody() -> None:
    async with serving(saying(b"")) as server:
        pass
    async with fetching(server) as fetch:
        with pytest.raises(FetchError) as caught:
            await fetch.fetch("http://pictures.test/", MIB, "project")
    assert str(caught.value) == UNREACHABLE


async def test_slow_hosts_of_one_project_keep_no_other_waiting() -> None:
    slow = asyncio.Event()

    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        if path == "/slow":
            await slow.wait()
        await saying(b"pixels")(path, writer)

    async with serving(answer) as server, fetching(server, timeout_s=30) as fetch:
        held = [asyncio.create_task(fetch.fetch("http://pictures.test/slow", MIB, "one")) for _ in range(2 * AT_ONCE)]
        while not server.asked:
            await asyncio.sleep(0)
        assert await fetch.fetch("http://pictures.test/", MIB, "two") == b"pixels"
        slow.set()
        assert await asyncio.gather(*held) == [b"pixels"] * len(held)
