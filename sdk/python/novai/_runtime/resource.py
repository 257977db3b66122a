from __future__ import annotations

from typing import Generic, TypeVar

from .client import AsyncClient, Presentation, SyncClient

Client = TypeVar("Client", SyncClient, AsyncClient)


class Resource(Generic[Client]):
    """Operations that belong together, and the client they go through."""

    def __init__(self, client: Client) -> None:
        self._client: Client = client

    def _raw(self) -> Client:
        return self._client.presenting(Presentation.RAW)

    def _streamed(self) -> Client:
        return self._client.presenting(Presentation.STREAMED)
