from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import database
from tests.edge import Edge, edge_in_thread


@pytest.fixture(scope="session")
def edge(postgres_url: str, redis_url: str) -> Iterator[Edge]:
    """One edge with two scripted replicas, shared by the contract tests."""
    with database(postgres_url) as url, edge_in_thread(url, redis_url, replicas=2) as running:
        yield running
