"""Vectors → the answer of an embedding request, exactly by the wire contract."""

from __future__ import annotations

import base64
import struct

import msgspec

from api.clients.embedding import Vectors
from api.generated import schemas as s

encode = msgspec.json.Encoder().encode


def embedding_answer(body: s.EmbeddingRequest, model: str, vectors: Vectors) -> bytes:
    """As JSON: it is written once, and large. `model`: what answered."""
    rows = vectors.rows()
    embeddings: list[str] | list[msgspec.Raw]
    if body.encoding_format == "base64":
        embeddings = [base64.b64encode(row).decode() for row in rows]
    else:
        floats = struct.Struct(f"<{vectors.dimensions}f")
        embeddings = [msgspec.Raw(encode(floats.unpack(row))) for row in rows]
    answer = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": embedding}
            for index, embedding in enumerate(embeddings)
        ],
        "model": model,
        "usage": {"prompt_tokens": vectors.prompt_tokens, "total_tokens": vectors.prompt_tokens},
    }
    return encode(answer)
