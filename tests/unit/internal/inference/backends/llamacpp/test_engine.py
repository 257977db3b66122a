"""The backend on a real (tiny, random) model: what a caller sees, whatever else is going on."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from gen import inference_pb2 as pb

from bench.make_gguf import byte_vocabulary, write_gguf
from internal.config import ConfigError, ModelConfig
from internal.errors import ContextLengthExceededError, InvalidRequestError, WorkerError
from internal.inference.backends.batching import engine as batching_engine
from internal.inference.backends.llamacpp import LlamaCppBackend
from tests.unit.internal.inference.backends.llamacpp.conftest import TINY, Start
from tests.unit.internal.inference.backends.running import Engine, plain, request, same_but_for_ties

RANDOM = random.Random(7)
PROMPT = "def hello(name):\n    return"
UNIFIED = pytest.mark.parametrize("layout", ["unified"])


def prompt(length: int, seed: int = 0) -> list[int]:
    return random.Random(seed).choices(range(3, 300), k=length)


def sampling(**fields: object) -> pb.Sampling:
    return pb.Sampling(**{"temperature": 1.0, "top_p": 1.0} | fields)  # type: ignore[arg-type]


def chat(*texts: str) -> pb.Chat:
    return pb.Chat(messages=[pb.Message(role="user", parts=[pb.Part(text=text)]) for text in texts])


# ------------------------------------------------------------------ one request


async def test_the_life_of_a_generation(start: Start) -> None:
    engine = await start()
    answer = await engine.run(PROMPT)
    assert answer.kinds[0] == "accepted"
    assert answer.kinds[-1] == "finished"
    assert set(answer.kinds[1:-1]) == {"delta"}
    assert answer.finish() == pb.LENGTH
    assert answer.usage.completion_tokens == answer.tokens() == 16
    assert answer.usage.prompt_tokens == answer.events[0].accepted.prompt_tokens > 0
    timings = answer.events[-1].finished.timings
    assert timings.prefill_ms > 0
    assert timings.decode_ms > 0


async def test_no_prompt_waits_for_what_is_only_asked_about_texts(start: Start) -> None:
    engine = await start()
    spelled = asyncio.create_task(engine.backend.pieces([300] * 1_000_000))
    counted = asyncio.create_task(engine.backend.count_tokens(request(PROMPT)))
    await asyncio.sleep(0)  # both have asked
    await engine.run(PROMPT)
    assert not spelled.done()
    assert not counted.done()  # takes its turn behind the other question
    assert len(await spelled) == 1_000_000
    assert await counted > 0


async def test_what_is_published_about_the_model(start: Start) -> None:
    engine = await start(slots=3)
    info = engine.backend.info
    assert (info.name, info.backend, info.device, info.slots) == ("tiny", "llamacpp", "cpu", 3)
    assert info.context_length == TINY.context
    assert info.vocabulary_size == len(byte_vocabulary().tokens)


async def test_greedy_is_the_likeliest_token(start: Start) -> None:
    engine = await start()
    answer = await engine.run(PROMPT, logprobs=True, top_logprobs=5)
    entries = answer.logprobs()
    assert len(entries) == 16
    assert b"".join(entry.token for entry in entries).decode(errors="replace") == answer.text()
    for entry in entries:
        values = [top.logprob for top in entry.top]
        assert len(values) == 5
        assert values == sorted(values, reverse=True)
        assert (entry.token, entry.logprob) == (entry.top[0].token, entry.top[0].logprob)
        assert values[0] < 0


async def test_logprobs_are_of_the_raw_model(start: Start) -> None:
    engine = await start()
    plain = await engine.run(PROMPT, max_tokens=1, logprobs=True, top_logprobs=2)
    second = plain.logprobs()[0].top[1]
    token = token_of(engine, second.token)
    biased = await engine.run(
        PROMPT, max_tokens=1, logprobs=True, sampling=pb.Sampling(logit_bias={token: 100.0}), top_logprobs=2
    )
    entry = biased.logprobs()[0]
    assert entry.token == second.token
    assert entry.logprob == pytest.approx(second.logprob, abs=1e-4)


async def test_stop_string_across_tokens(start: Start) -> None:
    engine = await start()
    whole = (await engine.run(PROMPT, max_tokens=32)).text()
    stop = whole[9:14]
    at = whole.index(stop)
    answer = await engine.run(PROMPT, max_tokens=32, stop=[stop])
    assert answer.text() == whole[:at]
    assert answer.finish() == pb.STOP
    assert answer.deltas()[-1].stop_sequence == stop
    assert answer.tokens() == answer.usage.completion_tokens < 32


async def test_end_token_ends_and_is_not_counted(start: Start) -> None:
    engine = await start()
    answer = await engine.run(PROMPT, ignore_eos=False, sampling=pb.Sampling(logit_bias={2: 100.0}))
    assert (answer.text(), answer.finish(), answer.usage.completion_tokens) == ("", pb.STOP, 0)
    later = await engine.run(PROMPT, ignore_eos=False, min_tokens=5, sampling=pb.Sampling(logit_bias={2: 100.0}))
    assert (later.finish(), later.usage.completion_tokens) == (pb.STOP, 5)


async def test_stop_token_ids(start: Start) -> None:
    engine = await start()
    first = await engine.run(PROMPT, max_tokens=1, logprobs=True)
    token = token_of(engine, first.logprobs()[0].token)
    answer = await engine.run(PROMPT, stop_token_ids=[token])
    assert (answer.finish(), answer.usage.completion_tokens) == (pb.STOP, 0)


async def test_utf8_is_held_until_whole(start: Start) -> None:
    """Random bytes: what was cut into tokens arrives as if it had been decoded at once."""
    engine = await start()
    for seed in range(5):
        answer = await engine.run(
            PROMPT, max_tokens=100, logprobs=True, sampling=sampling(seed=seed, temperature=2.0), cache_salt=str(seed)
        )
        whole = b"".join(entry.token for entry in answer.logprobs())
        assert answer.text() == whole.decode(errors="replace")
        assert answer.tokens() == len(answer.logprobs()) == 100
    assert any(delta.tokens > 1 for delta in answer.deltas())


async def test_what_several_prompts_find_in_the_cache_is_summed(start: Start) -> None:
    engine = await start(slots=1)
    first, second = prompt(40, 1), prompt(50, 2)
    for one in (first, second):
        await engine.run(one, max_tokens=1)
    items = [plain(one) for one in (first, second, prompt(30, 3))]
    answer = await engine.run(pb.Prompts(items=items), max_tokens=1, n=2)
    assert answer.usage.prompt_tokens == 120
    assert answer.usage.cached_tokens == 39 + 49


async def test_token_ids_come_back_as_text(start: Start) -> None:
    engine = await start()
    model = engine.backend._prompts._model
    assert model is not None
    ids = model.tokenize("wörld", add_special=False)
    answer = await engine.run(ids, echo=True, max_tokens=1)
    assert list(answer.events[0].accepted.echo) == ["wörld"]


def token_of(engine: Engine, piece: bytes) -> int:
    model = engine.backend._prompts._model
    assert model is not None
    return next(token for token in range(model.vocabulary_size) if model.piece(token) == piece)


# ------------------------------------------------------------------ sampling


async def test_seeds_reproduce_and_differ(start: Start) -> None:
    engine = await start()
    texts = [(await engine.run(PROMPT, sampling=sampling(seed=seed))).text() for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


async def test_seeded_output_does_not_depend_on_the_company(start: Start) -> None:
    engine = await start()
    fields = {"sampling": sampling(seed=5, temperature=0.8, top_k=40, top_p=0.95), "max_tokens": 40}
    alone = await engine.run(PROMPT, **fields)
    crowd = [engine.submit(prompt(20, n), max_tokens=60, sampling=sampling(seed=n)) for n in range(12)]
    among = await engine.run(PROMPT, **fields)
    await asyncio.gather(*(answer.end() for answer in crowd))
    assert among.text() == alone.text()


async def test_without_a_seed_answers_differ(start: Start) -> None:
    engine = await start()
    assert len({(await engine.run(PROMPT, sampling=sampling())).text() for _ in range(3)}) == 3


async def test_presence_penalty_avoids_repeats(start: Start) -> None:
    engine = await start()
    plain = await engine.run(PROMPT, max_tokens=40, logprobs=True)
    penalised = await engine.run(
        PROMPT, max_tokens=40, logprobs=True, sampling=pb.Sampling(presence_penalty=2, frequency_penalty=2)
    )
    assert len({entry.token for entry in plain.logprobs()}) < 40
    assert len({entry.token for entry in penalised.logprobs()}) == 40


async def test_n_choices(start: Start) -> None:
    engine = await start()
    answer = await engine.run(prompt(100), n=3, sampling=sampling(seed=1))
    texts = [answer.text(choice) for choice in range(3)]
    assert len(set(texts)) == 3
    assert all(answer.finish(choice) == pb.LENGTH for choice in range(3))
    assert answer.usage.prompt_tokens == 100
    assert answer.usage.completion_tokens == 3 * 16
    assert answer.usage.cached_tokens == 0
    again = await engine.run(prompt(100), n=3, sampling=sampling(seed=1))
    assert [again.text(choice) for choice in range(3)] == texts


async def test_more_choices_than_slots(start: Start) -> None:
    engine = await start(slots=2)
    answer = await engine.run(PROMPT, n=5)
    assert len({answer.text(choice) for choice in range(5)}) == 1  # greedy


# ------------------------------------------------------------------ batching, prefixes, preemption


async def test_greedy_output_does_not_depend_on_the_company(start: Start) -> None:
    engine = await start()
    prompts = [prompt(10 + 7 * number, number) for number in range(16)]
    fields = {"max_tokens": 30, "logprobs": True, "top_logprobs": 2}
    alone = [await engine.run(tokens, **fields, cache_salt=str(n)) for n, tokens in enumerate(prompts)]
    together = [engine.submit(tokens, **fields) for tokens in prompts]
    for answer, expected in zip(together, alone, strict=True):
        same_but_for_ties(await answer.end(), expected)


async def test_a_cached_prefix_changes_nothing_but_the_time(start: Start) -> None:
    engine = await start()
    system = prompt(200)
    cold = await engine.run([*system, 5, 6, 7], cache_salt="cold")
    await engine.run([*system, 9, 9], cache_salt="warm")
    warm = await engine.run([*system, 5, 6, 7], cache_salt="warm")
    assert cold.usage.cached_tokens == 0
    assert warm.usage.cached_tokens == 200
    assert warm.text() == cold.text()


async def test_a_conversation_goes_on_from_its_last_turn(start: Start) -> None:
    engine = await start()
    first = await engine.run(prompt(50), logprobs=True)
    tokens = [token_of(engine, entry.token) for entry in first.logprobs()[:3]]
    second = await engine.run([*prompt(50), *tokens, 8, 8])
    assert second.usage.cached_tokens == 53


async def test_sixteen_clients_share_one_prefill(start: Start) -> None:
    engine = await start(n_batch=64)
    system = prompt(600)
    answers = [engine.submit([*system, 10 + n], max_tokens=4) for n in range(16)]
    cached = [(await answer.end()).usage.cached_tokens for answer in answers]
    assert sorted(cached) == [0] + [600] * 15


async def test_salts_are_strangers(start: Start) -> None:
    engine = await start()
    await engine.run(prompt(100), cache_salt="a")
    assert (await engine.run(prompt(100), cache_salt="b")).usage.cached_tokens == 0


@UNIFIED
async def test_preemption_changes_nothing_but_the_time(start: Start) -> None:
    # 4 requests of 60 + 200 tokens do not fit into 512 cells together.
    engine = await start(cells=512, context_length=400, slots=4)
    fields = {"max_tokens": 200, "sampling": sampling(temperature=0), "logprobs": True, "top_logprobs": 2}
    alone = [await engine.run(prompt(60, n), **fields) for n in range(4)]
    together = [engine.submit(prompt(60, n), **fields, cache_salt="t") for n in range(4)]
    for answer, expected in zip(together, alone, strict=True):
        same_but_for_ties(await answer.end(), expected)
    assert engine.backend._engine._scheduler.preemptions > 0  # type: ignore[union-attr]


async def test_interactive_displaces_batch_which_ends_the_same(start: Start) -> None:
    engine = await start(slots=1)
    fields = {"max_tokens": 100, "logprobs": True, "top_logprobs": 2}
    alone = await engine.run(prompt(40), **fields)
    batch = engine.submit(prompt(40), **fields, priority=pb.BATCH, cache_salt="x")
    await batch.until(lambda: len(batch.deltas()) > 3)
    urgent = await engine.run(prompt(10, 2), max_tokens=3)
    assert not batch.over
    assert urgent.finish() == pb.LENGTH
    same_but_for_ties(await batch.end(), alone)


async def test_a_long_prompt_does_not_stop_streams(start: Start) -> None:
    """Between two tokens of a stream no step may carry the whole of a long prompt."""
    engine = await start(context_length=2048)
    stream = engine.submit(prompt(10), max_tokens=2000)
    await stream.until(lambda: stream.tokens() > 30)
    before = stream.tokens()
    long = engine.submit(prompt(1900, 5), max_tokens=1)
    await long.end()
    assert stream.tokens() - before > 5
    engine.cancel(stream)
    await stream.end()


# ------------------------------------------------------------------ refusals


async def test_context_overflow(start: Start) -> None:
    engine = await start(context_length=64)
    failure = (await engine.run(chat("word " * 100))).failure
    assert failure.code == pb.CONTEXT_LENGTH_EXCEEDED
    assert failure.param == "messages"
    assert "This model's maximum context length is 64 tokens" in failure.message
    assert "(context_length_exceeded: prompt is too long)" in failure.message


async def test_more_messages_than_tokens_are_not_even_rendered(start: Start) -> None:
    engine = await start(context_length=64)
    messages = [pb.Message(role="user", parts=[pb.Part(text="x")])] * 1000
    failure = (await engine.run(pb.Chat(messages=messages))).failure
    assert failure.code == pb.CONTEXT_LENGTH_EXCEEDED
    assert "more than 64" in failure.message


async def test_a_prompt_that_cannot_fit_is_not_even_tokenised(start: Start) -> None:
    engine = await start(context_length=64)
    failure = (await engine.run("x" * 20_000_000)).failure
    assert failure.code == pb.CONTEXT_LENGTH_EXCEEDED
    assert "more than" in failure.message


async def test_output_ends_where_the_context_does(start: Start) -> None:
    engine = await start(context_length=64)
    answer = await engine.run(prompt(60), max_tokens=100)
    assert (answer.finish(), answer.usage.completion_tokens) == (pb.LENGTH, 4)
    assert (await engine.run(prompt(63), max_tokens=0)).usage.completion_tokens == 1
    assert (await engine.run(prompt(64))).failure.code == pb.CONTEXT_LENGTH_EXCEEDED


async def test_queue_full(start: Start) -> None:
    engine = await start(slots=1, queue_limit=2)
    answers = [engine.submit(prompt(10), max_tokens=100) for _ in range(6)]
    ended = [await answer.end() for answer in answers]
    refused = [answer for answer in ended if answer.kinds[-1] == "failed"]
    assert len(refused) == 3  # one runs, two wait
    assert all(answer.failure.code == pb.OVERLOADED for answer in refused)
    assert all(answer.failure.retry_after_ms > 0 for answer in refused)
    assert all(answer.kinds == ["failed"] for answer in refused)


async def test_when_to_come_again_is_told_by_how_fast_places_got_free(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = await start(slots=1)
    told = engine.backend._engine.retry_after_ms  # type: ignore[union-attr]
    assert [told(queued) for queued in (0, 4, 40, 4000)] == [1000, 1000, 10_000, 30_000]
    await engine.run(PROMPT)
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + 3600, perf_counter=time.perf_counter)
    monkeypatch.setattr(batching_engine, "time", later)
    first, *queue = (engine.submit(PROMPT, max_tokens=tokens) for tokens in (1900, *[1] * 40))
    await queue[-1].until(lambda: queue[-1].accepted)
    engine.cancel(first)
    for answer in queue:
        await answer.end()
    assert told(4) < 500  # in the hour before, nobody came


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"sampling": {"logit_bias": {100_000: 1.0}}}, pb.INVALID_REQUEST, "logit_bias"),
        ({"sampling": {"logit_bias": {5: float("nan")}}}, pb.INVALID_REQUEST, "logit_bias"),
        ({"sampling": {"temperature": float("nan")}}, pb.INVALID_REQUEST, "temperature"),
        ({"stop_token_ids": [100_000]}, pb.INVALID_REQUEST, "stop_token_ids"),
        ({"logprobs": True, "top_logprobs": 21}, pb.INVALID_REQUEST, "top_logprobs"),
        ({"constraint": {"json_object": True}}, pb.INVALID_REQUEST, "ignore_eos"),
    ],
)
async def test_refused_fields(start: Start, fields: dict[str, object], code: int, param: str) -> None:
    engine = await start()
    failure = (await engine.run(PROMPT, **fields)).failure
    assert (failure.code, failure.param) == (code, param)


async def test_refused_prompts(start: Start) -> None:
    engine = await start()
    image = pb.Part(image=pb.Image(data=b"x", param="messages[0].content[0]"))
    failure = (await engine.run(pb.Chat(messages=[pb.Message(role="user", parts=[image])]))).failure
    assert (failure.code, failure.param) == (pb.UNSUPPORTED, "messages[0].content[0]")
    assert (await engine.run([100_000])).failure.code == pb.INVALID_REQUEST


async def test_chat_uses_the_template(start: Start) -> None:
    engine = await start()
    request = pb.GenerateRequest(chat=chat("hi"))
    expected = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    plain = pb.GenerateRequest(prompts=pb.Prompts(items=[pb.Prompt(text=expected)]))
    assert await engine.backend.count_tokens(request) == await engine.backend.count_tokens(plain)
    assert (await engine.run(chat("hi"))).kinds[-1] == "finished"


async def test_special_tokens_in_a_message_are_text(start: Start) -> None:
    engine = await start()
    model = engine.backend._prompts._model
    assert model is not None
    ((tokens, _),) = engine.backend._prompts._tokens(pb.GenerateRequest(chat=chat("a<|im_end|>b")))
    assert tokens.count(model.special_ids["<|im_end|>"]) == 1
    assert b"".join(map(model.special_piece, tokens)).count(b"<|im_end|>") == 2


async def test_a_model_without_template_takes_plain_prompts_only(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "plain.gguf"
    write_gguf(path, TINY, byte_vocabulary(), chat_template="")
    engine = await start(path)
    failure = (await engine.run(chat("hi"))).failure
    assert failure.code == pb.INVALID_REQUEST
    assert "chat_template" in failure.message
    assert (await engine.run("hi")).kinds[-1] == "finished"
    template = tmp_path / "template.jinja"
    template.write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    assert (await (await start(path, chat_template=str(template))).run(chat("hi"))).kinds[-1] == "finished"


async def test_count_tokens_refuses_what_generating_would(start: Start) -> None:
    engine = await start()
    hello, nothing = pb.Prompt(text="hello"), pb.Prompt(text="")
    for prompts, tokens in (([hello], 3), ([hello, hello], 6), ([nothing], 1)):
        assert await engine.backend.count_tokens(pb.GenerateRequest(prompts=pb.Prompts(items=prompts))) == tokens
    with pytest.raises(InvalidRequestError):
        await engine.backend.count_tokens(pb.GenerateRequest())


async def test_tokens_of_a_text_and_of_a_conversation(start: Start) -> None:
    engine = await start()
    model = engine.backend._prompts._model
    assert model is not None
    bare = await engine.backend.tokenize(pb.TokenizeRequest(text="hello"))
    whole = await engine.backend.tokenize(pb.TokenizeRequest(text="hello", add_special=True))
    assert whole == ([model.bos, *bare] if model.adds_bos else bare)
    told = await engine.backend.tokenize(pb.TokenizeRequest(chat=chat("hi")))
    assert len(told) == await engine.backend.count_tokens(pb.GenerateRequest(chat=chat("hi")))
    assert b"".join(await engine.backend.pieces(told)).startswith(b"<|im_start|>user\nhi<|im_end|>")
    with pytest.raises(ContextLengthExceededError):
        await engine.backend.tokenize(pb.TokenizeRequest(text="x" * (1 << 20)))


def test_unknown_options_are_refused() -> None:
    for options in ({"slotz": 3}, {"slots": 0}, {"slots": 300}, {"cache_type_k": "f8"}, {"n_batch": 8}):
        with pytest.raises(ConfigError, match="options"):
            LlamaCppBackend(ModelConfig(name="m", kind="chat", backend="llamacpp", options=options))


async def test_files_that_are_no_models(start: Start, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    text = tmp_path / "text.gguf"
    text.write_text("hello")
    for path, message in ((tmp_path / "none.gguf", "no such file"), (text, "not a GGUF"), (broken, "cannot load")):
        with pytest.raises(WorkerError, match=message):
            await start(path)


# ------------------------------------------------------------------ endings


async def test_cancel_while_it_runs(start: Start) -> None:
    engine = await start(slots=1)
    answer = engine.submit(prompt(10), max_tokens=2000)
    await answer.until(lambda: answer.tokens() >= 3)
    engine.cancel(answer)
    engine.cancel(answer)
    await answer.end()
    assert answer.events[-1].finished.cancelled
    assert answer.finish() == pb.CANCELLED
    assert answer.usage.completion_tokens == answer.tokens() < 2000
    assert (await engine.run(prompt(5))).finish() == pb.LENGTH


async def test_cancel_in_the_queue_and_before_it(start: Start) -> None:
    engine = await start(slots=1)
    first = engine.submit(prompt(10), max_tokens=2000)
    waiting = engine.submit(prompt(10, 1))
    await waiting.until(lambda: waiting.accepted)
    unread = engine.submit("word " * 300)
    for answer in (waiting, unread):
        engine.cancel(answer)
        await answer.end()
        assert answer.events[-1].finished.cancelled
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (0, 0)  # nothing of it was computed
    engine.cancel(first)
    assert (await first.end()).usage.prompt_tokens == 10
    assert not engine.backend._requests


async def test_closing_ends_everything_as_cancelled(start: Start) -> None:
    engine = await start(slots=2)
    answers = [engine.submit(prompt(10, n), max_tokens=2000) for n in range(5)]
    await answers[0].until(lambda: answers[0].tokens() > 2)
    await engine.backend.aclose()
    await engine.backend.aclose()
    for answer in answers:
        assert answer.over
        assert answer.events[-1].finished.cancelled
    late = await engine.run(PROMPT)
    assert late.failure.code == pb.UNAVAILABLE


@pytest.mark.parametrize("threads", [1, 2])  # with two, prompts go aside
async def test_nothing_leaks_under_any_load(start: Start, layout: str, threads: int) -> None:
    """Random requests, cancelled at random: afterwards every sequence outside of the prefix cache is empty."""
    cells = {"cells": 700} if layout == "unified" else {}
    options = {"context_length": 300, "prefix_sequences": 3, "n_batch": 48, "queue_limit": 100, **cells}
    engine = await start(slots=4, threads=threads, **options)
    answers = []
    for number in range(60):
        answers.append(
            engine.submit(
                prompt(RANDOM.randrange(1, 120), number % 5)[: RANDOM.randrange(1, 120)] or [5],
                max_tokens=RANDOM.randrange(1, 100),
                n=RANDOM.choice([1, 1, 2]),
                priority=RANDOM.choice([pb.INTERACTIVE, pb.BATCH]),
                cache_salt=RANDOM.choice(["", "other"]),
                sampling=sampling(temperature=RANDOM.choice([0.0, 1.0]), top_k=RANDOM.choice([0, 5])),
            )
        )
        if RANDOM.random() < 0.3:
            engine.cancel(RANDOM.choice(answers))
        if RANDOM.random() < 0.3:
            await answers[RANDOM.randrange(len(answers))].end()
    for answer in answers:
        await answer.end()
        assert answer.kinds[-1] == "finished"
        assert answer.usage.completion_tokens == sum(delta.tokens for e in answer.events if (delta := e.delta).tokens)
    backend = engine.backend
    assert not backend._requests
    running, held = engine.held()
    assert running == 0
    context = backend._engine._context
    assert context is not None
    sequences = range(4 + (layout == "unified") + 3)
    assert {sequence: length for sequence in sequences if (length := context.length(sequence))} == held
    backend._engine._cache.clear()  # type: ignore[union-attr]
    assert not any(context.length(sequence) for sequence in sequences)
