"""`novai dev` from outside: what it says when it cannot start, what it leaves behind, and that nothing survives it."""

from __future__ import annotations

import asyncio
import os
import pty
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import psutil
import pytest

from internal.config import ModelConfig, ModelsFile
from internal.dev.command import with_chat_model
from internal.dev.display import LOG_BYTES, Log
from internal.dev.postgres_server import url
from internal.dev.processes import StartError, free_port
from internal.dev.state import Secrets, load_secrets, locked, read_env

PATIENCE_S = 60.0
MODELS = "models: [{name: m, kind: chat, backend: scripted}]"

# The rows that bring servers of their own, and a seed that needs no database.
ENTRY = """
import asyncio, sys
from pathlib import Path
from internal.dev.command import arguments, run, stack_settings
from internal.dev.processes import free_port
from internal.dev.stack import postgres, redis
from internal.dev.state import locked
from internal.dev.supervisor import Service

given = arguments().parse_args(sys.argv[2:])
state = given.state.absolute()
seed = 'import json, sys; json.dump({"api_key": "sk-1", "admin_key": "sk-2"}, open(sys.argv[1], "w")); print("seeded")'
broken = 'print("ERROR: no such table"); raise SystemExit(4)'
with locked(state):
    rows = [
        postgres(state / "postgres", int(sys.argv[1])),
        redis(state / "redis", free_port()),
        Service(name="seed", argv=[sys.executable, "-c", broken if given.model else seed, state / "seed.json"],
                after=["postgres", "redis"], advice="Delete {state}/postgres."),
    ]
    given.model = None
    sys.exit(asyncio.run(run(rows, stack_settings(given, state))))
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Of all tests here, so that the database is made once; each leaves it as `novai dev` leaves it."""
    path = Path(tempfile.mkdtemp(prefix="novai-test-"))
    path.chmod(0o755)
    (path / "models.yaml").write_text(MODELS)
    yield path
    shutil.rmtree(path)


def dev(
    folder: Path, *extra: str, entry: str = "", port: int | None = None, out: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    start = ["-c", ENTRY, entry] if entry else ["-m", "internal.cli", "dev"]
    given = ["--state", f"{folder}/state", "--models", f"{folder}/models.yaml", "--port", str(port or free_port())]
    return subprocess.Popen([sys.executable, *start, *given, *extra], stdout=out, stderr=subprocess.STDOUT, text=True)


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(f"ended without saying {words!r}:\n{said}")


def rest(process: subprocess.Popen[str]) -> str:
    """Everything until its end."""
    said, _ = process.communicate(timeout=PATIENCE_S)
    return said


async def one(port: int, folder: Path) -> object:
    connection = await asyncpg.connect(url(folder / "state/postgres", port))
    try:
        return await connection.fetchval("SELECT 1")
    finally:
        await connection.close()


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)])
def test_ready_then_gone_without_a_trace(folder: Path, ending: signal.Signals, code: int) -> None:
    port = free_port()
    with dev(folder, entry=str(port)) as process:
        said = read_until(process, "Ctrl-C")
        assert "Authorization: Bearer sk-1" in said and '"model": "m"' in said and "/docs" in said
        env = folder / "state/dev.env"
        assert stat.S_IMODE(env.stat().st_mode) == 0o600
        lines = env.read_text().splitlines()
        assert lines[0].startswith("NOVAI_BASE_URL=http://127.0.0.1:") and lines[0].endswith("/v1")
        assert lines[1:] == ["NOVAI_API_KEY=sk-1", "NOVAI_ADMIN_KEY=sk-2"]
        assert asyncio.run(one(port, folder)) == 1
        children = psutil.Process(process.pid).children(recursive=True)
        assert {child.name() for child in children} >= {"postgres", "redis-server"}

        with dev(folder) as second:
            assert f"already running on {folder}/state (pid {process.pid})" in rest(second)
            assert second.returncode == 1

        process.send_signal(ending)
        rest(process)
        assert process.returncode == code
    gone, alive = psutil.wait_procs(children, PATIENCE_S)
    assert len(gone) == len(children) and not alive
    assert env.exists() == (ending == signal.SIGKILL)


def test_models_yaml_may_be_edited_while_it_starts(folder: Path) -> None:
    with dev(folder, entry=str(free_port())) as process:
        read_until(process, "postgres │ starting")
        (folder / "models.yaml").write_text("models: [{na")
        try:
            assert '"model": "m"' in read_until(process, "Ctrl-C")
        finally:
            (folder / "models.yaml").write_text(MODELS)
        process.terminate()
        rest(process)


