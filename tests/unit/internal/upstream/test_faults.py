from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from gen import inference_pb2 as pb

from internal.upstream import faults
from internal.upstream.faults import Blame, retry_after_s


@pytest.mark.parametrize(
    ("status", "blame", "code"),
    [
        (302, Blame.UPSTREAM, pb.INTERNAL),
        (400, Blame.REQUEST, pb.INVALID_REQUEST),
        (401, Blame.KEY, pb.INTERNAL),
        (402, Blame.KEY, pb.INTERNAL),
        (403, Blame.KEY, pb.INTERNAL),
        (404, Blame.MODEL, pb.INTERNAL),
        (408, Blame.UPSTREAM, pb.INTERNAL),
        (413, Blame.REQUEST, pb.INVALID_REQUEST),
        (422, Blame.REQUEST, pb.INVALID_REQUEST),
        (429, Blame.KEY, pb.OVERLOADED),
        (500, Blame.UPSTREAM, pb.INTERNAL),
        (503, Blame.UPSTREAM, pb.OVERLOADED),
        (529, Blame.UPSTREAM, pb.OVERLOADED),
    ],
)
def test_every_status_has_somebody_to_blame(status: int, blame: Blame, code: pb.ErrorCode.ValueType) -> None:
    fault = faults.of_answer(status, {}, b"not even JSON \xff", "m")
    assert (fault.blame, fault.error.code) == (blame, code)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "too much", "code": "context_length_exceeded", "param": "messages"}}',
        b'{"type": "error", "error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}}',
        b'{"error": "This model\'s maximum context length is 4096 tokens."}',
        b'{"object": "error", "message": "This model\'s maximum context length is 4096 tokens.", "code": 400}',
        b'{"error": {"message": "the request exceeds the available context size, try increasing it", "code": 400}}',
        b'{"error": {"message": "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"}}',
        b'[{"error": {"code": 400, "message": "The input token count exceeds the maximum number of tokens allowed."}}]',
    ],
)
def test_an_overflow_is_known_and_said_in_the_words_that_clients_know(body: bytes) -> None:
    error = faults.of_answer(400, {}, body, "m").error
    assert error.code == pb.CONTEXT_LENGTH_EXCEEDED
    assert "prompt is too long" in error.message


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "top_k is odd", "param": "top_k"}}',
        b'{"error": {"message": "top_k is odd", "param": ["top_k"], "code": {}}}',
        b'{"error": {"message": "top_k is odd", "param": 7}}',
        b'{"object": "error", "message": "top_k is odd", "type": "BadRequestError", "param": null, "code": 400}',
        b'[{"error": {"code": 400, "message": "top_k is odd", "status": "INVALID_ARGUMENT"}}]',
    ],
)
def test_the_words_of_a_refusal_are_found_in_every_form(body: bytes) -> None:
    fault = faults.of_answer(400, {}, body, "m", ["sk-1"])
    assert (fault.blame, fault.error.message) == (Blame.REQUEST, "top_k is odd")
    assert fault.error.param in ("", "top_k")


@pytest.mark.parametrize(("param", "told"), [("input", "input"), ("", "messages")])
def test_an_overflow_is_of_the_messages_unless_its_upstream_knows_better(param: str, told: str) -> None:
    body = b'{"error": {"message": "Prompt is Too Long", "param": "%b"}}' % param.encode()
    error = faults.of_answer(400, {}, body, "m").error
    assert (error.code, error.param) == (pb.CONTEXT_LENGTH_EXCEEDED, told)


@pytest.mark.parametrize("status", faults.COME_LATER)
@pytest.mark.parametrize(
    ("headers", "told_ms"), [({}, 1000), ({"retry-after-ms": "20"}, 1000), ({"retry-after": "7"}, 7000)]
)
def test_when_to_come_again_is_told_and_is_never_at_once(status: int, headers: dict[str, str], told_ms: int) -> None:
    assert faults.of_answer(status, headers, b"", "m").error.retry_after_ms == told_ms


DEEP = b'{"code": %b%b}' % (b"[" * 5000, b"]" * 5000)


@pytest.mark.parametrize("body", [b"[]", b"[7]", b"{}", b'{"error": null}', b'{"error": 7}', b'{"message": 7}', DEEP])
def test_a_refusal_without_words_is_one(body: bytes) -> None:
    error = faults.of_answer(400, {}, body, "m").error
    assert (error.code, error.message) == (pb.INVALID_REQUEST, "The upstream refused the request as invalid.")


@pytest.mark.parametrize(
    "body",
    [
        b'{"type": "error", "error": {"message": "Your credit balance is too low to access the Anthropic API."}}',
        b'[{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}}]',
        b'{"error": {"code": 400, "message": "API key expired. Please renew the API key."}}',
    ],
)
def test_a_key_of_no_use_is_not_the_callers_fault_whatever_the_status(body: bytes) -> None:
    fault = faults.of_answer(400, {}, body, "m")
    assert (fault.blame, fault.error.code, fault.rest_s) == (Blame.KEY, pb.INTERNAL, faults.REFUSED_KEY_S)


def test_what_a_request_is_quoted_with_puts_no_key_to_rest() -> None:
    body = b'{"error": {"message": "Invalid value: \'API key not valid\'"}}'
    assert faults.of_answer(400, {}, body, "m").blame is Blame.REQUEST


def test_a_text_that_moderation_flags_puts_no_key_to_rest() -> None:
    body = b'{"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["x"], "flagged_input": "y"}}}'
    fault = faults.of_answer(403, {}, body, "m")
    assert (fault.blame, fault.error.code, fault.error.message) == (Blame.REQUEST, pb.INVALID_REQUEST, "flagged")
    assert faults.of_answer(403, {}, b'{"error": {"message": "no", "metadata": []}}', "m").blame is Blame.KEY


def test_what_is_told_of_an_upstream_is_bounded() -> None:
    error = faults.of_answer(400, {}, b'{"error": {"message": "%b"}}' % (b"x" * 10_000), "m").error
    assert len(error.message) == faults.MOST_TOLD


@pytest.mark.parametrize("spelling", [rb"sk/one", rb"sk\/one", rb"sk\u002fone"])
def test_a_secret_is_not_told_however_it_is_spelled(spelling: bytes) -> None:
    body = b'{"error": {"message": "Bearer %b", "param": "%b"}}' % (spelling, spelling)
    error = faults.of_answer(400, {}, body, "m", ["sk/one"]).error
    assert (error.message, error.param) == ("Bearer ***", "***")


def test_only_faults_of_the_request_are_told_in_the_words_of_the_upstream() -> None:
    for status in (302, 401, 404, 429, 500, 503):
        assert "secret" not in faults.of_answer(status, {}, b'{"error": {"message": "secret"}}', "m").error.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after": f"Mon, 01 Jan 2024 00:00:00 -{'9' * 24}"}, 0.0),
        ({"retry-after": "1e12"}, faults.MOST_RETRY_AFTER_S),
        ({"retry-after": formatdate(time.time() - 60, usegmt=True)}, 0.0),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float) -> None:
    assert retry_after_s(headers) == seconds


def test_how_long_to_wait_until_a_date() -> None:
    assert 25 < retry_after_s({"retry-after": formatdate(time.time() + 30, usegmt=True)}) <= 30
