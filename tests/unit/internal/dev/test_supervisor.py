"""The supervisor with small real programs: order, readiness, crashes, failures, the way down."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import psutil
import pytest

from internal.dev.life import Life, State
from internal.dev.probes import grpc_serving, http_ok, says, tcp_open
from internal.dev.processes import free_port
from internal.dev.supervisor import Service, ServiceFailedError, Supervisor
from internal.serving import GrpcServer

PATIENCE_S = 30.0

# Makes a file when it is ready, says so, and waits for SIGTERM.
SERVER = """
import pathlib, signal, sys, time
def leave(*_):
    print("leaving", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
time.sleep(float(sys.argv[2]))
pathlib.Path(sys.argv[1]).touch()
print("serving", flush=True)
while True:
    signal.pause()
"""
ONCE = "import pathlib, sys; pathlib.Path(sys.argv[1]).touch(); print('did it')"
STUBBORN = """
import pathlib, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).touch()
while True:
    signal.pause()
"""


def program(code: str, *arguments: object) -> Sequence[str]:
    return (sys.executable, "-c", code, *map(str, arguments))


class Stack:
    def __init__(self, services: Sequence[Service]) -> None:
        self.states: list[tuple[str, State]] = []
        self.lines: list[tuple[str, str]] = []
        self.supervisor = Supervisor(services, self.changed, self.heard)

    def changed(self, name: str, life: Life) -> None:
        self.states.append((name, life.state))

    def heard(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    def when(self, name: str, state: State) -> int:
        return self.states.index((name, state))


@contextlib.asynccontextmanager
async def stack(*services: Service) -> AsyncIterator[Stack]:
    running = Stack(services)
    try:
        yield running
    finally:
        pids = [running.supervisor.pid(service.name) for service in services]
        await running.supervisor.down()
        assert not any(pid and psutil.pid_exists(pid) for pid in pids)


def server(folder: Path, name: str, *after: str, slow_s: float = 0.0) -> Service:
    mark = folder / name
    ready = says(lambda _pid: mark.exists())
    return Service(name=name, argv=program(SERVER, mark, slow_s), after=after, ready=ready)


async def test_up_in_the_order_of_dependencies_down_in_reverse(tmp_path: Path) -> None:
    rows = [
        server(tmp_path, "base", slow_s=0.2),
        Service(name="prepare", argv=program(ONCE, tmp_path / "prepared"), after=["base"]),
        server(tmp_path, "beside"),
        server(tmp_path, "top", "prepare", "beside", "not in this table"),
    ]
    async with stack(*rows) as running:
        await asyncio.wait_for(running.supervisor.up(), PATIENCE_S)
        assert running.when("base", State.READY) < running.when("prepare", State.STARTING)
        assert running.when("prepare", State.DONE) < running.when("top", State.STARTING)
        assert running.when("beside", State.STARTING) < running.when("base", State.READY), "they start together"
        assert ("prepare", "did it") in running.lines
    stopped = [name for name, state in running.states if state is State.STOPPED]
    assert stopped == ["top", "beside", "prepare", "base"]
    assert [name for name, line in running.lines if line == "leaving"] == ["top", "beside", "base"]


async def test_what_is_killed_comes_back(tmp_path: Path) -> None:
    async with stack(server(tmp_path, "victim"), server(tmp_path, "other")) as running:
        await running.supervisor.up()
        first, other = running.supervisor.pid("victim"), running.supervisor.pid("other")
        (tmp_path / "victim").unlink()
        running.supervisor.kill("victim")
        async with asyncio.timeout(PATIENCE_S):
            await running.supervisor.until("victim", State.RESTARTING)
            await running.supervisor.until("victim", State.READY)
        assert running.supervisor.pid("victim") not in (0, first)
        assert running.supervisor.pid("other") == other


@pytest.mark.parametrize(
    ("service", "reason", "last_line"),
    [
        (Service(name="x", argv=program("print('no luck'); raise SystemExit(3)")), "exited with code 3", "no luck"),
        (
            Service(name="x", argv=program("import os; os.kill(os.getpid(), 6)"), ready=tcp_open("127.0.0.1", 1)),
            "killed by SIGABRT",
            None,
        ),
        (
            Service(
                name="x",
                argv=program("print('thinking', flush=True); import time; time.sleep(600)"),
                ready=tcp_open("127.0.0.1", 1),
                patience_s=1.0,
            ),
            "did not become ready in time",
            "thinking",
        ),
        (Service(name="x", argv=program("import time; time.sleep(600)"), patience_s=0.2), "did not become ready", None),
    ],
)
async def test_a_failed_start_names_the_process_and_its_last_words(
    tmp_path: Path, service: Service, reason: str, last_line: str | None
) -> None:
    async with stack(server(tmp_path, "fine"), service, server(tmp_path, "never", "x")) as running:
        with pytest.raises(ServiceFailedError, match=reason) as failed:
            await asyncio.wait_for(running.supervisor.up(), PATIENCE_S)
        assert failed.value.service.name == "x"
        assert last_line is None or last_line in failed.value.last_lines
        assert running.supervisor.state("never") is State.WAITING


async def test_who_does_not_stop_when_asked_is_killed(tmp_path: Path) -> None:
    mark = tmp_path / "stubborn"
    ready = says(lambda _pid: mark.exists())
    async with stack(Service(name="stubborn", argv=program(STUBBORN, mark), ready=ready, stop_s=0.2)) as running:
        await running.supervisor.up()


async def test_probes_say_no_until_the_answer_is_yes() -> None:
    health = GrpcServer("127.0.0.1:0", [])
    probe = grpc_serving(f"127.0.0.1:{health.port}")
    await health.start()
    assert not await probe(0)
    await health.ready()
    assert await probe(0)
    await health.drain(0)

    status = b"503 Service Unavailable"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError):  # a probe that only connects
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET /readyz HTTP/1.1\r\n")
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as web:
        port = web.sockets[0].getsockname()[1]
        assert not await http_ok("127.0.0.1", port, "/readyz")(0)
        status = b"200 OK"
        assert await http_ok("127.0.0.1", port, "/readyz")(0)
        assert await tcp_open("127.0.0.1", port)(0)
    with pytest.raises(OSError):
        await tcp_open("127.0.0.1", free_port())(0)
