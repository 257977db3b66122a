"""The package, its examples and `typed.py` under the type checkers of its users, both strict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SDK = ROOT / "sdk" / "python"
TYPED = Path(__file__).with_name("typed.py")
PYRIGHT = ROOT / "tests" / "clients" / "node_modules" / ".bin" / "pyright"
Found = set[tuple[str, int]]  # file and line of each complaint


def output(command: list[str]) -> str:
    """Of a checker, which fails when it finds something."""
    environment = os.environ | {"MYPYPATH": str(SDK)}
    return subprocess.run(command, check=False, cwd=SDK, stdout=subprocess.PIPE, text=True, env=environment).stdout


def mypy() -> Found:
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--output", "json"]
    command += ["novai", "examples", str(TYPED)]
    errors = [json.loads(line) for line in output(command).splitlines()]
    return {(str((SDK / each["file"]).resolve()), each["line"]) for each in errors if each["severity"] == "error"}


def pyright() -> Found:
    if not PYRIGHT.exists():
        pytest.skip("make test-clients installs pyright")
    command = [str(PYRIGHT), "--outputjson", "--pythonpath", sys.executable, "novai", "examples", str(TYPED)]
    errors = json.loads(output(command))["generalDiagnostics"]
    return {(each["file"], each["range"]["start"]["line"] + 1) for each in errors}


@pytest.mark.parametrize("checker", [mypy, pyright], ids=lambda checker: checker.__name__)
@pytest.mark.timeout(300)
def test_only_what_is_wrong_is_refused(checker: Callable[[], Found]) -> None:
    wrong = {number for number, line in enumerate(TYPED.read_text().splitlines(), 1) if line.endswith("# wrong")}
    assert checker() == {(str(TYPED), number) for number in wrong}
