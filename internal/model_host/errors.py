"""Why a model host does not do what it is told: a tree, each leaf with its gRPC status."""

from __future__ import annotations

import grpc


class HostError(Exception):
    """The message says what was wrong and what to do next; `param`: which part of the call."""

    status = grpc.StatusCode.INTERNAL

    def __init__(self, message: str, param: str = "") -> None:
        super().__init__(f"{param}: {message}" if param else message)


class NoSuchModelError(HostError):
    status = grpc.StatusCode.NOT_FOUND


class InvalidError(HostError):
    status = grpc.StatusCode.INVALID_ARGUMENT


class BusyError(HostError):
    """Something else has to end first."""

    status = grpc.StatusCode.FAILED_PRECONDITION


class NoRoomError(HostError):
    """There is not enough memory, or not enough disk."""

    status = grpc.StatusCode.RESOURCE_EXHAUSTED
