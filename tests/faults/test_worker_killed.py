"""A worker process is killed: before the first token, in the middle of streams, with and without another replica."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.faults.conftest import System

pytestmark = pytest.mark.timeout(90)
Start = Callable[[int], AbstractContextManager[System]]

SILENT = 'script:[{"hang": true}]'
TALKING = 'script:[{"say": "one "}, {"hang": true}]'
SHORT = 'script:[{"say": "hello"}]'
POISON = 'script:[{"exit": 1}]'


def client_of(system: System) -> OpenAI:
    return OpenAI(base_url=f"{system.edge.url}/v1", api_key=system.edge.key, max_retries=0, timeout=20)


def ask(client: OpenAI, text: str, model: str = "scripted") -> str | None:
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content


def wait_running(system: System, count: int) -> None:
    """Until that many requests are on workers."""
    while sum(r.outstanding for r in system.edge.state.hosts.replicas()) < count:
        time.sleep(0.01)


def recovered_s(client: OpenAI) -> float:
    """Seconds until the model answers again."""
    started = time.monotonic()
    while True:
        try:
            assert ask(client, SHORT) == "hello"
        except openai.InternalServerError as error:
            assert error.status_code == 503
            assert error.response.headers["retry-after"] == "1"
            time.sleep(0.05)
        else:
            return time.monotonic() - started


@pytest.mark.parametrize("stream", [False, True])
def test_before_the_first_token_the_client_gets_503_and_the_model_is_back_in_seconds(
    start_system: Start, stream: bool
) -> None:
    with start_system(1) as system, client_of(system) as client, ThreadPoolExecutor() as pool:
        waiting = pool.submit(
            client.chat.completions.create,
            model="scripted",
            messages=[{"role": "user", "content": SILENT}],
            stream=stream,
        )
        wait_running(system, 1)
        system.kill("scripted")
        with pytest.raises(openai.InternalServerError) as raised:
            waiting.result(10)
        assert raised.value.status_code == 503
        assert raised.value.code == "server_is_overloaded"
        assert int(raised.value.response.headers["retry-after"]) >= 1
        assert ask(client, SHORT, model="other") == "hello"
        assert recovered_s(client) < 10


def test_running_streams_end_with_an_error_event_and_other_models_never_notice(start_system: Start) -> None:
    with start_system(1) as system, client_of(system) as client:
        streams = [
            client.chat.completions.create(model=m, messages=[{"role": "user", "content": TALKING}], stream=True)
            for m in ("scripted", "scripted", "other")
        ]
        for stream in streams:
            while not next(stream).choices[0].delta.content:
                pass
        system.kill("scripted")
        for stream in streams[:2]:
            with pytest.raises(openai.APIError) as raised:
                for _ in stream:
                    pass
            assert raised.value.code == "upstream_error"
        assert ask(client, SHORT, model="other") == "hello"
        streams[2].close()
        rows: list[dict[str, object]] = []
        while len(rows) < 3:
            rows = system.edge.sql("select model, outcome from usage where streamed order by model, outcome")
        assert rows == [
            {"model": "other", "outcome": "client_left"},
            {"model": "scripted", "outcome": "upstream_broke"},
            {"model": "scripted", "outcome": "upstream_broke"},
        ]


def test_with_another_replica_nobody_notices_before_the_first_token(start_system: Start) -> None:
    slow = 'script:[{"wait_ms": 600}, {"say": "hello"}]'
    with start_system(2) as system, client_of(system) as client, ThreadPoolExecutor() as pool:
        answers = [pool.submit(ask, client, slow) for _ in range(4)]
        wait_running(system, 4)
        system.workers("scripted")[0].kill()
        assert [answer.result(20) for answer in answers] == ["hello"] * 4


def test_after_the_first_token_an_answer_that_is_no_stream_is_502(start_system: Start) -> None:
    with start_system(1) as system, client_of(system) as client, ThreadPoolExecutor() as pool:
        waiting = pool.submit(ask, client, TALKING)
        while not any(r.session and r.session.calls for r in system.edge.state.hosts.replicas()):
            time.sleep(0.01)
        time.sleep(0.3)  # nothing says from outside that the first token has come
        system.kill("scripted")
        with pytest.raises(openai.InternalServerError) as raised:
            waiting.result(10)
        assert (raised.value.status_code, raised.value.code) == (502, "upstream_error")


def test_a_request_that_kills_its_workers_is_not_sent_to_a_third(start_system: Start) -> None:
    with start_system(2) as system, client_of(system) as client:
        patient = client.with_options(max_retries=4)
        for _ in range(3):  # whoever tries again
            with pytest.raises(openai.InternalServerError) as raised:
                ask(patient, POISON)
            assert (raised.value.status_code, raised.value.code) == (500, "poison_request")
            assert raised.value.response.headers["x-should-retry"] == "false"
            assert ask(client, SHORT, model="other") == "hello"
        assert recovered_s(client) < 10
        hosted = [r.state for r in system.edge.state.hosts.replicas() if r.state.model == "scripted"]
        assert sum(state.restarts for state in hosted) <= 2
        assert system.edge.sql(
            "select count(*) as n from transfers where kind = 'post' and amount_nusd > 0 "
            "and request_id not in (select request_id from usage where outcome = 'finished')"
        ) == [{"n": 0}]


def test_what_killed_its_workers_is_free_and_so_is_its_key(start_system: Start) -> None:
    with start_system(2) as system, client_of(system) as client:
        keyed = client.with_options(max_retries=4, default_headers={"Idempotency-Key": "k"})
        for _ in range(2):
            with pytest.raises(openai.InternalServerError) as raised:
                ask(keyed, POISON)
            assert (raised.value.status_code, raised.value.code) == (500, "poison_request")
            assert "idempotent-replayed" not in raised.value.response.headers
        assert system.edge.sql("select * from idempotency") == []


@pytest.mark.parametrize("replicas", [1, 2])
def test_those_beside_a_request_that_kills_are_answered(start_system: Start, replicas: int) -> None:
    """Whoever tries again, in time: they do not come together with it a second time."""
    with start_system(replicas) as system, client_of(system) as client, ThreadPoolExecutor(20) as pool:
        patient = client.with_options(max_retries=10)
        slow = [f'script:[{{"wait_ms": 600}}, {{"say": "{n}"}}]' for n in range(6 * replicas)]
        answers = [pool.submit(ask, patient, text) for text in slow]
        wait_running(system, len(slow))
        with pytest.raises(openai.InternalServerError) as raised:
            ask(patient, POISON)
        assert raised.value.code == "poison_request"
        assert [answer.result(60) for answer in answers] == [str(n) for n in range(len(slow))]


def test_a_worker_that_hangs_is_noticed_and_replaced(start_system: Start) -> None:
    """SIGSTOP: its connections stand, and nothing comes."""
    with start_system(1) as system, client_of(system) as client, ThreadPoolExecutor() as pool:
        stream = client.chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": TALKING}], stream=True
        )
        while not next(stream).choices[0].delta.content:
            pass
        waiting = pool.submit(ask, client, SILENT)
        wait_running(system, 2)
        (process,) = system.workers("scripted")
        process.suspend()
        hung_s = time.monotonic()
        with pytest.raises(openai.APIError) as broken:
            for _ in stream:
                pass
        with pytest.raises(openai.InternalServerError) as refused:
            waiting.result(20)
        noticed_s = time.monotonic() - hung_s
        assert (broken.value.code, refused.value.code) == ("upstream_error", "server_is_overloaded")
        assert noticed_s < 3.1 + 5.0
        assert recovered_s(client) < 30  # three health checks, and a start
        rows = system.edge.sql("select outcome, cost_nusd from usage where outcome <> 'finished'")
        assert {(row["outcome"], row["cost_nusd"]) for row in rows} == {("upstream_broke", 0)}


def test_who_leaves_a_worker_that_cannot_confirm_pays_for_what_came(start_system: Start) -> None:
    """Whichever way it ends, by its reader or by its end: the tokens that were sent, and no prompt without any."""
    with start_system(1) as system, httpx.Client(timeout=20) as client:
        url = f"{system.edge.url}/v1/chat/completions"
        client.headers["authorization"] = f"Bearer {system.edge.key}"
        with contextlib.ExitStack() as stack:
            streams = []
            for said in (TALKING, SILENT):
                body = {"model": "scripted", "messages": [{"role": "user", "content": said}], "stream": True}
                streams.append(stack.enter_context(client.stream("POST", url, json=body)).iter_lines())
            while "one" not in next(streams[0]):
                pass
            wait_running(system, 2)
            system.workers("scripted")[0].suspend()
        rows: list[Any] = []
        while len(rows) < 2:
            rows = system.edge.sql("select outcome, provenance, prompt_tokens > 0 p, completion_tokens from usage")
        assert sorted(tuple(row.values()) for row in rows) == [
            ("client_left", "estimated", False, 0),
            ("client_left", "estimated", True, 1),
        ]