def test_a_killed_server_returns_at_its_old_address(folder: Path) -> None:
    port = free_port()
    with dev(folder, entry=str(port)) as process:
        read_until(process, "Ctrl-C")
        for child in psutil.Process(process.pid).children():
            if child.name() == "postgres":
                child.kill()
        said = read_until(process, "postgres │ ready")
        assert "restarting" in said and "killed by SIGKILL" in said
        assert asyncio.run(one(port, folder)) == 1
        process.terminate()
        rest(process)


def test_a_failing_step_is_explained_and_everything_stopped(folder: Path) -> None:
    with dev(folder, "--model", "anything", entry=str(free_port())) as process:
        said = rest(process)
    assert process.returncode == 1
    assert "✗ seed did not start: exited with code 4" in said
    assert "  │ ERROR: no such table" in said
    assert f"Delete {folder}/state/postgres." in said
    assert f"{folder}/state/logs/seed.log" in said
    assert not (folder / "state/dev.env").exists()


def test_who_closes_the_terminal_has_everything_stopped_in_order(folder: Path) -> None:
    ours, theirs = pty.openpty()
    with dev(folder, entry=str(free_port()), out=theirs) as process:
        os.close(theirs)
        said = b""
        while b"Ctrl-C" not in said:
            said += os.read(ours, 1 << 16)
        os.close(ours)
        process.send_signal(signal.SIGHUP)  # as the kernel does for those whose terminal it is
        assert process.wait(PATIENCE_S) == 0
    assert "database system is shut down" in (folder / "state/logs/postgres.log").read_text()


def test_what_cannot_work_is_said_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(MODELS)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with dev(tmp_path, port=port) as process:
            assert f"cannot listen on 127.0.0.1:{port}" in (said := rest(process)) and f"--port {port + 1}" in said
            assert process.returncode == 1
    with dev(tmp_path, "--model", "nowhere.gguf") as process:
        assert "nowhere.gguf" in (said := rest(process)) and "--model PATH" in said
    (tmp_path / "models.yaml").write_text("models: [{name: m}]")
    with dev(tmp_path) as process:
        assert "models.yaml" in rest(process)
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["lock"]


def test_another_chat_model_takes_the_aliases_along() -> None:
    vectors = ModelConfig(name="vectors", kind="embedding", backend="b")
    file = ModelsFile([ModelConfig(name="tiny", kind="chat", backend="b"), vectors], {"*": "tiny", "v-*": "vectors"})
    mine = ModelConfig(name="mine", kind="chat", backend="b")
    assert with_chat_model(file, mine) == ModelsFile([mine, vectors], {"*": "mine", "v-*": "vectors"})


def test_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    made = load_secrets(tmp_path)
    assert load_secrets(tmp_path) == made
    assert load_secrets_elsewhere(tmp_path) != made
    assert len(made.key_pepper) == len(made.grpc_token) == 64
    assert [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("secrets*")] == [0o600]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key_pepper": "a"}'])
def test_damaged_secrets_are_told_and_kept(tmp_path: Path, text: str) -> None:
    (tmp_path / "secrets.json").write_text(text)
    with pytest.raises(StartError, match="is damaged"):
        load_secrets(tmp_path)
    assert (tmp_path / "secrets.json").read_text() == text


@pytest.mark.parametrize(
    ("options", "file"), [([], "secrets.json"), (["--model", "models/novai-tiny/hf"], "models.yaml")]
)
def test_a_disk_without_space_is_told_in_a_line(tmp_path: Path, options: list[str], file: str) -> None:
    """A file may have no bytes here: a disk cannot be filled in every place where tests run."""
    given = ["--state", str(tmp_path), "--port", str(free_port()), *options]
    full = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); "
        f"from internal.dev.command import main; main({given})"
    )
    command = [sys.executable, "-c", full]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1 and done.stderr.startswith("novai dev: "), done.stderr
    assert file in done.stderr and done.stderr.count("\n") == 1


def load_secrets_elsewhere(tmp_path: Path) -> Secrets:
    other = tmp_path / "other"
    other.mkdir()
    return load_secrets(other)


