from __future__ import annotations

from typing import Generic, TypeVar

from .call import Call
from .client import AsyncClient, Presentation, SyncClient

Client = TypeVar("Client", SyncClient, AsyncClient)
T = TypeVar("T")


class Resource(Generic[Client]):
    """Operations that belong together, and the client they go through."""

    def __init__(self, client: Client) -> None:
        self._client: Client = client

    def _asked(self, call: Call, answer: type[T]) -> tuple[Call, type[T]]:
        """What is sent, and what its answer is read into. Helpers may have other ideas than the generated method."""
        return call, answer

    def _raw(self) -> Client:
        return self._client.presenting(Presentation.RAW)

    def _streamed(self) -> Client:
        return self._client.presenting(Presentation.STREAMED)
