"""What a call sends, and what becomes of it when the network or the server fails."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import pickle
import re
import ssl
import subprocess
import sys
import threading
import time
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import novai
import pytest
from novai import AsyncNovAI, NovAI, omit, types
from novai._runtime.call import Call
from pydantic import BaseModel, Field

from tests.sdk.fault_server import Answer, FaultServer

OK = {"object": "list", "data": []}
SOON = {"retry-after-ms": "1"}
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def error(code: str | None = None, kind: str = "t", message: str = "no") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": "p", "code": code}}


ERRORS = [
    (400, error(), novai.BadRequestError),
    (400, error("context_length_exceeded"), novai.ContextLengthExceededError),
    (401, error(), novai.AuthenticationError),
    (403, error(), novai.PermissionDeniedError),
    (404, error(), novai.NotFoundError),
    (409, error(), novai.ConflictError),
    (418, error(), novai.APIStatusError),
    (422, error(), novai.UnprocessableEntityError),
    (429, error("rate_limit_exceeded"), novai.RateLimitError),
    (429, error("insufficient_quota"), novai.InsufficientQuotaError),
    (429, error("credit_balance_exhausted", "insufficient_quota"), novai.InsufficientQuotaError),
    (500, error(), novai.InternalServerError),
    (503, error(), novai.InternalServerError),
]


@pytest.mark.parametrize(("status", "body", "kind"), ERRORS)
def test_errors_have_types(faults: FaultServer, misled: NovAI, status: int, body: Any, kind: type[Exception]) -> None:
    faults.answers = [Answer(status, body, {"x-request-id": "req_1", "retry-after": "3"})]
    with pytest.raises(novai.APIStatusError) as caught:
        misled.models.list(max_retries=0)
    met = caught.value
    assert type(met) is kind
    assert str(met) == f"Error code: {status} - no"
    assert (met.code, met.param, met.type) == (body["error"]["code"], "p", body["error"]["type"])
    assert (met.status_code, met.request_id, met.retry_after, met.body) == (status, "req_1", 3.0, body)
    assert met.response.status_code == status
    assert met.request is not None
    assert met.request.method == "GET"


def test_errors_come_home_from_other_processes(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(429, error("insufficient_quota"), {"x-request-id": "req_1"})]
    with pytest.raises(novai.InsufficientQuotaError) as refused:
        misled.models.list(max_retries=0)
    with pytest.raises(novai.APIConnectionError) as nobody:
        NovAI(api_key="sk-novai-secret", base_url="http://127.0.0.1:1", max_retries=0).models.list()
    cut = novai.LengthFinishReasonError(types.Model(id="m"))
    for met in (refused.value, nobody.value, cut):
        sent = pickle.dumps(met)
        home = pickle.loads(sent)
        assert (type(home), str(home)) == (type(met), str(met)) and b"sk-novai" not in sent
        kept = {name: value for name, value in vars(met).items() if name not in ("request", "response")}
        assert vars(home).items() >= kept.items()


@pytest.mark.parametrize(
    ("status", "kind", "code", "error"),
    [
        (400, "invalid_request_error", "context_length_exceeded", novai.ContextLengthExceededError),
        (402, "billing_error", "insufficient_quota", novai.InsufficientQuotaError),
    ],
)
def test_errors_of_anthropics_form(
    faults: FaultServer, misled: NovAI, status: int, kind: str, code: str, error: type[novai.APIStatusError]
) -> None:
    said = {"type": kind, "message": "too much", "details": {"error_code": code, "param": "messages"}}
    faults.answers = [Answer(status, {"type": "error", "error": said, "request_id": "req_1"})]
    with pytest.raises(error, match="too much") as caught:
        misled.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "hi"}])
    assert (caught.value.code, caught.value.param) == (code, "messages")


def test_an_error_that_is_not_json(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(502, "<html>bad gateway</html>")]
    with pytest.raises(novai.InternalServerError, match="bad gateway"):
        misled.models.list(max_retries=0)


@pytest.mark.parametrize("odd", [{"code": 403, "details": [{"reason": "x"}]}, {"code": {"a": 1}, "type": ["b"]}])
def test_an_error_of_another_form(faults: FaultServer, misled: NovAI, odd: dict[str, Any]) -> None:
    faults.answers = [Answer(403, {"error": {"message": "no", **odd}})]
    with pytest.raises(novai.PermissionDeniedError, match="no") as caught:
        misled.models.list(max_retries=0)
    assert (caught.value.code, caught.value.param, caught.value.type) == (None, None, None)
    assert caught.value.body == {"error": {"message": "no", **odd}}


@pytest.mark.parametrize("page", [Answer(pieces=[b"<html>hello</html>"]), Answer(200, [])])
def test_a_page_of_another_server(faults: FaultServer, misled: NovAI, page: Answer) -> None:
    faults.answers = [page]
    with pytest.raises(novai.APIResponseValidationError):
        misled.models.list()


NO_ANSWERS = [Answer(pieces=[b"<html>hello</html>"], headers={"content-type": "text/html"}), Answer(204), Answer(200)]


@pytest.mark.parametrize("no_answer", [*NO_ANSWERS, Answer(200, "hello"), Answer(200, [])])
def test_what_is_no_answer_of_this_api_is_not_handed_on(faults: FaultServer, misled: NovAI, no_answer: Answer) -> None:
    faults.answers = [no_answer]
    with pytest.raises(novai.APIResponseValidationError):
        misled.models.retrieve("m")
    with pytest.raises(novai.APIResponseValidationError, match="not a stream of events"):
        list(misled.completions.create(model="m", prompt="hi", stream=True))


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_what_may_pass_is_tried_three_times(faults: FaultServer, misled: NovAI, status: int) -> None:
    faults.answers = [Answer(status, error(), SOON)]
    with pytest.raises(novai.APIStatusError):
        misled.models.list()
    assert [request.headers["x-novai-retry-count"] for request in faults.requests] == ["0", "1", "2"]


@pytest.mark.parametrize("headers", [{"x-should-retry": "false"}, {"retry-after": "121"}])
def test_what_cannot_pass_is_tried_once(faults: FaultServer, misled: NovAI, headers: dict[str, str]) -> None:
    faults.answers = [Answer(429, error(), headers)]
    with pytest.raises(novai.RateLimitError):
        misled.models.list()
    assert len(faults.requests) == 1


def test_the_server_is_waited_for_as_long_as_it_asks(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(429, error(), {"retry-after-ms": "700"}), Answer(200, OK)]
    began = time.monotonic()
    misled.models.list()
    assert time.monotonic() - began >= 0.7


@pytest.mark.parametrize("fault", [Answer(dropped=True), Answer(200, OK, cut=True), Answer(500, {}, SOON)])
def test_a_fault_passes(faults: FaultServer, misled: NovAI, fault: Answer) -> None:
    faults.answers = [fault, Answer(200, OK)]
    assert misled.models.list().data == []
    assert len(faults.requests) == 2


@pytest.mark.parametrize("fault", [Answer(dropped=True), Answer(200, OK, cut=True), Answer(500, {}, SOON)])
async def test_a_fault_passes_async(faults: FaultServer, amisled: AsyncNovAI, fault: Answer) -> None:
    faults.answers = [fault, Answer(200, OK)]
    assert (await amisled.models.list()).data == []
    assert len(faults.requests) == 2


def test_max_retries(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(dropped=True)]
    for asked, made in ((0, 1), (1, 2)):
        faults.requests.clear()
        with pytest.raises(novai.APIConnectionError):
            misled.with_options(max_retries=asked).models.list()
        assert len(faults.requests) == made
    with pytest.raises(TypeError, match="max_retries"):
        NovAI(api_key="k", max_retries=None)  # type: ignore[arg-type]


def test_time_out(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(never=True)]
    with pytest.raises(novai.APITimeoutError):
        misled.models.list(timeout=0.05, max_retries=0)
    assert faults.requests[0].headers["x-novai-read-timeout"] == "0.05"
    faults.answers = [Answer(never=True), Answer(200, OK)]
    assert misled.with_options(timeout=0.05).models.list().data == []


@pytest.mark.parametrize("given", ["client", "options", "call"])
def test_a_time_out_of_httpx(faults: FaultServer, misled: NovAI, given: str) -> None:
    faults.answers = [Answer(never=True)]
    timeout = httpx.Timeout(None, read=0.05)
    once: dict[str, Any] = {"timeout": timeout, "max_retries": 0}
    clients = {"client": NovAI(base_url=faults.url, api_key="k", **once), "options": misled.with_options(**once)}
    with pytest.raises(novai.APITimeoutError):
        clients.get(given, misled).models.list(**(once if given == "call" else {}))
    assert faults.requests[0].headers["x-novai-read-timeout"] == "0.05"
    faults.answers = [Answer(200, OK)]
    misled.models.list(timeout=None)
    assert "x-novai-read-timeout" not in faults.requests[-1].headers


def test_nobody_there() -> None:
    client = NovAI(api_key="k", base_url="http://127.0.0.1:9", max_retries=0)
    with client, pytest.raises(novai.APIConnectionError, match=r"Connection to http://127\.0\.0\.1:9 failed: "):
        client.models.list()


def test_one_idempotency_key_for_all_attempts(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(dropped=True), Answer(500, {}, SOON), Answer(200, {"id": "chatcmpl-1"})]
    misled.chat.completions.create(**ASK)
    assert len({request.headers["idempotency-key"] for request in faults.requests}) == 1
    misled.chat.completions.create(**ASK)
    assert len({request.headers["idempotency-key"] for request in faults.requests}) == 2
    misled.chat.completions.create(**ASK, idempotency_key="mine")
    assert faults.requests[-1].headers["idempotency-key"] == "mine"


def test_what_needs_no_idempotency_key_has_none(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(200, OK), Answer(200, pieces=[b"data: [DONE]\n\n"])]
    misled.models.list()
    list(misled.chat.completions.create(**ASK, stream=True))
    assert not any("idempotency-key" in request.headers for request in faults.requests)


def test_a_stream_begins_again_until_its_first_byte(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(503, error(), SOON), Answer(dropped=True), Answer(200, pieces=[b"data: [DONE]\n\n"])]
    assert list(misled.chat.completions.create(**ASK, stream=True)) == []
    assert len(faults.requests) == 3


def test_only_what_is_given_is_sent(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(200, {})]
    misled.chat.completions.create(**ASK, temperature=None, seed=omit, extra_body={"top_a": 1})
    assert faults.requests[0].json == ASK | {"temperature": None, "top_a": 1}
    misled.usage.list(group_by="day", limit=5, extra_query={"tag": ["a", "b"]})
    assert faults.requests[1].path == "/v1/usage?group_by=day&limit=5&tag=a&tag=b"


def test_headers(faults: FaultServer) -> None:
    faults.answers = [Answer(200, OK)]
    defaults = {"X-Team": "red", "x-novai-os": omit}
    with NovAI(
        base_url=faults.url, api_key="k", organization="org", project="proj", default_headers=defaults,
        default_query={"q": "1"},
    ) as client:  # fmt: skip
        client.models.list(extra_headers={"x-team": "blue", "User-Agent": omit})
    sent = faults.requests[0]
    assert (sent.headers["x-team"], sent.path) == ("blue", "/v1/models?q=1")
    assert not sent.headers.get("user-agent", "").startswith("NovAI")
    assert "x-novai-os" not in sent.headers
    assert sent.headers["authorization"] == "Bearer k"
    assert (sent.headers["openai-organization"], sent.headers["openai-project"]) == ("org", "proj")
    assert sent.headers["x-novai-lang"] == "python"
    assert sent.headers["x-novai-async"] == "false"


def test_the_environment(faults: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    faults.answers = [Answer(200, OK)]
    for name, value in {
        "API_KEY": "from env", "BASE_URL": f"{faults.url}/v1/", "ORG_ID": "o", "PROJECT_ID": "p",
        "CUSTOM_HEADERS": "X-One: 1\nX-Two: a: b",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"NOVAI_{name}", value)
    with NovAI() as client:
        client.models.list()
    sent = faults.requests[0].headers
    assert sent["authorization"] == "Bearer from env"
    assert [sent[name] for name in ("openai-organization", "openai-project", "x-one", "x-two")] == [
        "o",
        "p",
        "1",
        "a: b",
    ]


def test_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOVAI_API_KEY", raising=False)
    with pytest.raises(novai.NovAIError, match="NOVAI_API_KEY"):
        NovAI()


@pytest.mark.parametrize("base_url", ["localhost:8000/v1", "http://localhost:80a/v1", "http://[::1/v1"])
def test_an_address_that_is_none(base_url: str) -> None:
    with pytest.raises(novai.NovAIError, match="must be a URL"):
        NovAI(api_key="k", base_url=base_url)


def test_a_key_is_sent_without_what_is_around_it_and_not_at_all_when_no_header_can_have_it(faults: FaultServer) -> None:
    faults.answers = [Answer(200, OK)]
    with NovAI(base_url=faults.url, api_key=" sk-1\n") as client:
        client.models.list()
    assert [request.headers["authorization"] for request in faults.requests] == ["Bearer sk-1"]
    with NovAI(base_url=faults.url, api_key="sk-ü") as client, pytest.raises(novai.NovAIError, match="copy it again"):
        client.models.list()


async def test_keys_made_for_every_attempt(faults: FaultServer) -> None:
    faults.answers = [Answer(500, {}, SOON), Answer(200, OK)]
    keys = iter(["one", "two", "three", "four"])
    with NovAI(base_url=faults.url, api_key=lambda: next(keys)) as client:
        client.models.list()

    async def key() -> str:
        return next(keys)

    async with AsyncNovAI(base_url=faults.url, api_key=key) as aclient:
        await aclient.models.list()
    sent = [request.headers["authorization"] for request in faults.requests]
    assert sent == ["Bearer one", "Bearer two", "Bearer three"]


def test_options_are_changed_on_a_copy(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(200, OK)]
    other = misled.with_options(api_key="other", default_headers={"x-a": "1"})
    assert other.http is misled.http
    other.models.list()
    misled.copy().models.list()
    assert [request.headers["authorization"] for request in faults.requests] == ["Bearer other", "Bearer sk-secret"]


def test_a_client_of_ones_own(faults: FaultServer) -> None:
    seen: list[str] = []
    faults.answers = [Answer(200, OK)]
    http = novai.DefaultHttpxClient(event_hooks={"request": [lambda request: seen.append(str(request.url))]})
    assert http.timeout == httpx.Timeout(600, connect=5)
    with NovAI(base_url=faults.url, api_key="k", http_client=http) as client:
        client.models.list()
    assert seen == [f"{faults.url}/v1/models"]
    assert http.is_closed
    context = ssl.create_default_context()
    assert isinstance(novai.DefaultAsyncHttpxClient(verify=context), httpx.AsyncClient)


def test_verbs(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(200, {"id": "m"})]
    assert misled.get("/v1/new", query={"a": True}) == {"id": "m"}
    assert misled.post("/v1/new", body={"x": 1}, cast_to=types.Model).id == "m"
    assert misled.put("/v1/new", body={}, cast_to=str) == '{"id": "m"}'
    assert misled.patch("/v1/new", body={}) == misled.delete("/v1/new") == {"id": "m"}
    assert [f"{request.method} {request.path}" for request in faults.requests] == [
        "GET /v1/new?a=true", "POST /v1/new", "PUT /v1/new", "PATCH /v1/new", "DELETE /v1/new",
    ]  # fmt: skip
    faults.answers = [Answer(200, pieces=[b'data: {"id": "m"}\n\n', b"data: [DONE]\n\n"])]
    assert [item.id for item in misled.post("/v1/new", body={}, stream_item=types.Model)] == ["m"]


async def test_verbs_async(faults: FaultServer, amisled: AsyncNovAI) -> None:
    faults.answers = [Answer(200, {"id": "m"})]
    assert await amisled.get("/v1/new", query={"a": True}) == {"id": "m"}
    assert (await amisled.post("/v1/new", body={"x": 1}, cast_to=types.Model)).id == "m"
    assert await amisled.put("/v1/new", body={}, cast_to=bytes) == b'{"id": "m"}'
    assert await amisled.patch("/v1/new", body={}) == await amisled.delete("/v1/new") == {"id": "m"}
    assert [f"{request.method} {request.path}" for request in faults.requests] == [
        "GET /v1/new?a=true", "POST /v1/new", "PUT /v1/new", "PATCH /v1/new", "DELETE /v1/new",
    ]  # fmt: skip
    faults.answers = [Answer(200, pieces=[b'data: {"id": "m"}\n\n', b"data: [DONE]\n\n"])]
    assert [item.id async for item in await amisled.post("/v1/new", body={}, stream_item=types.Model)] == ["m"]


def test_what_json_has_no_word_for(faults: FaultServer, misled: NovAI) -> None:
    class Dumped(BaseModel):
        day: date = Field(alias="when")

    faults.answers = [Answer(200, {})]
    day = date(2026, 11, 23)
    misled.post("/v1/new", body={
        "model": types.Model.from_dict({"id": "m", "extra": 1}), "bytes": b"x", "more": bytearray(b"y"), "day": day,
        "dumped": Dumped(when=day), "mapping": MappingProxyType({"a": 1}), "any": (each for each in "ab"),
    })  # fmt: skip
    assert faults.requests[0].json == {
        "model": {"id": "m", "extra": 1}, "bytes": "eA==", "more": "eQ==", "day": "2026-11-23",
        "dumped": {"when": "2026-11-23"}, "mapping": {"a": 1}, "any": ["a", "b"],
    }  # fmt: skip
    with pytest.raises(TypeError, match="object cannot be sent as JSON"):
        misled.post("/v1/new", body={"x": object()})


@pytest.mark.parametrize(
    ("said", "message"),
    [(b"<h1>away</h1>", "<h1>away</h1>"), (b'{"error": "away"}', "away"), (b"[1]", "[1]"), (b"", "Reason")],
)
def test_errors_of_what_stands_between(faults: FaultServer, misled: NovAI, said: bytes, message: str) -> None:
    faults.answers = [Answer(502, pieces=[said])]
    with pytest.raises(novai.InternalServerError) as caught:
        misled.models.list(max_retries=0)
    assert str(caught.value) == f"Error code: 502 - {message}"


def test_arguments_in_paths_are_quoted(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(200, {})]
    misled.models.retrieve("org/model?x")
    assert faults.requests[0].path == "/v1/models/org%2Fmodel%3Fx"
    for other in ("", ".", ".."):
        with pytest.raises(ValueError, match="`model`"):
            misled.models.retrieve(other)


def test_unknown_arguments_are_refused(misled: NovAI) -> None:
    with pytest.raises(TypeError, match="temprature"):
        misled.chat.completions.create(**ASK, temprature=1)


def test_answers_can_be_held_to_their_types(faults: FaultServer) -> None:
    faults.answers = [Answer(200, {"id": 5, "object": "model", "created": 1, "owned_by": "me"})]
    with NovAI(base_url=faults.url, api_key="k") as lenient:
        assert lenient.models.retrieve("m").id == 5  # type: ignore[comparison-overlap]
        with pytest.raises(novai.APIResponseValidationError, match="id is 5"):
            lenient.with_options(validate_responses=True).models.retrieve("m")


def test_files_are_sent_as_forms(faults: FaultServer, misled: NovAI, tmp_path: Path) -> None:
    faults.answers = [Answer(500, {}, SOON), Answer(200, {})]
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"{}\n")
    form = {"purpose": "batch", "expires_after": {"anchor": "created_at", "seconds": 5}, "file": path}
    misled.request(Call("POST", "/v1/files", body=form, form=True), types.Model)
    for request in faults.requests:
        assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
        assert b'name="expires_after[seconds]"\r\n\r\n5' in request.body
        assert b'name="file"; filename="in.jsonl"' in request.body
        assert b"{}\n" in request.body


def test_what_a_file_may_be(faults: FaultServer, misled: NovAI, tmp_path: Path) -> None:
    path = tmp_path / "named.txt"
    path.write_bytes(b"data")
    with path.open("rb") as opened:
        for file, sent in (
            (b"data", b'filename="upload"\r\n'),
            (path, b'filename="named.txt"\r\n'),
            (opened, b'filename="named.txt"\r\n'),
            (io.BytesIO(b"data"), b'filename="upload"\r\n'),
            (("other.bin", b"data"), b'filename="other.bin"\r\n'),
            (("other.bin", path, "text/x-odd"), b'filename="other.bin"\r\nContent-Type: text/x-odd\r\n'),
        ):
            faults.answers = [Answer(200, {})]
            misled.request(Call("POST", "/v1/files", body={"file": file}, form=True), types.Model)
            assert sent in faults.requests[-1].body
            assert b"\r\n\r\ndata\r\n" in faults.requests[-1].body


def test_what_cannot_be_meant(misled: NovAI) -> None:
    """Mistakes are told before anything is sent."""
    sent: Any = misled
    for match, call in (
        ("http://", lambda: NovAI(api_key="k", base_url="localhost:8000/v1")),
        ("max_retries", lambda: sent.models.list(max_retries=None)),
        ("pathlib.Path", lambda: sent.files.create(file="lines.jsonl", purpose="batch")),
        ("not str", lambda: sent.files.create(file=("lines.jsonl", "{}"), purpose="batch")),
        ("parse", lambda: sent.chat.completions.create(**ASK, response_format=types.Model)),
    ):
        with pytest.raises((novai.NovAIError, TypeError), match=match):
            call()


def test_what_cannot_be_read_twice_is_sent_once(faults: FaultServer, misled: NovAI, tmp_path: Path) -> None:
    class Pipe:
        name = "pipe"

        def read(self, size: int = -1) -> bytes:
            data, self.data = getattr(self, "data", b"once"), b""
            return data

        def seekable(self) -> bool:
            return False

    faults.answers = [Answer(500, {}, SOON)]
    with pytest.raises(novai.InternalServerError):
        misled.request(Call("POST", "/v1/files", body={"file": Pipe()}, form=True), types.Model)
    assert len(faults.requests) == 1


@pytest.mark.parametrize("by_path", [False, True])
def test_a_pipe_is_sent_whole_and_once(faults: FaultServer, misled: NovAI, tmp_path: Path, by_path: bool) -> None:
    """Its length, which cannot be known, is not taken for 0."""
    pipe = tmp_path / "lines.jsonl"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"piped",))
    writer.start()
    faults.answers = [Answer(500, {}, SOON)]
    opened = contextlib.nullcontext(pipe) if by_path else pipe.open("rb")
    with opened as file, pytest.raises(novai.InternalServerError):
        misled.request(Call("POST", "/v1/files", body={"file": file}, form=True), types.Model)
    writer.join()
    assert [b"\r\n\r\npiped\r\n" in request.body for request in faults.requests] == [True]


def test_secrets_are_not_logged(faults: FaultServer, misled: NovAI, caplog: pytest.LogCaptureFixture) -> None:
    faults.answers = [Answer(200, {}, {"set-cookie": "sk-secret"})]
    with caplog.at_level(logging.DEBUG, logger="novai"):
        misled.chat.completions.create(model="m", messages=[{"role": "user", "content": "private"}])
    assert re.search(r"POST http://.*/v1/chat/completions", caplog.text)
    assert "<redacted>" in caplog.text
    assert "secret" not in caplog.text
    assert "private" not in caplog.text


@pytest.mark.parametrize(("level", "lines"), [("info", 1), ("debug", 3), ("", 0)])
def test_the_log_of_a_program(faults: FaultServer, level: str, lines: int) -> None:
    faults.answers = [Answer(200, OK)]
    program = f"from novai import NovAI; NovAI(base_url={faults.url!r}, api_key='sk-secret').models.list()"
    environment = os.environ | {"NOVAI_LOG": level, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, check=True, env=environment, capture_output=True, text=True).stderr
    assert len(re.findall(r"novai (?:INFO|DEBUG)", said)) == lines
    assert "secret" not in said


def test_pages_go_on_from_an_after_that_was_given_beside(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [
        Answer(200, {"object": "list", "data": [{"id": name, "type": "message"}], "has_more": name == "b"})
        for name in "bc"
    ]
    items = misled.responses.input_items.list("r", extra_query={"after": "a", "order": "asc"})
    assert [item.id for item in items] == ["b", "c"]
    assert [request.path.partition("?")[2] for request in faults.requests] == ["order=asc&after=a", "order=asc&after=b"]


async def test_pages_of_a_server_that_says_only_ids(faults: FaultServer, misled: NovAI, amisled: AsyncNovAI) -> None:
    def page(first: int, more: bool | None) -> Answer:
        data = [{"id": f"item_{number}", "type": "message"} for number in (first, first + 1)]
        return Answer(200, {"object": "list", "data": data} | ({} if more is None else {"has_more": more}))

    def answers() -> list[Answer]:
        return [page(0, True), page(2, None), Answer(200, {"object": "list", "data": []})]

    faults.answers = answers()
    assert [item.id for item in misled.responses.input_items.list("r", limit=2)] == [f"item_{n}" for n in range(4)]
    assert faults.requests[1].path == "/v1/responses/r/input_items?limit=2&after=item_1"
    faults.answers = answers()
    assert [item.id async for item in amisled.responses.input_items.list("r")] == [f"item_{n}" for n in range(4)]
    last = await amisled.responses.input_items.list("r")
    assert last.next_page_info() is None
    with pytest.raises(ValueError, match="last page"):
        await last.get_next_page()
