"""200 schemas on the demo model: whatever it writes under them validates.

`schemas/json_schema_test_suite.json` names where they come from. The model is hot, so that it writes all that it may,
and has a liking for what closes a string or a list and not for what it wrote before, so that it ends.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from gen import inference_pb2 as pb

from tests.unit.internal.inference.backends.llamacpp.conftest import F16, Start
from tests.unit.internal.inference.backends.llamacpp.test_constraints import DEMO, hot, user
from tests.unit.internal.inference.backends.running import Answer, Engine

SUITE = json.loads((Path(__file__).parents[2] / "schemas/json_schema_test_suite.json").read_text())
CASES: list[tuple[str, dict[str, Any]]] = SUITE["cases"]
CHOICES = 2
LIKING = {b'"': 14.0, b"]": 5.0, b"}": 5.0}  # added to the logits of tokens that close, by their first byte
LIMITS = (64, 192, 576)  # tokens, raised for what is cut off
# All that is refused, by reason: nothing of it is in the strict subset, but for schemas that nothing satisfies.
REFUSED = {
    "oneOf is supported only where": 8,
    "Unsatisfiable schema": 5,
    "patternProperty regexes": 3,
    "Unimplemented keys": 3,
    "multipleOf 0.123456789 has too many digits": 1,
}


@pytest.fixture(params=["streams"])
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def closing(engine: Engine) -> dict[int, float]:
    model = engine.backend._prompts._model
    assert model is not None
    pieces = {i: model.piece(i) for i in range(model.vocabulary_size)}
    return {i: LIKING[piece[:1]] for i, piece in pieces.items() if piece and not piece.strip(b'"]}')}


async def write(engine: Engine, schema: dict[str, Any], seed: int, places: asyncio.Semaphore) -> Answer:
    """Choices of the model under a schema, with the fewest tokens in which all of them end."""
    async with places:
        for limit in LIMITS:
            answer = await engine.run(
                user("Write JSON."),
                constraint=pb.Constraint(json_schema=json.dumps(schema)),
                sampling=hot(seed, logit_bias=closing(engine), frequency_penalty=0.2),
                max_tokens=limit,
                ignore_eos=False,
                n=CHOICES,
            )
            if answer.kinds[-1] == "failed" or all(answer.finish(choice) == pb.STOP for choice in range(CHOICES)):
                break
    return answer


def refusal(answer: Answer) -> str:
    message = answer.failure.message.removeprefix("Invalid schema for response_format: ")
    assert answer.failure.code == pb.INVALID_REQUEST
    return next((reason for reason in REFUSED if message.startswith(reason)), message)


@pytest.mark.timeout(180)
async def test_outputs_validate(start: Start) -> None:
    assert len(CASES) == 200
    engine = await start(DEMO, context_length=2048, **F16)
    places = asyncio.Semaphore(8)
    answers = await asyncio.gather(
        *(write(engine, schema, seed, places) for seed, (_, schema) in enumerate(CASES)),
    )
    refused: Counter[str] = Counter()
    unfinished = 0
    for (name, schema), answer in zip(CASES, answers, strict=True):
        if answer.kinds == ["failed"]:
            refused[refusal(answer)] += 1
            continue
        assert answer.kinds[-1] == "finished", (name, answer.failure)
        validator = jsonschema.Draft202012Validator(
            schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
        )
        for choice in range(CHOICES):
            if answer.finish(choice) == pb.LENGTH:
                unfinished += 1  # a list that need not end
                continue
            text = answer.text(choice)
            errors = [error.message for error in validator.iter_errors(json.loads(text))]
            assert not errors, (name, text)
    assert refused == REFUSED
    assert unfinished <= 0.02 * CHOICES * len(CASES)
