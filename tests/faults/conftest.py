from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from tests.conftest import database
from tests.edge import Edge, edge_in_thread
from tests.hosts import model_host

MODELS = """
models:
  - {name: scripted, kind: chat, backend: scripted, replicas: REPLICAS}
  - {name: other, kind: chat, backend: scripted}
"""


class System:
    """An edge on a real model host, whose workers are real processes."""

    def __init__(self, edge: Edge, host: subprocess.Popen[bytes]) -> None:
        self.edge = edge
        self._host = psutil.Process(host.pid)

    def workers(self, model: str) -> list[psutil.Process]:
        """The live worker processes of a model."""
        found = []
        for process in self._host.children():
            with contextlib.suppress(psutil.Error):
                if f'"name":"{model}"' in process.environ().get("NOVAI_MODEL", ""):
                    found.append(process)
        return found

    def kill(self, model: str) -> None:
        for process in self.workers(model):
            process.kill()


@pytest.fixture
def start_system(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> Iterator[Callable[[int], AbstractContextManager[System]]]:
    """Starts a system with that many replicas of `scripted`, and one of `other`: all of them can be asked."""

    @contextlib.contextmanager
    def start(replicas: int = 1) -> Iterator[System]:
        with (
            model_host(tmp_path, MODELS.replace("REPLICAS", str(replicas))) as (address, host),
            database(postgres_url) as url,
            edge_in_thread(url, redis_url, host_address=address, files_url=str(tmp_path / "files")) as edge,
        ):
            while sum(replica.usable for replica in edge.state.hosts.replicas()) < replicas + 1:
                time.sleep(0.01)
            yield System(edge, host)

    yield start
