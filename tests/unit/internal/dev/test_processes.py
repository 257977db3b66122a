from __future__ import annotations

import subprocess
import sys

import pytest

from internal.dev import processes
from internal.dev.processes import StartError, free_port

ELSEWHERE = """
from internal.dev import processes
processes.PORTS = range({0}, {0} + 2)
print(processes.free_port(), flush=True)
input()
"""


def test_a_port_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also to other processes, though nobody listens there yet."""
    monkeypatch.setattr(processes, "PORTS", range(19_000, 19_002))
    command = [sys.executable, "-c", ELSEWHERE.format(19_000)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None and other.stdout is not None
        theirs = int(other.stdout.readline())
        assert {theirs, free_port()} == {19_000, 19_001}
        with pytest.raises(StartError, match="no free port"):
            free_port()
        other.stdin.write("\n")
    assert free_port() == theirs


def test_claims_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "CLAIMS", 2)
    ports = [free_port() for _ in range(5)]
    assert len(set(ports)) == 5
    assert len(processes._claims) == 2