def test_help_answers_at_once() -> None:
    """Processor time, so that a busy machine does not decide it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    helped = subprocess.run(
        [sys.executable, "-m", "internal.cli", "--help"], capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.2
    assert "novai" in helped.stdout and "dev" in helped.stdout
    wrong = subprocess.run([sys.executable, "-m", "internal.cli", "hlep"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 1 and "unknown word" in wrong.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--port", "0"], "ports are numbers from 1 to 65535"),
        (["--port", "65536"], "ports are numbers from 1 to 65535"),
        (["--state", "/dev/null/state"], "/dev/null/state cannot be written: Not a directory"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_started(tmp_path: Path, options: list[str], told: str) -> None:
    command = [sys.executable, "-m", "internal.cli", "dev", "--state", str(tmp_path), *options]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert (answer.returncode, told in answer.stderr, "Traceback" in answer.stderr) == (1, True, False), answer.stderr


def novai(arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """In a shell, in that folder."""
    command = f"{sys.executable} -m internal.cli {arguments}"
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": ":".join(str(Path(path).absolute()) for path in sys.path),
    } | environment
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def test_administration_without_a_stack_says_what_is_missing(tmp_path: Path) -> None:
    answer = novai("keys list", tmp_path)
    assert (answer.returncode, answer.stderr.count("\n")) == (1, 1)
    assert "no `novai dev` runs in this folder" in answer.stderr
    assert novai("keys --help", tmp_path).returncode == 0


def test_what_a_killed_stack_left_behind_is_not_believed(tmp_path: Path) -> None:
    state = tmp_path / ".novai"
    with locked(state):
        (state / "admin.env").write_text("DATABASE_URL=postgresql://x@127.0.0.1:1/x\nKEY_PEPPER=x\n")
        for nowhere in ({}, {"DATABASE_URL": ""}):  # as `novai dev` reads it
            assert "Check DATABASE_URL" in novai("keys list", tmp_path, **nowhere).stderr
        (state / "dev.env").write_text("NOVAI_BASE_URL=http://127.0.0.1:1/v1\nNOVAI_ADMIN_KEY=x\n")
        assert "cannot be reached" in novai("models list", tmp_path).stderr
    assert "no `novai dev` runs in this folder" in novai("keys list", tmp_path).stderr
    assert "run `novai dev` in this folder" in novai("models list", tmp_path).stderr
    with locked(state):
        assert not (state / "admin.env").exists()


def test_who_only_looks_keeps_nobody_from_starting(tmp_path: Path) -> None:
    looked, ended = threading.Event(), threading.Event()

    def look() -> None:
        while not ended.is_set():
            read_env(tmp_path, "dev.env")
            looked.set()

    with locked(tmp_path):
        pass
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        looked.wait()
        try:
            for _ in range(300):
                with locked(tmp_path):
                    pass
        finally:
            ended.set()
        looking.result()


def test_who_has_read_enough_is_told_nothing(tmp_path: Path) -> None:
    answer = novai("--help | true", tmp_path)
    assert (answer.returncode, answer.stderr) in ((141, ""), (0, ""))


def test_who_interrupts_a_word_that_is_still_being_imported_sees_no_trace() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "internal.cli", "dev", "--help"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as started:
        assert started.stderr is not None
        next(line for line in started.stderr if line.endswith(" internal.dev\n"))
        started.send_signal(signal.SIGINT)
        assert "Traceback" not in started.stderr.read()


def test_a_log_without_space_loses_lines_and_ends_nothing(tmp_path: Path) -> None:
    log = Log(tmp_path / "api.log")
    with Path("/dev/full").open("w") as full:
        os.dup2(full.fileno(), log._file.fileno())
    for _ in range(3):
        log.write("x" * 10_000)
    log.close()


def test_a_log_begins_anew_when_it_is_full(tmp_path: Path) -> None:
    log = Log(tmp_path / "api.log")
    log.write("x" * LOG_BYTES)
    log.write("after")
    log.close()
    assert (tmp_path / "api.log").read_text().split()[1:] == ["after"]
    assert (tmp_path / "api.log.1").stat().st_size > LOG_BYTES


def test_the_log_of_the_last_run_is_kept_once(tmp_path: Path) -> None:
    for line in ("first", "second", "third"):
        log = Log(tmp_path / "api.log")
        log.write(line)
        log.close()
    kept = {path.name: path.read_text().split()[1:] for path in tmp_path.iterdir()}
    assert kept == {"api.log": ["third"], "api.log.1": ["second"]}


@pytest.mark.parametrize("word", ["api", "worker", "host", "tools"])
def test_servers_take_no_arguments(tmp_path: Path, word: str) -> None:
    helped = novai(f"{word} --help", tmp_path)
    assert (helped.returncode, ".env.example" in helped.stdout) == (0, True)
    assert novai(f"{word} --prot 1", tmp_path).returncode == 2
