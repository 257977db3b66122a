"""A running NovAI, and a server that misbehaves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import database
from tests.edge import Edge, edge_in_thread
from tests.sdk.fault_server import FaultServer, fault_server


@pytest.fixture(scope="session")
def edge(postgres_url: str, redis_url: str) -> Iterator[Edge]:
    with database(postgres_url) as url, edge_in_thread(url, redis_url) as running:
        yield running


@pytest.fixture
def faults() -> Iterator[FaultServer]:
    with fault_server() as server:
        yield server
