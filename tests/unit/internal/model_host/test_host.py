"""The model host with real worker processes: ready, crashed, hung, drained, abandoned."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import msgspec
import psutil
import pytest
from gen import model_host_pb2 as pb
from gen import model_host_pb2_grpc as rpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from internal.config import ConfigError, ModelConfig, ModelsFile
from internal.model_host.ports import NoFreePortError, Ports, is_free
from internal.model_host.service import GaveUpError, ModelHost
from internal.model_host.settings import HostSettings
from internal.serving import GrpcServer

FAKE = "tests.unit.internal.model_host.fake_worker"
MODULES = {"chat": FAKE, "embedding": FAKE}
PATIENCE_S = 30.0


def model(name: str = "m", **fields: Any) -> ModelConfig:
    return msgspec.convert({"name": name, "kind": "chat", "backend": "fake"} | fields, ModelConfig)


class Running:
    """A host in this process, watched over gRPC as the edge watches it."""

    metadata = (("authorization", "Bearer t"),)

    def __init__(self, host: ModelHost, stub: rpc.ModelHostServiceAsyncStub, stop: asyncio.Event) -> None:
        self.host = host
        self.stub = stub
        self.stop = stop
        self.ready = asyncio.Event()
        self.task = asyncio.create_task(host.run(stop, self.ready))

    async def until(self, wanted: Callable[[list[pb.ModelState]], bool]) -> list[pb.ModelState]:
        async with asyncio.timeout(PATIENCE_S):
            async for state in self.watch(pb.WatchRequest(heartbeat_s=1)):
                if wanted(list(state.models)):
                    return list(state.models)
        raise AssertionError("the stream ended")

    async def until_state(self, state: pb.State.ValueType, restarts: int = 0) -> pb.ModelState:
        """The only model, once it is in `state` after so many restarts."""
        [found] = await self.until(lambda models: models[0].state == state and models[0].restarts >= restarts)
        return found

    def watch(self, request: pb.WatchRequest) -> AsyncIterator[pb.HostState]:
        return self.stub.Watch(request, metadata=self.metadata)

    def pids(self) -> list[int]:
        return [worker._process.pid for worker in self.host.workers if worker._process and worker.life.alive]


@contextlib.asynccontextmanager
async def running(*models: ModelConfig, **settings: Any) -> AsyncIterator[Running]:
    file = ModelsFile(list(models), {f"{model.name}-*": model.name for model in models})
    host = ModelHost(file, HostSettings(**{"drain_s": 5.0, "grpc_token": "t"} | settings), Path("unused"), MODULES)
    server = GrpcServer("127.0.0.1:0", [], "t")
    rpc.add_ModelHostServiceServicer_to_server(host, server.server)
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        run = Running(host, rpc.ModelHostServiceStub(channel), asyncio.Event())  # type: ignore[arg-type]
        try:
            while not (host.models.settled or run.task.done()):
                await asyncio.sleep(0)
            yield run
        finally:
            pids = run.pids()
            run.stop.set()
            with contextlib.suppress(GaveUpError):
                await run.task
            await server.drain(0.1)
            assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_ready_workers_are_published_with_what_they_said() -> None:
    rows = [model("a", replicas=2, owned_by="me"), model("b", kind="embedding", created=7)]
    async with running(*rows) as run:
        models = await run.until(lambda models: all(m.state == pb.READY for m in models))
        assert run.ready.is_set()
        assert [(m.model, m.kind, m.slots, m.device) for m in models] == [
            ("a", pb.CHAT, 3, "fake"),
            ("a", pb.CHAT, 3, "fake"),
            ("b", pb.EMBEDDING, 3, "fake"),
        ]
        assert [m.owned_by for m in models] == ["me", "me", "novai"]
        assert models[2].created == 7
        assert len({m.endpoint for m in models}) == 3
        assert all(m.memory_bytes > 1 << 20 for m in models)
        for m in models:
            async with grpc.aio.insecure_channel(m.endpoint) as channel:
                stub = health_pb2_grpc.HealthStub(channel)
                answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
                assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_killed_worker_comes_back_elsewhere_and_the_others_do_not_notice() -> None:
    async with running(model("victim"), model("bystander")) as run:
        before = await run.until(lambda models: all(m.state == pb.READY for m in models))
        victim, bystander = run.pids()
        os.kill(victim, signal.SIGKILL)
        down = await run.until(lambda models: models[0].state == pb.ERROR)
        assert down[0].error == "killed by SIGKILL"
        assert down[0].endpoint == "", "nobody is sent to a dead worker"
        after = await run.until(lambda models: models[0].state == pb.READY)
        assert after[0].restarts == 1
        assert after[0].endpoint != before[0].endpoint
        assert after[1].endpoint == before[1].endpoint
        assert run.pids()[1] == bystander


async def test_a_failing_load_says_why_and_is_tried_again(tmp_path: Path) -> None:
    async with running(model(options={"act": "fails once", "mark": str(tmp_path / "mark")})) as run:
        failed = await run.until_state(pb.ERROR, restarts=0)
        while not failed.error.startswith("exited"):  # "not started" comes first
            failed = await run.until_state(pb.ERROR)
        assert failed.error == "exited with code 1: error: no such file: weights.gguf"
        assert (await run.until_state(pb.READY, restarts=1)).error == ""


async def test_a_hung_worker_is_killed_and_replaced(tmp_path: Path) -> None:
    """Stopped, it accepts connections and answers nothing: only the missing answers give it away."""
    async with running(model(options={"act": "hang once", "mark": str(tmp_path / "mark")})) as run:
        await run.until_state(pb.READY)
        hung = await run.until_state(pb.ERROR)
        assert hung.error.startswith("hung")
        await run.until_state(pb.READY, restarts=1)


async def test_a_worker_that_ignores_sigterm_is_killed_after_the_drain_time() -> None:
    async with running(model(options={"act": "ignore SIGTERM"}), drain_s=0.1) as run:
        await run.until_state(pb.READY)
        run.stop.set()
        draining = await run.until_state(pb.DRAINING)
        assert draining.endpoint, "running requests are still served"
        await run.task


async def test_what_a_worker_started_goes_with_it() -> None:
    async with running(model(options={"act": "leave a child"})) as run:
        await run.until_state(pb.READY)
        [worker] = run.pids()
        children = psutil.Process(worker).children()
        assert len(children) == 1
        os.kill(worker, signal.SIGKILL)
        await run.until_state(pb.READY, restarts=1)
        # A zombie is what remains where nothing reaps orphans.
        assert not children[0].is_running() or children[0].status() == psutil.STATUS_ZOMBIE


async def test_a_hopeless_model_ends_the_host_where_that_is_wanted() -> None:
    async with running(model("good"), model("bad", options={"act": "never loads"}), load_attempts=2) as run:
        with pytest.raises(GaveUpError, match=r"bad does not load: exited with code 1: error: no such file"):
            await run.task
        assert not run.pids()


def test_a_port_just_left_comes_back_last() -> None:
    assert Ports("127.0.0.1", None).take() == 0
    first = free_range(3)
    ports = Ports("127.0.0.1", range(first, first + 3))
    assert [ports.take() - first for _ in range(5)] == [0, 1, 2, 0, 1]
    with socket.create_server(("127.0.0.1", first + 2)):
        assert ports.take() == first, "a port in use is passed over"
        with pytest.raises(NoFreePortError, match="NOVAI_WORKER_PORTS"):
            Ports("127.0.0.1", range(first + 2, first + 3)).take()


def free_range(count: int) -> int:
    return next(n for n in range(21000, 30000, 10) if all(is_free("127.0.0.1", n + i) for i in range(count)))


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"NOVAI_LISTEN": "0.0.0.0:50051"}, "NOVAI_GRPC_TOKEN"),
        ({"NOVAI_LISTEN": "127.0.0.1:99999"}, "NOVAI_LISTEN"),  # the kernel would listen on another one, 34463
        ({"NOVAI_LISTEN": "localhost"}, "NOVAI_LISTEN"),
        ({"NOVAI_WORKER_PORTS": "9-1"}, "NOVAI_WORKER_PORTS"),
        ({"NOVAI_WORKER_PORTS": "many"}, "NOVAI_WORKER_PORTS"),
        ({"NOVAI_DRAIN_S": "soon"}, "NOVAI_DRAIN_S"),
        ({"NOVAI_DRAIN_S": "1e300"}, "NOVAI_DRAIN_S='1e300': expected a number of seconds from 0 to 1000000000$"),
        ({"NOVAI_GRPC_TOKEN": "secret\n"}, "^NOVAI_GRPC_TOKEN has characters"),
        ({"MODEL_BACKEND": "llamacpp"}, "MODEL_BACKEND='llamacpp': expected one of auto, llama-cpp, transformers"),
        ({"NOVAI_LOAD_ATTEMPTS": "1.5"}, "NOVAI_LOAD_ATTEMPTS"),
        ({"NOVAI_LOAD_ATTEMPTS": "-1"}, "NOVAI_LOAD_ATTEMPTS.*from 0"),
        ({"NOVAI_MEMORY_BYTES": str(1 << 70)}, "NOVAI_MEMORY_BYTES"),
        ({"CONTEXT_SIZE": "-1"}, "CONTEXT_SIZE.*from 0"),
        ({"GPU_LAYERS": "-2"}, "GPU_LAYERS.*from -1"),
        ({"NOVAI_HF_ENDPOINT": "nan"}, "NOVAI_HF_ENDPOINT='nan': expected a URL such as https://huggingface.co"),
        ({"NOVAI_HF_ENDPOINT": "https://"}, "NOVAI_HF_ENDPOINT"),
        ({"NOVAI_HF_ENDPOINT": "https://[mirror"}, "NOVAI_HF_ENDPOINT"),
    ],
)
def test_a_setting_that_cannot_work_is_named(env: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        HostSettings.from_env(env)


# ---------------------------------------------------------------- the whole process

ENTRY = f"from internal.host import main; main({MODULES!r})"


def start_host(folder: Path, rows: str, **env: str) -> subprocess.Popen[str]:
    (folder / "models.yaml").write_text(rows)
    return subprocess.Popen(
        [sys.executable, "-c", ENTRY],
        env=os.environ | {"NOVAI_MODELS": str(folder / "models.yaml"), "NOVAI_LISTEN": "127.0.0.1:0"} | env,
        stderr=subprocess.PIPE,
        text=True,
    )


def lines_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"ended without saying {words!r}")


ROWS = "models: [{name: m, kind: chat, backend: fake}]"


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -9)])
def test_workers_end_with_the_host_however_it_ends(tmp_path: Path, ending: signal.Signals, code: int) -> None:
    with start_host(tmp_path, ROWS) as process:
        lines_until(process, "m ready")
        workers = psutil.Process(process.pid).children()
        assert len(workers) == 1
        process.send_signal(ending)
        assert process.wait(PATIENCE_S) == code
        assert process.stderr is not None
        process.stderr.read()
    gone, alive = psutil.wait_procs(workers, PATIENCE_S)
    assert gone and not alive


@pytest.mark.parametrize(
    ("rows", "env", "said"),
    [
        ("models: [{name: m}]", {}, "kind"),
        (f"{ROWS}\naliases: {{gpt-4o: n}}", {}, "there is no model 'n'"),
        (ROWS, {"NOVAI_MODELS": "/nowhere/models.yaml"}, "no such file"),
        (ROWS, {"NOVAI_LISTEN": "203.0.113.1:1", "NOVAI_GRPC_TOKEN": "t"}, "NOVAI_LISTEN"),
        (ROWS, {"NOVAI_WORKER_HOST": "203.0.113.1", "NOVAI_LOAD_ATTEMPTS": "1"}, "NOVAI_WORKER_HOST"),
        (ROWS, {"NOVAI_RECEIPTS_FOLDER": "/proc/receipts"}, "NOVAI_RECEIPTS_FOLDER"),
    ],
)
def test_a_broken_configuration_is_one_clear_line(tmp_path: Path, rows: str, env: dict[str, str], said: str) -> None:
    with start_host(tmp_path, rows, **env) as process:
        assert process.wait(PATIENCE_S) == 1
        assert process.stderr is not None
        *_, last = process.stderr.read().strip().splitlines()
        assert last.startswith("error: ") and said in last
