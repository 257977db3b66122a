"""Threads that use all cores stay apart; a model that uses some of them leaves it to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

from internal.cores import usable_cores

TELL = "import os; from internal.cores import *; keep_threads_apart({}); print(os.environ.get('OMP_PROC_BIND', ''))"


@pytest.mark.parametrize(
    ("threads", "bound"), [("None", "close"), ("0", "close"), ("10**6", "close"), ("'4'", "close"), ("-1", "")]
)
def test_who_uses_all_cores_has_them_apart(threads: str, bound: str) -> None:
    command = [sys.executable, "-c", TELL.format(threads)]
    assert subprocess.run(command, check=True, capture_output=True, text=True, env={}).stdout.strip() == bound


def test_there_is_a_core() -> None:
    assert usable_cores() >= 1
