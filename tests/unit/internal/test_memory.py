"""The memory that is left: the machine's, or less in a container that has a limit."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from internal import memory

MB = 1 << 20


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of a cgroup, of which there are none yet."""
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    return tmp_path


def test_without_a_container_it_is_the_machine_s(container: Path) -> None:
    total = psutil.virtual_memory().total
    assert 0 < memory.free_bytes() < total
    (container / "memory.max").write_text("max\n")
    assert memory.container_limit_bytes() == 0
    assert 0 < memory.free_bytes() < total


def test_what_a_container_has_left(container: Path) -> None:
    (container / "memory.max").write_text(f"{64 * MB}\n")
    (container / "memory.current").write_text(f"{40 * MB}\n")
    assert memory.container_limit_bytes() == 64 * MB
    assert memory.free_bytes() == 24 * MB
    (container / "memory.stat").write_text(f"anon {10 * MB}\ninactive_file {20 * MB}\nactive_file {MB}\n")
    assert memory.free_bytes() == 45 * MB  # files are given back
    (container / "memory.current").write_text(f"{100 * MB}\n")
    assert memory.free_bytes() == 0
