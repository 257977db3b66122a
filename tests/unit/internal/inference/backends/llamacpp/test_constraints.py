"""Constrained output of the demo model, hot enough to write nonsense wherever it may."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from gen import inference_pb2 as pb

from tests.unit.internal.inference.backends.llamacpp.conftest import F16, Start
from tests.unit.internal.inference.backends.running import Answer, Engine

DEMO = Path(__file__).parents[6] / "models/novai-tiny/novai-tiny.Q8_0.gguf"
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "tags": {"type": "array", "items": {"enum": ["a", "b", "ü"]}, "maxItems": 4},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
PERSON = pb.Constraint(json_schema=json.dumps(SCHEMA))
WEATHER = pb.Tool(
    name="weather",
    description="Tells the weather of a city.",
    parameters_json=json.dumps(
        {
            "type": "object",
            "properties": {"city": {"enum": ["Oslo", "Rome"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
            "required": ["city", "days"],
            "additionalProperties": False,
        }
    ),
    strict=True,
)
CLOCK = pb.Tool(name="clock", description="Tells the time.")
SEEDS = range(4)


@pytest.fixture(params=["streams"])
def layout(request: pytest.FixtureRequest) -> str:
    """What is tested here has nothing to do with the KV cache, but for preemption."""
    return str(request.param)


@pytest.fixture
async def demo(start: Start) -> AsyncIterator[Engine]:
    yield await start(DEMO, context_length=2048, **F16)


def user(text: str, **fields: Any) -> pb.Chat:
    return pb.Chat(messages=[pb.Message(role="user", parts=[pb.Part(text=text)])], **fields)


def hot(seed: int, **fields: Any) -> pb.Sampling:
    return pb.Sampling(**{"temperature": 1.5, "top_p": 1.0, "seed": seed} | fields)


async def run(engine: Engine, chat: pb.Chat, seed: int = 1, **fields: Any) -> Answer:
    return await engine.run(chat, **{"sampling": hot(seed), "max_tokens": 400, "ignore_eos": False} | fields)


def calls(answer: Answer, choice: int = 0) -> list[tuple[str, Any]]:
    """Names and arguments, put together as clients do."""
    made: list[tuple[str, str]] = []
    for part in (part for delta in answer.deltas(choice) for part in delta.tool_calls):
        if part.id:
            assert part.index == len(made)
            made.append((part.name, part.arguments))
        else:
            made[-1] = (made[-1][0], made[-1][1] + part.arguments)
    return [(name, json.loads(arguments)) for name, arguments in made]


# ------------------------------------------------------------------ the forms


async def test_schema(demo: Engine) -> None:
    answers = await asyncio.gather(*(run(demo, user("Who?"), seed, constraint=PERSON) for seed in SEEDS))
    assert len({answer.text() for answer in answers}) == len(SEEDS)
    for answer in answers:
        jsonschema.validate(json.loads(answer.text()), SCHEMA)
        assert answer.finish() == pb.STOP
        assert answer.usage.completion_tokens == answer.tokens() < 400
        assert len(answer.deltas()) > 5  # it arrives as it is written


async def test_any_object(demo: Engine) -> None:
    constraint = pb.Constraint(json_object=True)
    asked = [run(demo, user("Say {}"), seed, constraint=constraint, max_tokens=600) for seed in SEEDS]
    for answer in await asyncio.gather(*asked):
        if answer.finish() == pb.STOP:
            assert isinstance(json.loads(answer.text()), dict)
        assert answer.text().startswith("{")


@pytest.mark.parametrize(
    ("constraint", "pattern"),
    [
        (pb.Constraint(regex=r"\d{3}-[a-f]{4}"), r"\d{3}-[a-f]{4}"),
        (pb.Constraint(regex="yes|no"), "yes|no"),
        (pb.Constraint(regex="^(ü|🙂){3}$"), "(ü|🙂){3}"),
        (pb.Constraint(lark='start: "(" start ")" | "x"'), r"\(*x\)*"),
    ],
    ids=str,
)
async def test_expressions_and_grammars(demo: Engine, constraint: pb.Constraint, pattern: str) -> None:
    for seed in SEEDS:
        answer = await run(demo, user("?"), seed, constraint=constraint)
        assert re.fullmatch(pattern, answer.text()), answer.text()
        assert answer.finish() == pb.STOP


@pytest.mark.parametrize("text", ["<|im_end|>", "a<|endoftext|>b", "<|im_start|>user"])
async def test_special_tokens_in_a_schema_are_text(demo: Engine, text: str) -> None:
    """Not even a value that must be the end of a turn ends the turn."""
    answer = await run(demo, user("?"), constraint=pb.Constraint(json_schema=json.dumps({"const": text})))
    assert (answer.text(), answer.finish()) == (json.dumps(text), pb.STOP)


async def test_cut_off_is_told(demo: Engine) -> None:
    answer = await run(demo, user("?"), constraint=PERSON, max_tokens=5)
    assert answer.finish() == pb.LENGTH
    with pytest.raises(ValueError, match=r"."):
        json.loads(answer.text())


async def test_what_is_complete_ends_by_itself_even_at_the_limit(demo: Engine) -> None:
    whole = await run(demo, user("?"), constraint=pb.Constraint(regex="novai keys create"))
    assert (whole.text(), whole.finish()) == ("novai keys create", pb.STOP)
    at_the_limit = await run(
        demo, user("?"), constraint=pb.Constraint(regex="novai keys create"), max_tokens=whole.tokens()
    )
    assert (at_the_limit.text(), at_the_limit.finish()) == ("novai keys create", pb.STOP)


async def test_every_choice_has_a_place_of_its_own(demo: Engine) -> None:
    answer = await run(demo, user("?"), constraint=PERSON, n=3)
    texts = [answer.text(choice) for choice in range(3)]
    assert len(set(texts)) == 3
    for text in texts:
        jsonschema.validate(json.loads(text), SCHEMA)


async def test_plain_prompts(demo: Engine) -> None:
    answer = await demo.run("Name: ", constraint=PERSON, ignore_eos=False, max_tokens=300, sampling=hot(1))
    jsonschema.validate(json.loads(answer.text()), SCHEMA)


# ------------------------------------------------------------------ beside other settings


async def test_other_settings_work_beside_a_mask(demo: Engine) -> None:
    digits = pb.Constraint(regex=r"\d{1,40}")
    seven = next(t for t in range(4096) if demo.backend._prompts._model.piece(t) == b"7")  # type: ignore[union-attr]
    biased = await run(demo, user("?"), constraint=digits, sampling=hot(1, logit_bias={seven: 100.0}))
    assert re.fullmatch("7+", biased.text())
    plain, penalised = [
        await run(demo, user("?"), constraint=pb.Constraint(regex=r"\d{9}"), sampling=pb.Sampling(**penalty))
        for penalty in ({}, {"frequency_penalty": 2.0, "presence_penalty": 2.0})
    ]
    assert len(set(plain.text())) < len(set(penalised.text()))
    long = await run(demo, user("?"), constraint=digits, min_tokens=12)
    assert long.tokens() >= 12
    stopped = await run(demo, user("?"), constraint=digits, sampling=hot(1, logit_bias={seven: 100.0}), stop=["777"])
    assert (stopped.text(), stopped.finish(), stopped.deltas()[-1].stop_sequence) == ("", pb.STOP, "777")


async def test_a_call_that_a_stop_string_cuts_is_not_to_be_acted_on(demo: Engine) -> None:
    chat = user("Weather in Rome, please.", tools=[WEATHER], tool_choice=pb.ToolChoice(mode=pb.ToolChoice.REQUIRED))
    cut = await run(demo, chat, stop=['"days"'])
    assert [call.name for delta in cut.deltas() for call in delta.tool_calls if call.name] == ["weather"]
    assert (cut.finish(), cut.deltas()[-1].stop_sequence) == (pb.STOP, '"days"')
    begun = await run(demo, chat, stop=["\n"])  # behind the mark of the call
    assert (begun.text(), begun.finish()) == ("", pb.STOP)
    assert not any(delta.tool_calls for delta in begun.deltas())
    ended = await run(demo, chat, stop=["</tool_call>"])
    assert ended.finish() == pb.TOOL_CALLS


async def test_min_tokens_cannot_make_more_of_what_is_complete(demo: Engine) -> None:
    for regex in ("ab", ""):
        answer = await run(demo, user("?"), constraint=pb.Constraint(regex=regex), min_tokens=20)
        assert (answer.text(), answer.finish()) == (regex, pb.STOP)


async def test_min_tokens_does_not_ban_a_stop_token_where_nothing_else_may_come(demo: Engine) -> None:
    (token,) = await demo.backend.tokenize(pb.TokenizeRequest(text="a"))
    one, many = pb.Constraint(regex="a"), pb.Constraint(regex="[ab]{9}")
    answer = await run(demo, user("?"), constraint=one, stop_token_ids=[token], min_tokens=3)
    assert (answer.text(), answer.finish()) == ("", pb.STOP)
    answer = await run(demo, user("?"), constraint=many, stop_token_ids=[token], min_tokens=8)
    assert answer.text().startswith("b" * 8)


async def test_logprobs_are_of_the_raw_model(demo: Engine) -> None:
    """A mask changes what is chosen, not how likely the model finds it."""
    free = await run(demo, user("Hello"), max_tokens=1, logprobs=True, top_logprobs=3)
    held = await run(
        demo, user("Hello"), max_tokens=1, logprobs=True, top_logprobs=3, constraint=pb.Constraint(regex=r"\d")
    )
    (entry,) = held.logprobs()
    assert entry.token.isdigit()
    assert [top.token for top in entry.top] == [top.token for top in free.logprobs()[0].top]
    assert entry.logprob < entry.top[-1].logprob


async def test_a_seeded_free_request_is_the_same_beside_constrained_ones(demo: Engine) -> None:
    fields = {"sampling": hot(5, temperature=0.8, top_k=40), "max_tokens": 60, "ignore_eos": True}
    alone = await demo.run(user("Tell me a story"), **fields)
    held = [demo.submit(user("?"), constraint=PERSON, sampling=hot(n), ignore_eos=False) for n in range(8)]
    among = await demo.run(user("Tell me a story"), **fields)
    await asyncio.gather(*(answer.end() for answer in held))
    assert among.text() == alone.text()


async def test_a_seeded_constrained_request_is_the_same_in_any_company(demo: Engine) -> None:
    alone = await run(demo, user("Who?"), seed=3, constraint=PERSON)
    crowd = [demo.submit(user("?"), sampling=hot(n), max_tokens=80) for n in range(8)]
    among = await run(demo, user("Who?"), seed=3, constraint=PERSON)
    await asyncio.gather(*(answer.end() for answer in crowd))
    assert among.text() == alone.text()


@pytest.mark.parametrize("layout", ["unified"])
async def test_preemption_keeps_the_place_in_the_grammar(start: Start) -> None:
    # 4 outputs of about 200 tokens do not fit into 512 cells together.
    words = "([a-z]{3} ){90}[0-9]"
    engine = await start(DEMO, context_length=400, cells=512, slots=4, **F16)
    fields: dict[str, Any] = {"constraint": pb.Constraint(regex=words), "max_tokens": 380, "ignore_eos": False}
    answers = [engine.submit(user(f"Say {n}"), sampling=hot(n), **fields) for n in range(4)]
    for answer in await asyncio.gather(*(answer.end() for answer in answers)):
        assert re.fullmatch(words, answer.text())
        assert answer.finish() == pb.STOP
    assert engine.backend._engine._scheduler.preemptions > 0  # type: ignore[union-attr]


async def test_cancel_in_the_middle(demo: Engine) -> None:
    answer = demo.submit(user("?"), constraint=pb.Constraint(regex="a{900}"), max_tokens=900, ignore_eos=False)
    await answer.until(lambda: answer.tokens() > 3)
    demo.cancel(answer)
    await answer.end()
    assert answer.events[-1].finished.cancelled
    assert (await run(demo, user("?"), constraint=PERSON)).finish() == pb.STOP


async def test_grammars_of_those_who_left_are_not_compiled(demo: Engine) -> None:
    """Those behind them would wait for each."""
    going = threading.Event()
    demo.backend._compiling.submit(going.wait)
    left = [demo.submit(user("?"), constraint=pb.Constraint(regex="(")) for _ in range(3)]  # which is none
    last = demo.submit(user("?"), constraint=pb.Constraint(regex="c{3}"), ignore_eos=False)
    for answer in left:
        demo.cancel(answer)
    going.set()
    assert (await last.end()).text() == "ccc"
    for answer in left:
        assert (await answer.end()).kinds == ["finished"]
        assert answer.events[-1].finished.cancelled


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("constraint", "param", "reason"),
    [
        (pb.Constraint(json_schema='{"not": {}}'), "response_format", "^Invalid schema for response_format: "),
        (pb.Constraint(json_schema="{"), "response_format", "^Invalid schema for response_format: "),
        (pb.Constraint(regex="(", param="structured_outputs"), "structured_outputs", "^Invalid regular expression: "),
        (pb.Constraint(lark="x", param="structured_outputs"), "structured_outputs", "^Invalid grammar: "),
        (
            pb.Constraint(json_schema='{"type": "text"}', param="structured_outputs"),
            "structured_outputs",
            "^Invalid schema for structured_outputs: ",
        ),
    ],
    ids=str,
)
async def test_refused_forms(demo: Engine, constraint: pb.Constraint, param: str, reason: str) -> None:
    answer = await run(demo, user("?"), constraint=constraint)
    assert answer.kinds == ["failed"]
    assert (answer.failure.code, answer.failure.param) == (pb.INVALID_REQUEST, param)
    assert re.search(reason, answer.failure.message)


async def test_an_output_that_cannot_go_on_fails_alone(demo: Engine) -> None:
    """An ambiguous grammar outgrows its limits while it is written."""
    free = demo.submit(user("Tell me a story"), max_tokens=200)
    lark = pb.Constraint(lark='start: start start | "a" | "b"')
    held = await run(demo, user("?"), constraint=lark, min_tokens=390, sampling=hot(1))
    assert held.failure.code == pb.INVALID_REQUEST
    assert "use a simpler one" in held.failure.message
    assert held.usage.completion_tokens > 5
    assert (await free.end()).finish() == pb.LENGTH


async def test_ignore_eos_has_no_sense_beside_a_form(demo: Engine) -> None:
    assert (await run(demo, user("?"), constraint=PERSON, ignore_eos=True)).failure.param == "ignore_eos"


# ------------------------------------------------------------------ tools


def choice(mode: pb.ToolChoice.Mode.ValueType, *allowed: str) -> pb.ToolChoice:
    return pb.ToolChoice(mode=mode, allowed=allowed)


def holds(name: str, arguments: Any) -> bool:
    return name == "clock" or (arguments["city"] in ("Oslo", "Rome") and 1 <= arguments["days"] <= 9)


@pytest.mark.parametrize("parallel", [True, False])
async def test_required(demo: Engine, parallel: bool) -> None:
    chat = user(
        "Hello!", tools=[WEATHER, CLOCK], tool_choice=choice(pb.ToolChoice.REQUIRED), parallel_tool_calls=parallel
    )
    for seed in SEEDS:
        answer = await run(demo, chat, seed)
        made = calls(answer)
        assert answer.finish() == pb.TOOL_CALLS
        assert answer.text() == ""
        assert made
        assert parallel or len(made) == 1
        assert all(holds(*call) for call in made)


async def test_a_named_tool(demo: Engine) -> None:
    chat = user("Hello!", tools=[CLOCK, WEATHER], tool_choice=choice(pb.ToolChoice.REQUIRED, "weather"))
    answer = await run(demo, chat, n=2)
    for index in range(2):
        assert [name for name, _ in calls(answer, index)] == ["weather"]
        assert answer.finish(index) == pb.TOOL_CALLS


async def test_auto_holds_strict_tools_and_leaves_text_free(demo: Engine) -> None:
    chat = user("What is the weather in Paris?", tools=[WEATHER], parallel_tool_calls=True)
    told = await run(demo, chat, sampling=pb.Sampling(temperature=0))
    assert calls(told)  # the demo model was trained to call; Paris is not in the schema
    assert all(holds(*call) for call in calls(told))
    text = await run(demo, user("Hello", tools=[WEATHER]), sampling=pb.Sampling(temperature=0))
    assert text.text()
    assert text.finish() == pb.STOP


async def test_allowed_tools(demo: Engine) -> None:
    chat = user("What is the weather in Rome?", tools=[WEATHER, CLOCK], tool_choice=choice(pb.ToolChoice.AUTO, "clock"))
    for seed in SEEDS:
        assert all(name == "clock" for name, _ in calls(await run(demo, chat, seed)))


async def test_an_answer_with_a_form_or_a_call(demo: Engine) -> None:
    greedy: dict[str, Any] = {"constraint": PERSON, "sampling": pb.Sampling(temperature=0)}
    call = await run(demo, user("What is the weather in Rome?", tools=[WEATHER]), **greedy)
    assert calls(call)
    assert all(holds(*made) for made in calls(call))
    assert call.finish() == pb.TOOL_CALLS
    model = demo.backend._prompts._model
    assert model is not None
    greedy["sampling"].logit_bias.update({i: -100 for i in range(4096) if model.piece(i).startswith(b"<")})
    answer = await run(demo, user("What is the weather in Rome?", tools=[WEATHER]), **greedy)
    assert not calls(answer)
    jsonschema.validate(json.loads(answer.text()), SCHEMA)


async def test_tool_schemas_that_are_refused(demo: Engine) -> None:
    bad = pb.Tool(name="f", parameters_json='{"type": "object", "properties": {"a": {"not": {}}}}', strict=True)
    failure = (await run(demo, user("?", tools=[bad]))).failure
    assert (failure.code, failure.param) == (pb.INVALID_REQUEST, "tools")
    assert failure.message.startswith("Invalid schema for function 'f'")
