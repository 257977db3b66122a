"""The attempts of one call: what each sends, and whether another follows. Does no I/O, so both clients share it."""

from __future__ import annotations

import platform
import sys
import uuid
from functools import cache
from typing import TYPE_CHECKING, Any

from .call import Call
from .encoding import Form, query, to_json
from .errors import APIConnectionError, NovAIError, status_error
from .log import log, shown
from .omit import Omit, given, omit
from .retries import can_help, checked, delay_s

if TYPE_CHECKING:
    import httpx

    from .client import BaseClient


def bearer(api_key: str) -> str:
    """A key for a header, without the white space that files and clipboards have around it. Raises NovAIError."""
    key = api_key.strip()
    if not (key.isascii() and key.isprintable()):
        raise NovAIError("The API key has characters that no key has, such as letters with accents: copy it again.")
    return f"Bearer {key}"


class Attempts:
    """Used as a context: closes files that were opened for the call."""

    def __init__(self, client: BaseClient[Any], call: Call) -> None:
        self._client, self._call = client, call
        self.taken = 0  # retries
        most = client.max_retries if isinstance(call.max_retries, Omit) else checked(call.max_retries)
        body = call.body
        if call.extra_body:
            body = {**(body if isinstance(body, dict) else {}), **call.extra_body}
        if isinstance(body, dict):
            body = given(body)
        self._form = Form(body) if call.form and isinstance(body, dict) else None
        self._content = None if self._form or body is omit else to_json(body)
        self._most = most if self._form is None or self._form.replayable else 0
        # One key for all attempts. A stream that is cut is not replayed, and its key would keep the server generating
        # after its reader has left.
        self._key = call.idempotency_key
        if self._key is None and call.method == "POST" and not call.events:
            self._key = f"novai-python-{uuid.uuid4()}"

    def __enter__(self) -> Attempts:
        return self

    def __exit__(self, *_: object) -> None:
        if self._form:
            self._form.close()

    def request(self, api_key: str, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """The next attempt."""
        call, client = self._call, self._client
        parts: dict[str, Any] = {"content": self._content}
        if self._form:
            parts = {"data": self._form.data, "files": self._form.files}
        timeout = client.timeout if isinstance(call.timeout, Omit) else call.timeout
        request = http.build_request(
            call.method,
            client.url(call.path),
            params=query({**client.default_query, **call.query, **(call.extra_query or {})}) or None,
            headers=self._headers(api_key, timeout),
            timeout=timeout,
            **parts,
        )
        log.debug("%s %s %s", request.method, request.url, shown(request.headers))
        return request

    def _headers(self, api_key: str, timeout: Any) -> dict[str, str]:
        call, client = self._call, self._client
        wait_s = getattr(timeout, "read", timeout)
        own: dict[str, Any] = {
            **platform_headers(client.version),
            "User-Agent": f"{type(client).__name__}/Python {client.version}",
            "Accept": "text/event-stream, application/json" if call.events else call.accept,
            "Authorization": bearer(api_key),
            "x-novai-async": str(client.is_async).lower(),
            "x-novai-retry-count": str(self.taken),
            "x-novai-read-timeout": omit if wait_s is None else str(wait_s),
            "Content-Type": "application/json" if self._content is not None else omit,
            "Idempotency-Key": self._key or omit,
            "OpenAI-Organization": client.organization or omit,
            "OpenAI-Project": client.project or omit,
        }
        merged: dict[str, tuple[str, Any]] = {}
        for headers in (own, client.default_headers, call.extra_headers or {}):
            merged.update({name.lower(): (name, value) for name, value in headers.items()})
        return given(dict(merged.values()))

    def answered(self, response: httpx.Response) -> float | None:
        """Seconds until the next attempt; None for a success. Raises when there is none. The body has been read."""
        log.info("%s %s → %s", response.request.method, response.request.url, response.status_code)
        log.debug("%s", shown(response.headers))
        if response.is_success:
            response.extensions["novai_retries"] = self.taken
            return None
        if self.taken >= self._most or not can_help(response.status_code, response.headers):
            raise status_error(response)
        return self._wait(dict(response.headers))

    def failed(self, error: APIConnectionError) -> float:
        """Seconds until the next attempt. Raises the error when there is none."""
        if self.taken >= self._most:
            raise error
        return self._wait(None)

    def _wait(self, headers: dict[str, str] | None) -> float:
        wait_s = delay_s(self.taken, headers)
        self.taken += 1
        log.info("retry %d of %s in %.3f s", self.taken, self._call.path, wait_s)
        return wait_s


@cache
def platform_headers(version: str) -> dict[str, str]:
    return {
        "x-novai-lang": "python",
        "x-novai-package-version": version,
        "x-novai-os": platform.system() or "unknown",
        "x-novai-arch": platform.machine() or "unknown",
        "x-novai-runtime": sys.implementation.name,
        "x-novai-runtime-version": platform.python_version(),
    }
