"""What goes wrong with an upstream, sorted by what can be done about it."""

from __future__ import annotations

import email.utils
import enum
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from internal.errors import (
    ContextLengthExceededError,
    InternalError,
    InvalidRequestError,
    OverloadedError,
    SilentError,
    UnsupportedError,
    WorkerError,
)

REFUSED_KEY_S = 300.0  # a key that is wrong is not right a moment later
MOST_RETRY_AFTER_S = 3600.0
MOST_TOLD = 2000  # characters of an upstream's message that callers are told
TOO_LONG = (
    "context_length_exceeded",
    "prompt is too long",
    "maximum context length",
    "context window",
    "exceeds the available context size",  # llama-server
    "exceed context limit",  # Anthropic, of prompt and max_tokens together
    "longer than the maximum model length",  # vLLM
    "maximum prompt length",  # xAI
    "maximum number of tokens allowed",  # Gemini
)
# What Anthropic and Gemini say with 400. Only at the beginning: further on they quote the request.
OF_THE_KEY = ("Your credit balance is too low", "API key not valid", "API key expired")
UNSUPPORTED = ("unsupported_value", "unsupported_parameter")


class Blame(enum.Enum):
    """Who is at fault, and so what is left alone afterwards."""

    REQUEST = "request"  # nobody would answer it
    KEY = "key"  # another key may do
    MODEL = "model"  # another upstream may do; this one is well
    UPSTREAM = "upstream"  # another upstream may do, or this one a little later


class AttemptError(Exception):
    """An attempt that failed. `error` is what the caller is told when there is no further one; `what` goes to the log
    and has nothing of the request in it."""

    def __init__(self, blame: Blame, error: WorkerError, what: str, rest_s: float = 0.0) -> None:
        super().__init__(what)
        self.blame = blame
        self.error = error
        self.what = what
        self.rest_s = rest_s  # how long it asked to be left alone


class Told(msgspec.Struct):
    message: str = ""
    code: Any = None
    param: Any = ""
    metadata: Any = None  # OpenRouter's


class ErrorBody(Told):
    """How OpenAI, Anthropic and those who do as they do say what is wrong; some, such as Mistral and vLLM before 0.10,
    without the object around it."""

    error: Told | str | None = None


BY_STATUS: Mapping[int, Blame] = {
    400: Blame.REQUEST,
    401: Blame.KEY,
    402: Blame.KEY,
    403: Blame.KEY,
    404: Blame.MODEL,  # it is not there, or, with OpenRouter, not for such a request
    413: Blame.REQUEST,
    422: Blame.REQUEST,
    429: Blame.KEY,
}  # all others: Blame.UPSTREAM
COME_LATER = (429, 503, 529)


def of_answer(
    status: int, headers: Mapping[str, str], body: bytes, model: str, secrets: Iterable[str] = ()
) -> AttemptError:
    """The fault that an answer without success stands for. `model`: our name. `secrets`: it is not quoted with them."""
    said = told(body)
    for secret in secrets:  # in what was decoded: JSON has many spellings of one text
        said.message = said.message.replace(secret, "***")
        said.param = said.param.replace(secret, "***")
    blame = blame_of(status, said)
    what = f"HTTP {status}"
    if blame is Blame.REQUEST:
        return AttemptError(blame, refusal(said), what)
    rest_s = retry_after_s(headers)
    if status in COME_LATER:
        error: WorkerError = OverloadedError(
            f"The upstream of `{model}` can take no more requests now; try again later.",
            retry_after_ms=round(1000 * max(rest_s, 1.0)),
        )
    elif blame is Blame.KEY:
        error, rest_s = unauthorized(model), REFUSED_KEY_S
    else:
        error = broken(model)
    return AttemptError(blame, error, what, rest_s)


def blame_of(status: int, said: Told) -> Blame:
    """By the status, and by the words where a status stands for faults of different people."""
    if status == 400 and said.message.startswith(OF_THE_KEY):
        return Blame.KEY
    if status == 403 and isinstance(said.metadata, dict) and "flagged_input" in said.metadata:  # by OpenRouter
        return Blame.REQUEST
    return BY_STATUS.get(status, Blame.UPSTREAM)


def cut(model: str, what: str) -> AttemptError:
    """No connection, a broken one, or an answer that nobody understands."""
    return AttemptError(Blame.UPSTREAM, broken(model), what)


def silent(model: str) -> AttemptError:
    error = SilentError(f"The upstream of `{model}` said nothing for too long. Send the request again.")
    return AttemptError(Blame.UPSTREAM, error, "said nothing for too long")


def unauthorized(model: str) -> WorkerError:
    return InternalError(f"The upstream of `{model}` does not accept our key; its operator has to look at it.")


def broken(model: str) -> WorkerError:
    return InternalError(f"The upstream of `{model}` failed; nothing is charged. Send the request again.")


def refusal(told: Told) -> WorkerError:
    """The caller's own fault, in the upstream's words."""
    message = told.message[:MOST_TOLD] or "The upstream refused the request as invalid."
    if told.code == TOO_LONG[0] or any(phrase in message.lower() for phrase in TOO_LONG):
        # Clients know an overflow by these words.
        known = "" if "prompt is too long" in message else " (context_length_exceeded: prompt is too long)"
        return ContextLengthExceededError(message + known, told.param or "messages")
    if told.code in UNSUPPORTED:
        return UnsupportedError(message, told.param)
    return InvalidRequestError(message, told.param)


def told(body: bytes) -> Told:
    try:
        said = msgspec.json.decode(body, type=ErrorBody | list[ErrorBody])
    except (ValueError, RecursionError):
        return Told()
    if isinstance(said, list):  # Gemini's
        said = said[0] if said else ErrorBody()
    found = Told(message=said.error) if isinstance(said.error, str) else said.error or said
    found.param = found.param if isinstance(found.param, str) else ""
    return found


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds that the answer asks to wait; 0 when it does not say."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        if text := headers.get(name):
            return min(max(_seconds(text) * unit, 0.0), MOST_RETRY_AFTER_S)
    return 0.0


def _seconds(text: str) -> float:
    """Of a number, or until a date."""
    try:
        number = float(text)
    except ValueError:
        try:
            number = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, OverflowError):  # a zone or a year that no calendar has
            return 0.0
    return 0.0 if math.isnan(number) else number
