"""Models of an installation as its operator has them come and go: a real model host, real workers, the admin API and
`novai models`, while others use what is loaded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.conftest import database
from tests.contract import tenants
from tests.contract.tenants import CHAT, ok, refused, until
from tests.edge import Edge, edge_in_thread
from tests.hosts import model_host

TINY = Path("models/novai-tiny/novai-tiny.Q8_0.gguf").resolve()
MODELS = "/admin/v1/models"
ROWS = """
models:
  - {name: first, kind: chat, backend: scripted, free: true}
  - {name: by-hand, kind: chat, backend: scripted, free: true, preload: false, options: {step_ms: 20}}
  - {name: sleeper, kind: chat, backend: scripted, free: true, preload: false}
  - {name: short, kind: chat, backend: scripted, free: true, preload: false, idle_ttl_s: 0.5}
  - {name: too-large, kind: chat, backend: scripted, free: true, preload: false, memory_bytes: 4000000000000000}
  - {name: corrupt, kind: chat, backend: llamacpp, free: true, preload: false, path: corrupt.gguf}
  - {name: broken, kind: chat, backend: scripted, free: true, preload: false, options: {no_such_option: 1}}
"""


@contextmanager
def file_server(folder: Path) -> Iterator[str]:
    """Serves a folder. Its base URL."""

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_: Any) -> None: ...

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None: ...  # who looks at a file closes the connection

    with Server(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def installation(
    postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Edge, int, str]]:
    """The edge, the process id of its model host, and where a file to download is."""
    folder = tmp_path_factory.mktemp("lifecycle")
    (folder / "corrupt.gguf").write_bytes(b"GGUF" + b"\x03" * 4096)
    (folder / "served").mkdir()
    (folder / "served" / "fetched.gguf").symlink_to(TINY)
    with file_server(folder / "served") as url:
        env = {"MODEL_DIR": str(folder / "models"), "NOVAI_DOWNLOAD_HOSTS": url}
        with model_host(folder, ROWS, **env) as (address, host), database(postgres_url) as database_url:
            with edge_in_thread(database_url, redis_url, host_address=address) as edge:
                yield edge, host.pid, url


@pytest.fixture(scope="module")
def operator(installation: tuple[Edge, int, str]) -> Iterator[httpx.Client]:
    edge, _, _ = installation
    with tenants.client(edge, edge.admin_key) as client:
        yield client


@pytest.fixture(scope="module")
def caller(installation: tuple[Edge, int, str]) -> Iterator[httpx.Client]:
    edge, _, _ = installation
    with tenants.client(edge, edge.key) as client:
        yield client


def chat(caller: httpx.Client, model: str, said: str = "one two three") -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": f'script:[{{"say": "{said}"}}]'}]}
    return caller.post(CHAT, json=body)


def load(operator: httpx.Client, model: str, **choices: Any) -> httpx.Response:
    return operator.post(f"{MODELS}/{model}/load", json=choices)


def status(operator: httpx.Client, model: str) -> Any:
    return ok(operator.get(f"{MODELS}/{model}/status"))


def until_is(operator: httpx.Client, model: str, state: str) -> Any:
    until(lambda: status(operator, model)["state"] == state)
    return status(operator, model)["hosts"][0]


# ---------------------------------------------------------------- by hand


def test_a_model_is_loaded_used_and_unloaded(operator: httpx.Client, caller: httpx.Client) -> None:
    listed = {model["id"]: model["state"] for model in ok(operator.get(MODELS))["data"]}
    assert listed["first"] == "ready" and listed["by-hand"] == "asleep"
    refused(operator.get(f"{MODELS}/by-hand/endpoint"), 409)
    begun = load(operator, "by-hand", context_length=1000, slots=3, pinned=True)
    assert begun.status_code == 202 and begun.json()["state"] == "loading"
    host = until_is(operator, "by-hand", "ready")
    [worker] = host["workers"]
    assert (worker["n_ctx"], worker["slots"], worker["n_gpu_layers"], host["pinned"]) == (1000, 3, 0, True)
    assert worker["endpoint"].endswith(f":{worker['port']}") and worker["memory_bytes"] > 0 and host["progress"] == 1
    where = ok(operator.get(f"{MODELS}/by-hand/endpoint"))
    assert (where["endpoints"], where["path"]) == ([worker["endpoint"]], CHAT)
    until(lambda: chat(caller, "by-hand").status_code == 200)
    refused(load(operator, "by-hand", slots=4), 409)

    assert operator.post(f"{MODELS}/by-hand/unload").status_code == 202
    until_is(operator, "by-hand", "unloaded")
    refused(chat(caller, "by-hand"), 404, "model_not_found")
    assert "by-hand" not in {model["id"] for model in ok(caller.get("/v1/models"))["data"]}
    refused(operator.post(f"{MODELS}/by-hand/unload"), 409)
    entries = ok(operator.get("/admin/v1/audit", params={"limit": 4}))["data"]
    assert [(entry["action"], entry["target"], entry["details"]) for entry in entries] == [
        ("model.unload", "by-hand", {}),  # which was refused
        ("model.unload", "by-hand", {}),
        ("model.load", "by-hand", {"slots": 4}),  # as was this
        ("model.load", "by-hand", {"context_length": 1000, "slots": 3, "pinned": True}),
    ]


def test_running_requests_end_before_their_model_does(operator: httpx.Client, caller: httpx.Client) -> None:
    load(operator, "by-hand")
    until(lambda: chat(caller, "by-hand").status_code == 200)
    words = " ".join(map(str, range(40)))  # 0.8 s
    body = {"model": "by-hand", "messages": [{"role": "user", "content": f'script:[{{"say": "{words}"}}]'}]}
    with caller.stream("POST", CHAT, json=body | {"stream": True}) as answer:
        lines = answer.iter_lines()
        assert answer.status_code == 200 and next(lines)
        assert operator.post(f"{MODELS}/by-hand/unload").json()["state"] == "draining"
        until(lambda: chat(caller, "by-hand").status_code in (404, 503))  # the edge hears of it in a moment
        chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    said = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert said.endswith("38 39")
    until_is(operator, "by-hand", "unloaded")


@pytest.mark.parametrize(("model", "reason"), [("corrupt", "cannot load this file"), ("broken", "no_such_option")])
def test_a_model_that_does_not_load_says_why_and_breaks_nothing(
    operator: httpx.Client, caller: httpx.Client, model: str, reason: str
) -> None:
    load(operator, model)
    assert reason in until_is(operator, model, "failed")["error"]
    refused(chat(caller, model), 503)
    ok(caller.get("/readyz"))
    ok(chat(caller, "first"))
    operator.post(f"{MODELS}/{model}/unload")
    refused(chat(caller, model), 404, "model_not_found")


@pytest.mark.parametrize(
    ("model", "choices", "code", "param"),
    [
        ("nothing", {}, 404, "model"),
        ("first", {"host": "nowhere:1"}, 404, "model"),
        ("by-hand", {"dtype": "float16"}, 400, "dtype"),
        ("by-hand", {"dtype": "int3"}, 400, "dtype"),
        ("by-hand", {"slots": 0}, 400, "slots"),
        ("too-large", {}, 409, "model"),
    ],
)
def test_what_cannot_be_loaded_is_refused(
    operator: httpx.Client, model: str, choices: dict[str, Any], code: int, param: str
) -> None:
    answer = load(operator, model, **choices)
    assert refused(answer, code)["param"] == param
    if code == 409:
        assert answer.json()["error"]["code"] == "insufficient_room" and answer.headers["x-should-retry"] == "false"


# ---------------------------------------------------------------- for a request


def test_a_request_wakes_a_model_and_waits_for_it(operator: httpx.Client, caller: httpx.Client) -> None:
    assert status(operator, "sleeper")["state"] == "asleep"
    assert ok(caller.get("/v1/models/sleeper"))["replicas"] == 0
    assert ok(chat(caller, "sleeper"))["choices"][0]["message"]["content"] == "one two three"
    assert status(operator, "sleeper")["state"] == "ready"


def test_an_idle_model_sleeps_and_the_next_request_wakes_it(operator: httpx.Client, caller: httpx.Client) -> None:
    ok(chat(caller, "short"))
    until_is(operator, "short", "asleep")
    ok(chat(caller, "short"))


def test_a_model_that_has_no_room_is_tried_again_later(caller: httpx.Client) -> None:
    answer = chat(caller, "too-large")
    assert refused(answer, 503, "server_is_overloaded") and int(answer.headers["retry-after"]) > 0


# ---------------------------------------------------------------- health


def test_health_tells_of_each_model(installation: tuple[Edge, int, str], caller: httpx.Client) -> None:
    _, pid, _ = installation
    assert ok(caller.get("/healthz"))["models"]["first"] == {"healthy": True, "accessible": True}
    worker = next(
        process for process in psutil.Process(pid).children() if '"first"' in process.environ().get("NOVAI_MODEL", "")
    )
    os.kill(worker.pid, signal.SIGSTOP)  # it stays away until somebody notices
    try:
        until(lambda: caller.get("/readyz").status_code == 503)
        readiness = caller.get("/readyz").json()
        assert readiness["status"] == "degraded" and readiness["models"]["first"]["accessible"] is False
        health = ok(caller.get("/healthz"))
        assert health["status"] == "degraded"
    finally:
        os.kill(worker.pid, signal.SIGKILL)
    until(lambda: caller.get("/readyz").json()["status"] == "ready")


# ---------------------------------------------------------------- from the command line


def novai(edge: Edge, *words: str) -> subprocess.CompletedProcess[str]:
    env = {"NOVAI_BASE_URL": f"{edge.url}/v1", "NOVAI_ADMIN_KEY": edge.admin_key}
    command = [sys.executable, "-m", "internal.cli", "models", *words]
    return subprocess.run(command, check=False, env=os.environ | env, capture_output=True, text=True, timeout=60)


def test_a_model_is_downloaded_loaded_and_answers(
    installation: tuple[Edge, int, str], operator: httpx.Client, caller: httpx.Client
) -> None:
    edge, _, url = installation
    fetched = novai(edge, "download", f"{url}/fetched.gguf")
    assert fetched.returncode == 0 and "fetched unloaded" in fetched.stderr, fetched.stderr
    loaded = novai(edge, "load", "fetched", "--context", "512", "--slots", "2", "--pin")
    assert loaded.returncode == 0 and "fetched ready" in loaded.stderr, loaded.stderr
    prices = dict.fromkeys(("input_usd_per_mtok", "cached_usd_per_mtok", "output_usd_per_mtok"), 0)
    ok(operator.post("/admin/v1/prices", json={"model": "fetched"} | prices))
    body = {"model": "fetched", "messages": [{"role": "user", "content": "What is a key?"}], "max_tokens": 8}
    until(lambda: caller.post(CHAT, json=body).status_code == 200)
    inspected = novai(edge, "inspect", "fetched").stdout
    assert "512 tokens, 2 slots, cpu" in inspected and "pinned     yes" in inspected
    assert "fetched" in novai(edge, "list").stdout
    ended = novai(edge, "unload", "fetched")
    assert ended.returncode == 0 and "fetched unloaded" in ended.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("load", "corrupt"), "cannot load this file"),
        (("load", "nothing"), "There is no model `nothing`"),
        (("download", "https://elsewhere.test/x.gguf"), "NOVAI_DOWNLOAD_HOSTS"),
    ],
)
def test_the_command_line_says_what_went_wrong(
    installation: tuple[Edge, int, str], words: tuple[str, ...], said: str
) -> None:
    failed = novai(installation[0], *words)
    assert failed.returncode == 1 and said in failed.stderr
