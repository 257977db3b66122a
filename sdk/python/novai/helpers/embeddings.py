"""`embeddings.create()`: vectors travel as base64, a third of their JSON, unless the caller names a format."""

from __future__ import annotations

import sys
from array import array
from base64 import b64decode
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .. import types
from .._runtime.omit import omit

if TYPE_CHECKING:
    from typing_extensions import Self

    from .._runtime.call import Call

T = TypeVar("T")


class Embedding(types.Embedding):
    """One whose vector may have come as base64."""

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        if isinstance(data.get("embedding"), str):
            data["embedding"] = floats(data["embedding"])
        return super().from_dict(data)


class EmbeddingResponse(types.EmbeddingResponse):
    data: list[Embedding]  # type: ignore[assignment]  # of an answer that nobody changes


def floats(packed: str) -> list[float]:
    """`packed`: float32, little-endian, in base64."""
    vector = array("f", b64decode(packed))
    if sys.byteorder == "big":
        vector.byteswap()
    return vector.tolist()


class EmbeddingsHelpers:
    def _asked(self, call: Call, answer: type[T]) -> tuple[Call, type[T]]:
        body = cast("dict[str, Any]", call.body)
        if body["encoding_format"] is not omit or "encoding_format" in (call.extra_body or {}):
            return call, answer
        return replace(call, body={**body, "encoding_format": "base64"}), cast("type[T]", EmbeddingResponse)


class AsyncEmbeddingsHelpers(EmbeddingsHelpers):
    """As `EmbeddingsHelpers`."""
