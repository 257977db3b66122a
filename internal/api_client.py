"""What the words share that call a running API: where it is, the key for it, and errors as it tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import httpx
import msgspec

from internal.dev import state

T = TypeVar("T")


class ApiFailure(Exception):  # noqa: N818 (as it is told)
    """The API refused, or could not be reached for too long. The message is what it said."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


def server(env: Mapping[str, str], key: str) -> tuple[str, str]:
    """Base URL, which ends with /v1, and the key of that variable; of the `novai dev` of this folder where the
    environment names no server. Raises KeyError, and ApiFailure when it is no URL, or no key."""
    if "NOVAI_BASE_URL" not in env:
        env = state.read_env(state.HERE, state.ENV) or env
    base_url, secret = env["NOVAI_BASE_URL"], env[key]
    try:
        known = httpx.URL(base_url).scheme in ("http", "https")
    except httpx.InvalidURL:
        known = False
    if not known:
        raise ApiFailure(f"NOVAI_BASE_URL={base_url!r} has to begin with http:// or https://, and to be a URL.")
    if not (secret.isascii() and secret.isprintable()):
        raise ApiFailure(f"{key} has characters that no key has: copy it again.")
    return base_url, secret


def read(answer: httpx.Response, kind: type[T]) -> T:
    """What was answered. Raises ApiFailure when it is something else, such as the page of a proxy."""
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.DecodeError:
        raise ApiFailure(
            f"{answer.url} answers {answer.text[:200]!r}. Is NOVAI_BASE_URL that of NovAI? It ends with /v1."
        ) from None


def told(answer: httpx.Response) -> str:
    """What an error says; something that is no error of ours came from a proxy."""
    try:
        error: Any = answer.json()["error"]
        return str(error["message"])
    except (ValueError, LookupError, TypeError):
        return f"the server answered {answer.status_code}: {answer.text[:200]}"
