"""HTTP/1.1 against real sockets that say exactly what the test wants."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from internal.upstream import http
from internal.upstream.http import BrokenError, Connections
from tests.swallowing import swallowing

TESTS = Path(__file__).parents[3]

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[Connections]:
    """`serve` gets each request, its body read, with the number of its connection."""
    tasks: set[asyncio.Task[None]] = set()
    numbers = iter(range(100))

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(numbers)
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                await reader.readexactly(length)
                await serve(reader, writer, number)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(connection(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    connections = Connections(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/")
    try:
        yield connections
    finally:
        connections.close()
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def ask(connections: Connections) -> tuple[int, bytes]:
    answer = await connections.post("/chat", b"x-test: 1\r\n", b"{}")
    return answer.status, await answer.whole()


async def begun_and_released(connections: Connections, first: bytes) -> None:
    """An answer of which only the first piece is read; its connection is idle afterwards."""
    answer = await connections.post("/", b"", b"{}")
    assert await answer.read() == first
    answer.release()
    while not connections._idle:
        await asyncio.sleep(0.01)


def saying(*pieces: bytes, close: bool = False) -> Serve:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _number: int) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if close:
            writer.close()

    return serve


@pytest.mark.parametrize("line", [b"x: y\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"y"])
async def test_a_head_without_an_end_is_bounded(line: bytes) -> None:
    """Whoever says headers for ever is not listened to until the memory is full."""
    start = b"" if line.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\nx: "

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _number: int) -> None:
        writer.write(start)
        while not writer.is_closing():
            writer.write(line * (http.MOST_HEAD_BYTES // len(line)))
            await writer.drain()

    async with serving(serve) as connections:
        with pytest.raises(BrokenError, match="head"):
            await ask(connections)


async def test_connections_are_kept_and_used_again() -> None:
    seen = []

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        seen.append(number)
        writer.write(OK)

    async with serving(serve) as connections:
        for _ in range(5):
            assert await ask(connections) == (200, b"ok")
        await asyncio.gather(*(ask(connections) for _ in range(4)))
    assert seen[:5] == [0] * 5
    assert len(set(seen)) <= 4


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabcde",
        b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nabcde",
    ],
)
async def test_answers_are_read_wherever_they_are_cut(said: bytes) -> None:
    for size in (1, 7, len(said)):
        pieces = [said[start : start + size] for start in range(0, len(said), size)]
        async with serving(saying(*pieces)) as connections:
            assert await ask(connections) == (200, b"abcde")


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async with serving(saying(b"HTTP/1.1 200 OK\r\n\r\nabc", close=True)) as connections:
        assert await ask(connections) == (200, b"abc")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ],
)
async def test_what_is_cut_or_no_http_is_broken(said: bytes) -> None:
    async with serving(saying(said, close=True)) as connections:
        with pytest.raises(BrokenError):
            await ask(connections)


async def test_a_status_that_is_none_is_no_http() -> None:
    async with serving(saying(b"HTTP/1.1 000 ?\r\ncontent-length: 0\r\n\r\n")) as connections:
        with pytest.raises(BrokenError, match="not HTTP"):
            await asyncio.wait_for(ask(connections), 10)


async def test_where_nobody_listens_there_is_no_connection() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(BrokenError, match="no connection"):
        await ask(Connections(f"http://127.0.0.1:{port}"))


async def test_what_is_wrong_with_a_certificate_is_said() -> None:
    """Expired ones are what an operator meets; this one is signed by itself."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(TESTS / "unit/api/clients/pictures.test.pem")
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=tls) as listener:
        url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        with pytest.raises(BrokenError, match="no connection: self-signed certificate"):
            await Connections(url).post("/x", b"", b"")


