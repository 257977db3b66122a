"""`embeddings.create()`: vectors travel as base64, and arrive as lists of numbers."""

from __future__ import annotations

from base64 import b64encode
from struct import pack
from typing import Any

import pytest
from novai import AsyncNovAI, NovAI

from tests.sdk.fault_server import Answer, FaultServer

VECTOR = [0.5, -1.25, 3.0]
PACKED = b64encode(pack("<3f", *VECTOR)).decode()
ASK: dict[str, Any] = {"model": "m", "input": "hi"}


def answer(embedding: object) -> Answer:
    data = [{"object": "embedding", "index": 0, "embedding": embedding}]
    return Answer(200, {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}})


@pytest.mark.parametrize("sent", [PACKED, VECTOR])
def test_a_vector_is_a_list_of_numbers(faults: FaultServer, misled: NovAI, sent: object) -> None:
    """Also of a server that does not know base64."""
    faults.answers = [answer(sent)]
    strict = misled.with_options(validate_responses=True)
    made = strict.embeddings.create(**ASK)
    assert faults.requests[0].json == ASK | {"encoding_format": "base64"}
    assert made.data[0].embedding == made.to_dict()["data"][0]["embedding"] == VECTOR
    assert strict.embeddings.with_raw_response.create(**ASK).parse() == made
    with strict.embeddings.with_streaming_response.create(**ASK) as response:
        assert response.parse() == made


async def test_a_vector_is_a_list_of_numbers_async(faults: FaultServer, amisled: AsyncNovAI) -> None:
    faults.answers = [answer(PACKED)]
    assert (await amisled.embeddings.create(**ASK)).data[0].embedding == VECTOR


@pytest.mark.parametrize("named", ["encoding_format", "extra_body"])
def test_who_names_a_format_gets_it(faults: FaultServer, misled: NovAI, named: str) -> None:
    faults.answers = [answer(PACKED)]
    form: Any = "base64" if named == "encoding_format" else {"encoding_format": "base64"}
    made: Any = misled.embeddings.create(**ASK, **{named: form})
    assert made.data[0].embedding == PACKED
    misled.embeddings.create(**ASK, encoding_format="float")
    assert [request.json["encoding_format"] for request in faults.requests] == ["base64", "float"]
