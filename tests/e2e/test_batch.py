"""`novai batch run` as a user calls it: offline, stopped in the middle, called again."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.timeout(400)
LINES = 120  # of enough tokens that a call can be stopped before it is through
PATIENCE_S = 150.0
# Whoever runs tests in the background may ignore SIGINT, and children inherit that.
HEEDING = """
import signal
from internal.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="novai-test-"))
    path.chmod(0o755)  # PostgreSQL may have to run as another user than root
    body = {"model": "novai-tiny", "max_tokens": 40, "messages": [{"role": "user", "content": "Hi"}]}
    line = {"method": "POST", "url": "/v1/chat/completions", "body": body}
    (path / "in.jsonl").write_text("".join(json.dumps({"custom_id": str(n)} | line) + "\n" for n in range(LINES)))
    yield path
    shutil.rmtree(path)


def call(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HEEDING, "batch", "run", "in.jsonl", "-o", "out.jsonl", "--offline"]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)


def has_begun(folder: Path, call: subprocess.Popen[str]) -> None:
    """Returns when the batch is there."""
    state = folder / "out.jsonl.novai.json"
    deadline_s = time.monotonic() + PATIENCE_S
    while not (state.exists() and json.loads(state.read_text())["batch_id"]):
        assert call.poll() is None and time.monotonic() < deadline_s
        time.sleep(0.05)  # the file is all that another process shows of it


def test_offline(folder: Path) -> None:
    """The first call is stopped as soon as the batch is there; the second one goes on with it."""
    with call(folder) as first:
        has_begun(folder, first)
        first.send_signal(signal.SIGINT)
        _, said = first.communicate(timeout=PATIENCE_S)
    assert first.returncode == 130 and "Call the same again" in said
    # As whoever is killed leaves it.
    (folder / "out.jsonl.novai/state/dev.env").write_text("NOVAI_BASE_URL=http://127.0.0.1:9/v1\nNOVAI_API_KEY=gone\n")
    assert (folder / "out.jsonl.novai").is_dir() and not (folder / "out.jsonl").exists()
    with call(folder) as second:
        _, said = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 0, said
    assert "going on with batch_" in said and f"{LINES} of {LINES} lines answered" in said


def test_a_call_that_is_killed_leaves_no_system_behind(folder: Path) -> None:
    with call(folder) as first:
        has_begun(folder, first)
        [system] = psutil.Process(first.pid).children()
        first.kill()
        first.wait()
    system.wait(PATIENCE_S)
    with call(folder) as second:
        _, said = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 0 and "going on with batch_" in said, said