async def test_a_kept_connection_that_was_closed_meanwhile_costs_no_request() -> None:
    """Its other end closes it when the next request comes, without a word."""
    served: dict[int, int] = {}

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        served[number] = served.get(number, 0) + 1
        if served[number] > 1:
            writer.close()
        else:
            writer.write(OK)

    async with serving(serve) as connections:
        for _ in range(4):
            assert await ask(connections) == (200, b"ok")
    assert served == {0: 2, 1: 2, 2: 2, 3: 1}


async def test_a_request_that_was_begun_to_be_answered_is_not_sent_again() -> None:
    said = [OK, b"HTTP/1.1 200 OK\r\n", OK]

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _number: int) -> None:
        writer.write(said.pop(0))
        if len(said) == 1:
            writer.close()

    async with serving(serve) as connections:
        await ask(connections)
        with pytest.raises(BrokenError, match="closed before"):
            await ask(connections)
    assert said == [OK]


async def test_closing_all_cuts_what_runs_and_keeps_none() -> None:
    async with serving(saying(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab")) as connections:
        answer = await connections.post("/", b"", b"{}")
        connections.close()
        with pytest.raises(BrokenError, match="closed before"):
            await answer.whole()
    assert not connections._all


async def test_an_answer_that_has_no_body_says_nothing_of_the_next() -> None:
    """The connection is closed under the next request, which is not the end of an answer that has not begun."""

    said = [b"HTTP/1.1 204 No Content\r\n\r\n", b"", OK]

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _number: int) -> None:
        if answer := said.pop(0):
            writer.write(answer)
        else:
            writer.close()

    async with serving(serve) as connections:
        assert await ask(connections) == (204, b"")
        assert await asyncio.wait_for(ask(connections), 10) == (200, b"ok")


async def test_closing_an_answer_closes_the_connection_and_releasing_it_does_not() -> None:
    left = asyncio.Event()
    seen = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        seen.append(number)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab")
        if number == 0 and len(seen) == 1:
            await asyncio.sleep(0.05)
            writer.write(b"cd")
        else:
            await reader.read(1)
            left.set()

    async with serving(serve) as connections:
        await begun_and_released(connections, b"ab")
        second = await connections.post("/", b"", b"{}")
        second.close()
        await asyncio.wait_for(left.wait(), 5)
    assert seen == [0, 0]


async def test_who_is_not_read_has_to_wait() -> None:
    written = 0

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _number: int) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (64 << 20))
        for _ in range(64):
            writer.write(b"x" * (1 << 20))
            await writer.drain()
            written += 1

    async with serving(serve) as connections:
        answer = await connections.post("/", b"", b"{}")
        before = -1
        while written != before:  # until the buffers on the way are full
            before = written
            await asyncio.sleep(0.2)
        assert written < 32
        assert answer._held <= http.BUFFER_BYTES + (1 << 20)
        assert len(await answer.whole()) == 64 << 20


async def test_a_connection_whose_last_answer_nobody_read_to_its_end_carries_the_next() -> None:
    """So much of it had come with its end that no more was to come."""
    rest = b"x" * (http.BUFFER_BYTES + 1000)

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _number: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\nx" % (1 + len(rest)))
        await asyncio.sleep(0.05)
        writer.write(rest)

    async with serving(serve) as connections:
        await begun_and_released(connections, b"x")
        assert (await asyncio.wait_for(ask(connections), 10))[1] == b"x" + rest


async def test_an_address_that_swallows_packets_keeps_nobody_from_the_next_one() -> None:
    async def names(_host: str) -> list[str]:
        return [address, "127.0.0.1"]

    async with serving(saying(OK)) as direct:
        with swallowing(direct._port) as address:
            connections = Connections(f"http://upstream.test:{direct._port}", 1.0, names)
            assert await ask(connections) == (200, b"ok")
            connections.close()


async def test_a_name_that_leads_nowhere_is_no_connection() -> None:
    async def names(_host: str) -> list[str]:
        return []

    with pytest.raises(BrokenError, match="no connection"):
        await ask(Connections("http://upstream.test", 1.0, names))
