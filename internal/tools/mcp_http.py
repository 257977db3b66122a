"""HTTP to MCP servers: one answer has a bound, as a line has one over stdio. The library would take any amount."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import httpx2

MAX_ANSWER_BYTES = 24 << 20


def client(headers: Mapping[str, str], connect_s: float) -> httpx2.AsyncClient:
    """Who answers with more, or packed, which would have no bound, is cut off. What a call may take is its limits'
    business."""
    return httpx2.AsyncClient(
        headers={"accept-encoding": "identity", **headers},
        timeout=httpx2.Timeout(connect_s, read=None),
        event_hooks={"response": [bound]},
    )


async def bound(response: httpx2.Response) -> None:
    """Raises DecodingError."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise httpx2.DecodingError("an answer that is packed", request=response.request)
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = Bounded(response.stream)


class Bounded(httpx2.AsyncByteStream):
    """A body up to the bound."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Raises ReadError."""
        taken = 0
        async for piece in self._stream:
            taken += len(piece)
            if taken > MAX_ANSWER_BYTES:
                raise httpx2.ReadError(f"an answer of more than {MAX_ANSWER_BYTES >> 20} MiB")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
