"""What is known of a run between two calls of `novai batch run`: a file beside its output."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

import msgspec


class JobError(Exception):
    """The run cannot go on as it was called. The message says what to do."""


class Job(msgspec.Struct):
    """`exit_status` is known when it is over."""

    input_sha256: str
    key: str  # for the Idempotency-Keys of its requests
    file_id: str | None = None
    batch_id: str | None = None
    exit_status: int | None = None


def path_of(output: Path) -> Path:
    return output.with_name(output.name + ".novai.json")


def new(digest: str) -> Job:
    return Job(digest, secrets.token_hex(16))


def load(output: Path, source: Path) -> Job:
    """The job of this output, a new one when there is none. Raises JobError, OSError."""
    path, digest = path_of(output), sha256(source)
    try:
        job = msgspec.json.decode(path.read_bytes(), type=Job)
    except FileNotFoundError:
        return new(digest)
    except msgspec.MsgspecError as error:
        raise JobError(f"{path} is not what it should be ({error}). Delete it to begin anew.") from None
    if job.input_sha256 != digest:
        if job.batch_id is None:  # nothing has begun
            return new(digest)
        raise JobError(f"{source} is not what {path} was begun with. Choose another output, or delete {path}.")
    return job


def save(output: Path, job: Job) -> None:
    path = path_of(output)
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(job), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def forget(output: Path) -> None:
    path_of(output).unlink(missing_ok=True)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def endpoint(source: Path) -> str:
    """The `url` of the first line: all others have the same. Raises JobError, OSError."""
    with source.open("rb") as file:
        for line in file:
            if line.strip(b" \t\r\n\xef\xbb\xbf"):
                try:
                    return str(msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf"))["url"])
                except (msgspec.MsgspecError, LookupError, TypeError):
                    raise JobError(
                        f"The first line of {source} names no endpoint. A line is "
                        '{"custom_id": "…", "method": "POST", "url": "/v1/chat/completions", "body": {…}}.'
                    ) from None
    raise JobError(f"{source} has no lines.")
