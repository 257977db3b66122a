"""The short form of bench/chaos.py, and its negative control."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(180)


def chaos(*options: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "bench.chaos", *options]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=170)
    assert run.stdout, run.stderr[-3000:]
    return run.returncode, json.loads(run.stdout)


def test_nothing_is_lost_and_nothing_is_charged_twice() -> None:
    status, found = chaos("--kills", "8", "--streams", "30", "--every", "0.7", "--seed", "4")
    assert {name: found[name] for name in ("lost", "twice", "unresolved", "drift")} == {
        "lost": 0, "twice": 0, "unresolved": 0, "drift": 0,
    }, found  # fmt: skip
    assert status == 0
    assert found["done"] > 0
    assert sum(found["kills"].values()) == 8


def test_without_the_sweeper_it_shows() -> None:
    options = ("--kills", "2", "--victims", "api", "--streams", "30", "--every", "0.7", "--patience", "3")
    status, found = chaos(*options, "--no-sweeper")
    assert status == 1
    assert found["unresolved"] > 0
