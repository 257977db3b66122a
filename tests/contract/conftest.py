from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from openai import AsyncOpenAI, OpenAI
from schemathesis.pytest.plugin import SchemathesisFunction

from tests.conftest import database
from tests.contract import tenants
from tests.contract.tenants import Tenant
from tests.edge import Edge, edge_in_thread


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """schemathesis gives the tests of all operations one id, of which pytest-xdist runs one."""
    for item in items:
        if isinstance(item, SchemathesisFunction) and item.parent is not None:
            item._id = item.parent.id.child(item.name)


@pytest.fixture(scope="session")
def edge(postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """One edge with two scripted replicas, shared by the contract tests. Its files are where batch workers see them."""
    files = {"files_url": str(tmp_path_factory.mktemp("shared files"))}
    with database(postgres_url) as url, edge_in_thread(url, redis_url, replicas=2, **files) as running:
        yield running


@pytest.fixture(scope="module")
def ours(postgres_url: str, redis_url: str) -> Iterator[Edge]:
    """An edge of a module's own for what may be done as an administrator: prices and tiers are everybody's."""
    with database(postgres_url) as url, edge_in_thread(url, redis_url) as running:
        yield running


@pytest.fixture
def admin(edge: Edge) -> Iterator[httpx.Client]:
    """Sends the admin key."""
    with tenants.client(edge, edge.admin_key) as client:
        yield client


@pytest.fixture
def tenant(edge: Edge, admin: httpx.Client) -> Iterator[Tenant]:
    """A project that nobody else uses."""
    with tenants.tenant(edge, admin) as made:
        yield made


@pytest.fixture
def http(edge: Edge) -> Iterator[httpx.Client]:
    """Sends the ordinary key."""
    with tenants.client(edge, edge.key) as client:
        yield client


@pytest.fixture
def client(edge: Edge) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{edge.url}/v1", api_key=edge.key, max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture
async def aclient(edge: Edge) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{edge.url}/v1", api_key=edge.key, max_retries=0, timeout=10) as client:
        yield client
