"""`novai dev` as a user meets it: boots, answers, survives a killed process, stops, and leaves nothing behind."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from internal.dev.processes import free_port

PATIENCE_S = 100.0
MODELS = "models: [{name: demo, kind: chat, backend: scripted, free: true}]"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="novai-test-"))
    path.chmod(0o755)
    (path / "models.yaml").write_text(MODELS)
    yield path
    shutil.rmtree(path)


def start(folder: Path) -> subprocess.Popen[str]:
    given = ["--state", f"{folder}/state", "--models", f"{folder}/models.yaml", "--port", str(free_port())]
    return subprocess.Popen(
        [sys.executable, "-m", "internal.cli", "dev", *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def told(folder: Path, process: subprocess.Popen[str]) -> dict[str, str]:
    """dev.env, once the stack is ready."""
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if "Ctrl-C" in line:
            lines = (folder / "state/dev.env").read_text().splitlines()
            return dict(line.split("=", 1) for line in lines)
    raise AssertionError(f"it ended:\n{said}")


def ask(env: dict[str, str]) -> httpx.Response:
    with httpx.Client(base_url=env["NOVAI_BASE_URL"], timeout=10.0) as client:
        return client.post(
            "/chat/completions",
            headers={"Authorization": f"Bearer {env['NOVAI_API_KEY']}"},
            json={"model": "demo", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 4},
        )


def until_answered(env: dict[str, str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if ask(env).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, "it did not come back"
        time.sleep(0.1)  # as its callers would: nothing else says that it is back


def test_it_boots_answers_recovers_and_leaves_nothing(folder: Path) -> None:
    with start(folder) as process:
        env = told(folder, process)
        answer = ask(env)
        assert answer.status_code == 200, answer.text
        assert answer.json()["choices"][0]["message"]["content"]
        assert ask(env | {"NOVAI_API_KEY": "sk-wrong"}).status_code == 401
        family = psutil.Process(process.pid).children(recursive=True)
        for killed in ("internal.host", "internal.inference_server", "api.main"):
            victim = next(child for child in family if killed in child.cmdline())
            victim.kill()
            until_answered(env)
            family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
    gone, alive = psutil.wait_procs(family, PATIENCE_S)
    assert len(gone) >= 4 and not alive
    assert not (folder / "state/dev.env").exists()

    with start(folder) as process:
        again = told(folder, process)
        assert again["NOVAI_API_KEY"] == env["NOVAI_API_KEY"]
        assert ask(again).status_code == 200, "the key of the first start still works"
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
