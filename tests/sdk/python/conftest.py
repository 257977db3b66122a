from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from novai import AsyncNovAI, NovAI

from tests.edge import Edge
from tests.sdk.fault_server import FaultServer


@pytest.fixture
def client(edge: Edge) -> Iterator[NovAI]:
    """Asks a running NovAI."""
    with NovAI(base_url=f"{edge.url}/v1", api_key=edge.key, max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture
async def aclient(edge: Edge) -> AsyncIterator[AsyncNovAI]:
    async with AsyncNovAI(base_url=f"{edge.url}/v1", api_key=edge.key, max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture
def admin(edge: Edge) -> Iterator[NovAI]:
    with NovAI(base_url=edge.url, api_key=edge.admin_key, max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture
def misled(faults: FaultServer) -> Iterator[NovAI]:
    """Asks the server that misbehaves."""
    with NovAI(base_url=faults.url, api_key="sk-secret", timeout=10) as client:
        yield client


@pytest.fixture
async def amisled(faults: FaultServer) -> AsyncIterator[AsyncNovAI]:
    async with AsyncNovAI(base_url=faults.url, api_key="sk-secret", timeout=10) as client:
        yield client
