"""Foreign errors, translated once: failures of workers and of gRPC itself → the edge's own tree."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import grpc
import grpc.aio
from gen import inference_pb2 as pb

from api.errors import (
    ApiError,
    ConflictError,
    ContextLengthExceededError,
    InternalError,
    InvalidRequestError,
    ModelNotFoundError,
    NoRoomError,
    OverloadedError,
    UpstreamError,
    UpstreamTimeoutError,
    WorkerDiedError,
)

RETRY_MS = 1000

FAILURES: dict[int, tuple[type[ApiError], str | None]] = {
    pb.INTERNAL: (UpstreamError, None),
    pb.INVALID_REQUEST: (InvalidRequestError, "invalid_value"),
    pb.UNSUPPORTED: (InvalidRequestError, "unsupported_value"),
    pb.CONTEXT_LENGTH_EXCEEDED: (ContextLengthExceededError, None),
    pb.OVERLOADED: (OverloadedError, None),
    pb.UNAVAILABLE: (OverloadedError, None),
    pb.MODEL_NOT_FOUND: (ModelNotFoundError, None),
    pb.INVALID_IMAGE: (InvalidRequestError, "invalid_image"),
    pb.TIMEOUT: (UpstreamTimeoutError, None),
}

STATUSES: dict[grpc.StatusCode, tuple[type[ApiError], str | None]] = {
    grpc.StatusCode.INVALID_ARGUMENT: (InvalidRequestError, "invalid_value"),
    grpc.StatusCode.DATA_LOSS: (InvalidRequestError, "invalid_image"),
    grpc.StatusCode.UNIMPLEMENTED: (InvalidRequestError, "unsupported_value"),
    grpc.StatusCode.OUT_OF_RANGE: (ContextLengthExceededError, None),
    grpc.StatusCode.NOT_FOUND: (ModelNotFoundError, None),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (OverloadedError, None),
    grpc.StatusCode.UNAVAILABLE: (OverloadedError, None),
    grpc.StatusCode.DEADLINE_EXCEEDED: (UpstreamTimeoutError, None),
    grpc.StatusCode.UNAUTHENTICATED: (InternalError, None),
}

# of calls to a model host
HOST_STATUSES: dict[grpc.StatusCode, type[ApiError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.NOT_FOUND: ModelNotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: ConflictError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: NoRoomError,
}


@contextlib.contextmanager
def calling() -> Iterator[None]:
    """Around a call whose channel may be closed meanwhile. gRPC cancels it then, which to asyncio means that the caller
    was; here it fails as if the peer had gone. Raises AioRpcError."""
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        nothing = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, nothing, nothing, "the channel was closed") from None


def from_failed(failed: pb.Failed) -> ApiError:
    """The error that a `failed` event stands for."""
    kind, code = FAILURES.get(failed.code, (InternalError, None))
    retry_after_ms = (failed.retry_after_ms or RETRY_MS) if kind is OverloadedError else None
    return kind(failed.message, param=failed.param or None, code=code, retry_after_ms=retry_after_ms)


def from_status(error: grpc.aio.AioRpcError, what: str) -> ApiError:
    """The error that a failed gRPC call stands for; `what` names the peer."""
    kind, code = STATUSES.get(error.code(), (UpstreamError, None))
    if issubclass(kind, InvalidRequestError):
        param, _, text = (error.details() or "").partition(": ")
        return kind(text or param, param=param if text else None, code=code)
    if kind is OverloadedError:
        return kind(f"{what} cannot take the request now; try again in 1s.", retry_after_ms=RETRY_MS)
    return kind(f"{what} failed ({error.code().name.lower()}); the request can be sent again.", code=code)


def from_host(error: grpc.aio.AioRpcError, host: str) -> ApiError:
    """The error that a model host's refusal stands for, or that it could not be reached."""
    kind = HOST_STATUSES.get(error.code())
    if kind is not None:
        param, _, text = (error.details() or "").partition(": ")
        retryable = False if issubclass(kind, ConflictError) else None
        return kind(text[:1].upper() + text[1:], param=param, retryable=retryable)
    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return OverloadedError(f"The model host {host} does not answer; try again in 1s.", retry_after_ms=RETRY_MS)
    return InternalError(f"The model host {host} failed ({error.code().name.lower()}). Its log says why.")


def broken(what: str) -> UpstreamError:
    """A worker died, or its connection did, while it worked on a request."""
    return UpstreamError(f"{what} stopped while it worked on the request; nothing is charged. Send it again.")


def worker_died(model: str) -> WorkerDiedError:
    """As `broken`, before it said anything: another one may be asked."""
    return WorkerDiedError(
        f"The worker of `{model}` stopped before it answered. Please try again in 1s.", retry_after_ms=RETRY_MS
    )
