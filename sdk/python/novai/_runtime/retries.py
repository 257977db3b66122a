"""When a call is tried again, and after how long. Pure."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from contextlib import suppress

FIRST_S, LONGEST_S, JITTER = 0.5, 8.0, 0.25
PATIENCE_S = 120.0  # who is told to wait longer than this is told so by an error
RETRIED = {408, 409, 429}


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds the server asks to wait: `retry-after-ms`, else `retry-after` as seconds or as a date."""
    for name, read in (("retry-after-ms", milliseconds), ("retry-after", seconds)):
        if (said := read(headers.get(name, ""))) is not None:
            return said
    return None


def milliseconds(text: str) -> float | None:
    with suppress(ValueError):
        return float(text) / 1000
    return None


def seconds(text: str) -> float | None:
    """A number of them, or those until a date."""
    from email.utils import parsedate_to_datetime  # dear to import, and rarely needed

    with suppress(ValueError):
        return float(text)
    with suppress(TypeError, ValueError):
        return parsedate_to_datetime(text).timestamp() - time.time()
    return None


def can_help(status: int, headers: Mapping[str, str]) -> bool:
    """Whether an answer is worth another try."""
    if (retry_after_s(headers) or 0) > PATIENCE_S:
        return False
    if (said := headers.get("x-should-retry")) in ("true", "false"):
        return said == "true"
    return status in RETRIED or status >= 500


def checked(max_retries: object) -> int:
    """Raises TypeError for what is no number of retries."""
    if not isinstance(max_retries, int) or max_retries < 0:
        raise TypeError(f"`max_retries` is {max_retries!r}: it must be a whole number, 0 for none.")
    return max_retries


def delay_s(retry: int, headers: Mapping[str, str] | None = None) -> float:
    """Before retry number `retry`, from 0: what the server asks for, else 0.5 s doubled up to 8 s, with jitter."""
    asked = retry_after_s(headers or {})
    if asked is not None and 0 < asked <= PATIENCE_S:
        return asked
    return float(min(FIRST_S * 2.0**retry, LONGEST_S)) * (1 - JITTER * random.random())  # noqa: S311
