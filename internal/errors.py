"""The errors behind the edge: a tree, each leaf knowing how it is said over the wire.

Inside a `Session` a failure is a `Failed` event; on unary calls it is a gRPC status. Both come from the one table
below, so a caller of either sees the same cause.
"""

from __future__ import annotations

import grpc
from gen import inference_pb2 as pb


class WorkerError(Exception):
    """Something a worker tells its caller. `message` says what was wrong and what to do next."""

    code: pb.ErrorCode.ValueType = pb.INTERNAL
    status = grpc.StatusCode.INTERNAL

    def __init__(self, message: str, param: str = "", retry_after_ms: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_ms = retry_after_ms

    def event(self) -> pb.Event:
        """The same failure as an event of a Session."""
        return pb.Event(
            failed=pb.Failed(code=self.code, message=self.message, param=self.param, retry_after_ms=self.retry_after_ms)
        )


class InvalidRequestError(WorkerError):
    code = pb.INVALID_REQUEST
    status = grpc.StatusCode.INVALID_ARGUMENT


class InvalidImageError(WorkerError):
    """A file that is no picture, or one that may not be decoded."""

    code = pb.INVALID_IMAGE
    status = grpc.StatusCode.DATA_LOSS


class UnsupportedError(WorkerError):
    """The model or the backend cannot do what was asked; another one might."""

    code = pb.UNSUPPORTED
    status = grpc.StatusCode.UNIMPLEMENTED


class ContextLengthExceededError(WorkerError):
    code = pb.CONTEXT_LENGTH_EXCEEDED
    status = grpc.StatusCode.OUT_OF_RANGE


class OverloadedError(WorkerError):
    """The bounded queue is full. Nothing was started."""

    code = pb.OVERLOADED
    status = grpc.StatusCode.RESOURCE_EXHAUSTED


class UnavailableError(WorkerError):
    """Draining, or not loaded yet."""

    code = pb.UNAVAILABLE
    status = grpc.StatusCode.UNAVAILABLE


class ModelNotFoundError(WorkerError):
    code = pb.MODEL_NOT_FOUND
    status = grpc.StatusCode.NOT_FOUND


class SilentError(WorkerError):
    """What this worker asks said nothing for too long."""

    code = pb.TIMEOUT
    status = grpc.StatusCode.DEADLINE_EXCEEDED


class InternalError(WorkerError):
    """A bug or a broken model: worth a line in the log, not the caller's fault."""
