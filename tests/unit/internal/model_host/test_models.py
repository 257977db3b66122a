"""What an operator does with models: over gRPC, with real worker processes, each state awaited as the edge sees it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import psutil
import pytest
from gen import model_host_pb2 as pb

from internal.config import ConfigError, ModelsFile
from internal.gently import NICENESS
from internal.model_host.folder import models_in
from internal.model_host.models import Models
from internal.model_host.settings import HostSettings
from internal.model_host.worker import Worker
from tests.unit.internal.model_host.test_host import MODULES, PATIENCE_S, Running, model, running
from tests.unit.internal.model_host.test_memory import text, whole, write_gguf
from tests.unit.internal.sessions import groups_by_session, until_niceness

GIB = 1 << 30
NOBODY = 65534


async def started(worker: Worker) -> int:
    """Its process."""
    async with asyncio.timeout(PATIENCE_S):
        while not worker.pid:  # the host tells of states, and has none for this
            await asyncio.sleep(0.01)
    return worker.pid


def sleeping(name: str = "m", **fields: Any) -> Any:
    """A row that is loaded for the first request, or by hand. Backend `scripted`: it has options that can be chosen."""
    return model(name, **{"preload": False, "backend": "scripted"} | fields)


async def until(run: Running, wanted: Callable[[dict[str, pb.Model]], bool]) -> dict[str, pb.Model]:
    watching = run.stub.Watch(pb.WatchRequest(heartbeat_s=1), metadata=run.metadata)
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for state in watching:
                known = {model.model: model for model in state.known}
                if wanted(known):
                    return known
    finally:
        watching.cancel()
    raise AssertionError("the stream ended")


async def until_is(run: Running, state: pb.State.ValueType, name: str = "m") -> pb.Model:
    return (await until(run, lambda known: name in known and known[name].state == state))[name]


async def load(run: Running, name: str = "m", **fields: Any) -> pb.Model:
    return await run.stub.Load(pb.LoadRequest(model=name, **fields), metadata=run.metadata)


async def unload(run: Running, name: str = "m") -> pb.Model:
    return await run.stub.Unload(pb.UnloadRequest(model=name), metadata=run.metadata)


def status_of(refusal: pytest.ExceptionInfo[grpc.aio.AioRpcError]) -> tuple[grpc.StatusCode, str]:
    return refusal.value.code(), refusal.value.details() or ""


# ---------------------------------------------------------------- by hand


async def test_a_model_is_loaded_with_what_was_chosen_and_leaves_nothing_behind() -> None:
    async with running(sleeping(options={"slots": 2})) as run:
        assert (await until_is(run, pb.ASLEEP)).on_demand
        begun = await load(run, context_length=512, pinned=True)
        assert (begun.state, begun.pinned) == (pb.LOADING, True)
        await until_is(run, pb.READY)
        [worker] = run.host.workers
        assert worker.model.options == {"slots": 2, "context_length": 512}
        assert worker.state().optional and worker.state().progress == 1.0
        [pid] = run.pids()
        assert (await unload(run)).state == pb.DRAINING
        ended = await until_is(run, pb.UNLOADED)
        assert not ended.on_demand and not psutil.pid_exists(pid) and not run.host.workers


async def test_what_was_there_from_the_start_is_not_missed_once_it_is_unloaded() -> None:
    async with running(model("m", options={"act": "ignore SIGTERM"}), drain_s=0.2) as run:
        await until_is(run, pb.READY)
        assert not run.host.state().models[0].optional
        await unload(run)
        await until_is(run, pb.DRAINING)
        assert run.host.state().models[0].optional
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await load(run)
        assert "being unloaded" in status_of(refusal)[1]


@groups_by_session
async def test_a_load_gives_way_unless_somebody_waits_for_it() -> None:
    for_ever = {"act": "loads for ever"}
    async with running(sleeping("woken", options=for_ever), sleeping("wanted", options=for_ever)) as run:
        await load(run, "woken", on_demand=True)
        await load(run, "wanted")
        workers = {worker.model.name: worker for worker in run.host.workers}
        await until_niceness(await started(workers["wanted"]), NICENESS)
        await until_niceness(await started(workers["woken"]), 0)


@groups_by_session
async def test_who_is_ready_gives_way_no_more() -> None:
    async with running(sleeping()) as run:
        await load(run)
        await until_is(run, pb.READY)
        [worker] = run.host.workers
        await until_niceness(worker.pid, 0)


async def test_loading_again_changes_only_what_need_not_be_loaded() -> None:
    async with running(sleeping()) as run:
        await load(run, slots=2)
        await until_is(run, pb.READY)
        pids = run.pids()
        again = await load(run, slots=2, idle_ttl_s=60, pinned=True)
        assert (again.state, again.idle_ttl_s, again.pinned) == (pb.READY, 60.0, True)
        assert (await load(run)).state == pb.READY
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await load(run, slots=3)
        assert status_of(refusal)[0] == grpc.StatusCode.FAILED_PRECONDITION
        assert run.pids() == pids


@pytest.mark.parametrize(
    ("name", "fields", "code", "said"),
    [
        ("n", {}, grpc.StatusCode.NOT_FOUND, "model: "),
        ("m", {"dtype": "bfloat16"}, grpc.StatusCode.INVALID_ARGUMENT, "dtype: "),
        ("gone", {}, grpc.StatusCode.INVALID_ARGUMENT, "model: the files"),
    ],
)
async def test_what_cannot_be_loaded_is_refused_with_the_reason(
    name: str, fields: dict[str, Any], code: grpc.StatusCode, said: str
) -> None:
    async with running(sleeping(), sleeping("gone", path="/nowhere/x.gguf")) as run:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await load(run, name, **fields)
        assert status_of(refusal)[0] == code and status_of(refusal)[1].startswith(said)
        assert not run.host.workers


async def test_there_must_be_something_to_unload() -> None:
    async with running(sleeping()) as run:
        await unload(run)  # from now on no request loads it
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await unload(run)
        assert status_of(refusal)[0] == grpc.StatusCode.FAILED_PRECONDITION


# ---------------------------------------------------------------- what goes wrong


async def test_a_model_that_does_not_load_has_failed_with_the_reason_and_can_be_tried_again(tmp_path: Path) -> None:
    options = {"act": "fails once", "mark": str(tmp_path / "mark")}
    async with running(sleeping(options=options)) as run:
        await load(run)
        failed = await until_is(run, pb.FAILED)
        assert "no such file: weights.gguf" in failed.error
        with pytest.raises(grpc.aio.AioRpcError) as refusal:  # a request does not try again
            await load(run, on_demand=True)
        assert status_of(refusal)[0] == grpc.StatusCode.FAILED_PRECONDITION
        await load(run)
        assert not (await until_is(run, pb.READY)).error


async def test_a_worker_that_dies_while_it_loads_has_failed() -> None:
    async with running(sleeping(options={"act": "loads for ever"})) as run:
        await load(run)
        os.kill(await one_pid(run), signal.SIGKILL)
        assert (await until_is(run, pb.FAILED)).error == "killed by SIGKILL"


async def test_a_worker_that_dies_later_is_started_again() -> None:
    async with running(sleeping()) as run:
        await load(run)
        await until_is(run, pb.READY)
        os.kill(*run.pids(), signal.SIGKILL)
        await until_is(run, pb.ERROR)
        await until_is(run, pb.READY)


async def test_unloading_ends_a_load() -> None:
    async with running(sleeping(options={"act": "loads for ever"})) as run:
        await load(run)
        pid = await one_pid(run)
        await unload(run)
        await until_is(run, pb.UNLOADED)
        assert not psutil.pid_exists(pid)


async def one_pid(run: Running) -> int:
    async with asyncio.timeout(PATIENCE_S):
        while not run.pids():
            await asyncio.sleep(0.01)
    return run.pids()[0]


async def test_a_host_that_ends_begins_nothing() -> None:
    async with running(model("slow", options={"act": "ignore SIGTERM"}), sleeping(), drain_s=0.2) as run:
        await until_is(run, pb.READY, "slow")
        run.stop.set()
        await until_is(run, pb.DRAINING, "slow")
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await load(run)
        assert status_of(refusal) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "model: this host is starting, or shutting down.",
        )


# ---------------------------------------------------------------- idleness and memory


async def test_what_nobody_asks_for_sleeps_until_the_next_request() -> None:
    async with running(sleeping(idle_ttl_s=0.1), model("kept", idle_ttl_s=0.1, pinned=True)) as run:
        await load(run, slots=2)
        await until_is(run, pb.READY)
        slept = await until_is(run, pb.ASLEEP)
        assert slept.on_demand
        assert (await load(run, on_demand=True)).state == pb.LOADING
        await until_is(run, pb.READY)
        assert run.host.models.find("m").config.options == {"slots": 2}, "as it was loaded last"
        await until_is(run, pb.ASLEEP)
        assert (await until_is(run, pb.READY, "kept")).pinned


async def test_what_is_used_does_not_sleep() -> None:
    async with running(sleeping("busy", idle_ttl_s=0.1, options={"act": "is busy"}), sleeping(idle_ttl_s=1.0)) as run:
        await load(run, "busy")
        await until_is(run, pb.READY, "busy")
        await load(run)
        await until_is(run, pb.READY)
        known = await until(run, lambda known: known["m"].state == pb.ASLEEP)  # it would have been the first to go
        assert known["busy"].state == pb.READY


async def test_a_request_loads_only_what_sleeps() -> None:
    async with running(sleeping()) as run:
        await unload(run)
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await load(run, on_demand=True)
        assert status_of(refusal)[0] == grpc.StatusCode.FAILED_PRECONDITION


async def test_two_that_do_not_fit_together_are_not_both_begun() -> None:
    rows = [sleeping(name, memory_bytes=GIB, options={"act": "loads for ever"}) for name in ("a", "b")]
    async with running(*rows, memory_bytes=GIB * 3 // 2) as run:
        begun = await asyncio.gather(load(run, "a"), load(run, "b"), return_exceptions=True)
        [refused] = [each for each in begun if isinstance(each, grpc.aio.AioRpcError)]
        assert refused.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "needs 1.00 GiB of memory and there are 0.50" in (refused.details() or "")


async def test_the_longest_idle_that_is_not_pinned_makes_room() -> None:
    rows = [sleeping(name, memory_bytes=GIB) for name in ("first", "second", "third", "new")]
    async with running(*rows, memory_bytes=GIB * 7 // 2) as run:
        for name in ("first", "second", "third"):
            await load(run, name, pinned=name == "first")
            await until_is(run, pb.READY, name)
        assert (await load(run, "new")).state == pb.LOADING
        known = await until(run, lambda known: known["new"].state == pb.READY)
        states = {name: told.state for name, told in known.items()}
        assert states == {"first": pb.READY, "second": pb.ASLEEP, "third": pb.READY, "new": pb.READY}
        assert (await load(run, "second", on_demand=True)).state == pb.LOADING
        assert (await until_is(run, pb.ASLEEP, "third")).on_demand


async def test_what_is_on_its_way_out_is_waited_for() -> None:
    rows = [sleeping(name, memory_bytes=GIB) for name in ("old", "new")]
    async with running(*rows, memory_bytes=GIB * 3 // 2) as run:
        await load(run, "old")
        await until_is(run, pb.READY, "old")
        await unload(run, "old")
        assert (await load(run, "new")).state == pb.LOADING
        known = await until(run, lambda known: known["new"].state == pb.READY)
        assert known["old"].state == pb.UNLOADED, "it was unloaded by hand: no request brings it back"


# ---------------------------------------------------------------- the folder


def write_models(folder: Path) -> None:
    for path in ("b.gguf", "mmproj-b.gguf", ".c.part/c.gguf", "org/b.gguf", "org/d-00001-of-00002.gguf"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"GGUF")
    (folder / "org/d-00002-of-00002.gguf").touch()
    for path in ("hf/config.json", "hf/model.safetensors", "st/config.json", "st/modules.json"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text("{}")


async def test_the_folder_adds_models_and_models_yaml_counts(tmp_path: Path) -> None:
    write_models(tmp_path)
    settings = {"model_dir": tmp_path, "default_model": "b", "preload_model": "b", "gpu_layers": 7, "context_size": 99}
    async with running(model("hf", owned_by="yaml"), **settings) as run:
        await until_is(run, pb.READY, "b")
        known = await until(run, lambda known: known["hf"].state == pb.READY)
        assert {name: (told.backend, told.kind) for name, told in known.items()} == {
            "b": ("llamacpp", pb.CHAT),
            "org/b": ("llamacpp", pb.CHAT),
            "d-00001-of-00002": ("llamacpp", pb.CHAT),
            "hf": ("fake", pb.CHAT),
            "st": ("transformers", pb.EMBEDDING),
        }
        assert known["st"].state == pb.UNLOADED and not known["st"].on_demand
        assert run.host.models.find("b").config.options == {"n_gpu_layers": 7, "context_length": 99}
        assert run.host.state().aliases["*"] == "b"
        (tmp_path / "late.gguf").write_bytes(b"GGUF")
        assert (await load(run, "late")).state == pb.LOADING


def write_nonsense(folder: Path) -> None:
    """What the disk, or a download, may leave in MODEL_DIR."""
    for name, config in {
        "deep": "[" * 200_000,
        "vast": f'{{"num_hidden_layers": 1{"0" * 400}, "hidden_size": 9}}',
    }.items():
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(config)
    most = struct.pack("<IQ", 10, (1 << 64) - 1)
    pairs = [text("general.architecture") + struct.pack("<I", 8) + text("x")]
    pairs += [text(f"x.{name}") + most for name in ("block_count", "embedding_length", "context_length")]
    write_gguf(folder / "endless.gguf", *pairs, whole("x.attention.head_count", 1))
    (folder / os.fsdecode(b"no-utf-8-\xff.gguf")).write_bytes(b"GGUF")
    (folder / "broken.gguf").symlink_to("nowhere")


async def test_whatever_is_in_the_folder_the_models_go_on(tmp_path: Path) -> None:
    async with running(model("good"), model_dir=tmp_path) as run:
        write_nonsense(tmp_path)
        (tmp_path / "last.gguf").write_bytes(b"GGUF")
        known = await until(run, lambda known: "last" in known and known["good"].state == pb.READY)
        assert known.keys() == {"good", "last", "deep", "vast", "endless"}
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await load(run, "endless")
        assert status_of(refusal)[0] == grpc.StatusCode.RESOURCE_EXHAUSTED


@contextlib.contextmanager
def as_an_ordinary_user_of(folder: Path) -> Iterator[Path]:
    """Root reads everything."""
    user = os.geteuid()
    os.chown(folder, user or NOBODY, -1)
    os.seteuid(user or NOBODY)
    try:
        yield folder
    finally:
        os.seteuid(user)


def test_a_folder_that_nobody_may_read_is_passed_over() -> None:
    with tempfile.TemporaryDirectory() as name, as_an_ordinary_user_of(Path(name)) as folder:
        (folder / "lost+found").mkdir(mode=0)
        (folder / "good.gguf").write_bytes(b"GGUF")
        assert [row.name for row in models_in(folder)] == ["good"]


@pytest.mark.parametrize("setting", ["default_model", "preload_model"])
def test_a_name_that_nothing_has_is_told_at_the_start(tmp_path: Path, setting: str) -> None:
    with pytest.raises(ConfigError, match=setting.upper()):
        Models(ModelsFile([]), HostSettings(**{setting: "x"}), tmp_path, MODULES, lambda: None)


@pytest.mark.parametrize(("said", "preloaded"), [("true", "d"), ("0", ""), ("e", "e")])
def test_preloading_is_a_name_or_the_default(said: str, preloaded: str) -> None:
    settings = HostSettings.from_env({"DEFAULT_MODEL": "d", "PRELOAD_MODEL": said})
    assert settings.preload_model == preloaded


# ---------------------------------------------------------------- nothing is left behind


async def test_cycles_leave_no_process_file_or_port() -> None:
    async with running(sleeping()) as run:
        await cycle(run)  # what is opened once is open now
        own = psutil.Process()
        before = held(own)
        for _ in range(5):
            await cycle(run)
        async with asyncio.timeout(PATIENCE_S):
            while any(now > then for now, then in zip(held(own), before, strict=True)):
                await asyncio.sleep(0.02)


async def cycle(run: Running) -> None:
    await load(run)
    await until_is(run, pb.READY)
    await unload(run)
    await until_is(run, pb.UNLOADED)


def held(own: psutil.Process) -> tuple[int, int, int]:
    """Files, processes and ports."""
    family = [own, *own.children(recursive=True)]
    ports = [link for each in family for link in each.net_connections("tcp") if link.status == psutil.CONN_LISTEN]
    return own.num_fds(), len(family), len(ports)
