"""What `novai batch` asks of the API. What can be tried again is, for as long as `PATIENCE_S`: a server that restarts
costs a wait, and an Idempotency-Key makes one file and one batch of all tries.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec

from internal.api_client import ApiFailure, read, told

PATIENCE_S = 300.0
PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)  # the last one again and again
TIMEOUT = httpx.Timeout(60.0, connect=10.0)
RETRIED = {408, 409, 429}


class Counts(msgspec.Struct, frozen=True):
    total: int = 0
    completed: int = 0
    failed: int = 0

    @property
    def over(self) -> int:
        return self.completed + self.failed


class Fault(msgspec.Struct, frozen=True):
    """Why a batch failed as a whole."""

    message: str
    line: int | None = None


class Faults(msgspec.Struct, frozen=True):
    data: list[Fault]


class Batch(msgspec.Struct, frozen=True):
    """What is read of one."""

    id: str
    status: str
    request_counts: Counts
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: Faults | None = None

    @property
    def over(self) -> bool:
        return self.status in ("completed", "failed", "expired", "cancelled")


class Uploaded(msgspec.Struct, frozen=True):
    id: str


class Client:
    """Used as a `with` block. `base_url` ends with /v1. `on_wait` is told why something is tried again, and for how
    long. Every method raises ApiFailure."""

    def __init__(
        self, base_url: str, api_key: str, on_wait: Callable[[str], None], patience_s: float = PATIENCE_S
    ) -> None:
        headers = {"authorization": f"Bearer {api_key}"}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=TIMEOUT)
        self._on_wait = on_wait
        self._patience_s = patience_s

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._http.close()

    def upload(self, path: Path, key: str) -> str:
        """The id of the file. It is read as it is sent."""

        def send() -> httpx.Response:
            with path.open("rb") as file:
                return self._http.post(
                    "/files", data={"purpose": "batch"}, files={"file": (path.name, file)}, headers=once(key)
                )

        return read(self._tried(send), Uploaded).id

    def create(self, file_id: str, endpoint: str, key: str) -> Batch:
        body = {"input_file_id": file_id, "endpoint": endpoint, "completion_window": "24h"}
        return read(self._tried(lambda: self._http.post("/batches", json=body, headers=once(key))), Batch)

    def batch(self, batch_id: str) -> Batch:
        return read(self._tried(lambda: self._http.get(f"/batches/{batch_id}")), Batch)

    def download(self, file_id: str, target: Path) -> None:
        """The file is there whole, or as it was before."""
        unfinished = target.with_name(target.name + ".part")

        def receive() -> httpx.Response:
            with self._http.stream("GET", f"/files/{file_id}/content") as answer, unfinished.open("wb") as file:
                if not answer.is_success:
                    answer.read()
                    return answer
                for piece in answer.iter_bytes():  # a proxy may have compressed it
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            return answer

        try:
            self._tried(receive)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)

    def _tried(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        patient_until_s = time.monotonic() + self._patience_s
        for number, pause_s in enumerate(pauses()):
            try:
                answer = ask()
                if answer.is_success:
                    return answer
                failure = ApiFailure(told(answer), answer.status_code)
                if not retried(answer):
                    raise failure
                pause_s = max(pause_s, asked_pause_s(answer))  # noqa: PLW2901
            except httpx.RequestError as error:
                failure = ApiFailure(f"{self._http.base_url} cannot be reached: {error or type(error).__name__}.")
            if time.monotonic() + pause_s > patient_until_s:
                raise failure
            if not number:
                self._on_wait(f"{failure} Trying again for {self._patience_s:g} s.")
            time.sleep(pause_s)
        raise AssertionError


def once(key: str) -> dict[str, str]:
    return {"idempotency-key": key}


def pauses() -> Iterator[float]:
    yield from PAUSES_S
    while True:
        yield PAUSES_S[-1]


def retried(answer: httpx.Response) -> bool:
    should = answer.headers.get("x-should-retry")
    return should == "true" if should else answer.status_code in RETRIED or answer.status_code >= 500


def asked_pause_s(answer: httpx.Response) -> float:
    """Seconds that it asks to wait; 0 where it names none: proxies may give a date."""
    try:
        return float(answer.headers.get("retry-after", 0))
    except ValueError:
        return 0.0
