"""Pictures in prompts: the same is the same, another one is another, and whoever runs beside them does not notice.

The projector has random weights: what it sees is noise, but the same noise for the same picture.
"""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gen import inference_pb2 as pb

from bench.make_gguf import byte_vocabulary, write_gguf
from bench.make_mmproj import Eye, write_mmproj
from internal.errors import WorkerError
from internal.gently import SLIGHTLY
from internal.inference.backends.batching.library import Chunk
from internal.inference.backends.batching.pictures import Picture, Pictures, drawn
from internal.inference.backends.llamacpp.projector import Projector
from tests.pictures import picture
from tests.unit.internal.inference.backends.llamacpp.conftest import TINY, Start
from tests.unit.internal.inference.backends.running import TOLD, Answer, Engine, plain, same_but_for_ties

MODEL = replace(TINY, scale=0.2)  # so that pictures are not lost among the words
EYE = Eye(embedding=TINY.dim)
GEMMA = Eye(embedding=TINY.dim, patch=4, kind="gemma3")
TOKENS = EYE.tokens
RED, BLUE = picture("red"), picture("blue")
Said = str | bytes


def chat(*said: Said, **more: object) -> pb.Chat:
    """One message of texts and pictures."""
    return pb.Chat(messages=[message(*said)], **more)  # type: ignore[arg-type]


def message(*said: Said, role: str = "user") -> pb.Message:
    return pb.Message(role=role, parts=[part(number, each) for number, each in enumerate(said)])


def part(number: int, said: Said) -> pb.Part:
    if isinstance(said, str):
        return pb.Part(text=said)
    return pb.Part(image=pb.Image(data=said, param=f"messages[0].content[{number}]"))


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "model.gguf"
    write_gguf(path, MODEL, byte_vocabulary())
    return path


@pytest.fixture(scope="session")
def mmproj(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "mmproj.gguf"
    write_mmproj(path, EYE)
    return path


@pytest.fixture(scope="session")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its pictures have text around them, and are computed as a whole."""
    path = tmp_path_factory.mktemp("models") / "gemma.gguf"
    write_mmproj(path, GEMMA)
    return path


async def test_the_same_picture_gives_the_same_answer_and_another_one_another(start: Start, mmproj: Path) -> None:
    engine = await start(mmproj=mmproj)
    assert engine.backend.info.image_tokens == TOKENS
    red, again, blue, none = [
        await engine.run(chat(*said)) for said in (("a", RED, "b"), ("a", RED, "b"), ("a", BLUE, "b"), ("a", "b"))
    ]
    assert red.text() == again.text()
    assert len({red.text(), blue.text(), none.text()}) == 3
    assert red.usage.prompt_tokens == blue.usage.prompt_tokens == none.usage.prompt_tokens + TOKENS


async def test_pictures_of_any_shape_are_seen(start: Start, mmproj: Path, gemma: Path) -> None:
    sizes = (1, 1), (1, 3000), (3000, 1), (33, 31), (4000, 4000)
    for path in (mmproj, gemma):
        engine = await start(mmproj=path)
        answers = [engine.submit(chat("a", picture("red", size), "b")) for size in sizes]
        assert {(await answer.end()).kinds[-1] for answer in answers} == {"finished"}


async def test_logits_differ_from_the_first_token_on(start: Start, mmproj: Path) -> None:
    engine = await start(mmproj=mmproj)
    first = [
        (await engine.run(chat("a", file, "b"), logprobs=True, top_logprobs=5, max_tokens=1)).logprobs()[0]
        for file in (RED, BLUE, RED)
    ]
    assert first[0].top[0].logprob != pytest.approx(first[1].top[0].logprob, abs=1e-2)
    assert first[0].top[0].logprob == pytest.approx(first[2].top[0].logprob, abs=1e-4)


async def test_the_order_of_pictures_counts(start: Start, mmproj: Path) -> None:
    engine = await start(mmproj=mmproj)
    said = [("a", RED, "b", BLUE, "c"), ("a", BLUE, "b", RED, "c"), ("a", RED, BLUE, "bc"), (RED, BLUE, "abc")]
    answers = [await engine.run(chat(*each)) for each in said]
    assert len({answer.text() for answer in answers}) == len(said)
    assert len({answer.usage.prompt_tokens for answer in answers}) == 1


async def test_the_prefix_cache_takes_no_picture_for_another(start: Start, mmproj: Path) -> None:
    """What follows a picture is found again behind the same one only; what is found is right."""
    engine = await start(mmproj=mmproj)
    text = "a question that is asked again and again"
    await engine.run(chat("a", RED, text))
    red = await engine.run(chat("a", RED, text))
    blue = await engine.run(chat("a", BLUE, text))
    before = await engine.backend.count_tokens(
        pb.GenerateRequest(prompts=pb.Prompts(items=[plain("<|im_start|>user\na")]))
    )
    assert red.usage.cached_tokens == red.usage.prompt_tokens - 1
    assert blue.usage.cached_tokens <= before
    fresh = await start(mmproj=mmproj)
    assert (await fresh.run(chat("a", BLUE, text))).text() == blue.text()
    assert (await fresh.run(chat("a", RED, text))).text() == red.text()


async def test_prefixes_with_pictures_are_shared_within_a_salt_only(start: Start, mmproj: Path) -> None:
    engine = await start(mmproj=mmproj)
    await engine.run(chat("a", RED, "b"), cache_salt="one")
    other = await engine.run(chat("a", RED, "b"), cache_salt="two")
    assert other.usage.cached_tokens == 0


async def test_a_picture_may_be_computed_in_any_pieces(start: Start, mmproj: Path) -> None:
    """Steps of 7 tokens cut pictures of 16 anywhere."""
    whole, pieces = await start(mmproj=mmproj), await start(mmproj=mmproj, n_batch=7, slots=2)
    for said in (("a", RED, "b"), ("longer text", RED, BLUE, "c"), (RED, "x", BLUE, "y", RED, "z")):
        same_but_for_ties(await pieces.run(chat(*said), **TOLD), await whole.run(chat(*said), **TOLD))


async def test_a_stream_beside_goes_on_and_says_the_same(start: Start, mmproj: Path) -> None:
    engine = await start(mmproj=mmproj)
    alone = await engine.run("tell me a story", max_tokens=200, **TOLD)
    beside = engine.submit("tell me a story", max_tokens=200, **TOLD)
    seen = [engine.submit(chat("a", file, "b"), max_tokens=20, **TOLD) for file in (RED, BLUE, RED, BLUE)]
    await asyncio.gather(beside.end(), *(answer.end() for answer in seen))
    same_but_for_ties(beside, alone)
    same_but_for_ties(seen[0], seen[2])
    same_but_for_ties(seen[1], seen[3])
    assert seen[0].text() != seen[1].text()


async def test_what_gives_way_is_computed_again_with_its_pictures(start: Start, mmproj: Path) -> None:
    """Batch gives its only slot to an interactive request and begins anew."""
    engine = await start(mmproj=mmproj, slots=1, prefix_sequences=0)
    expected = await engine.run(chat("a", RED, "b"), max_tokens=100, **TOLD)
    batch = engine.submit(chat("a", RED, "b"), max_tokens=100, priority=pb.BATCH, **TOLD)
    await batch.until(lambda: batch.tokens() > 5)
    await engine.run("something else", max_tokens=5)
    same_but_for_ties(await batch.end(), expected)


async def test_choices_share_the_picture(start: Start, mmproj: Path) -> None:
    engine = await start(mmproj=mmproj)
    answer = await engine.run(chat("a", RED, "b"), n=3)
    assert answer.text(0) == answer.text(1) == answer.text(2) != ""
    assert answer.usage.prompt_tokens == (await engine.run(chat("a", RED, "b"))).usage.prompt_tokens


async def test_penalties_and_constraints_go_with_pictures(start: Start, mmproj: Path) -> None:
    engine = await start(mmproj=mmproj)
    sampling = pb.Sampling(repetition_penalty=1.3, presence_penalty=0.5)
    assert (await engine.run(chat("a", RED, "b"), sampling=sampling)).kinds[-1] == "finished"
    form = pb.Constraint(regex="(yes|no)")
    assert (await engine.run(chat("a", RED, "b"), constraint=form, ignore_eos=False)).text() in ("yes", "no")


async def test_counting_needs_no_encoding_and_counts_the_same(start: Start, mmproj: Path) -> None:
    engine = await start(mmproj=mmproj)
    wanted = pb.GenerateRequest(chat=chat("a", RED, BLUE, "b"))
    counted = await engine.backend.count_tokens(wanted)
    assert counted == (await engine.run(wanted.chat)).usage.prompt_tokens


async def test_looking_is_less_urgent_than_streams(start: Start, mmproj: Path) -> None:
    engine = await start(mmproj=mmproj)
    await engine.run(chat("a", RED, "b"))
    urgency = {thread.name: os.getpriority(os.PRIO_PROCESS, thread.native_id or 0) for thread in threading.enumerate()}
    (looking,) = [value for name, value in urgency.items() if name.startswith("novai-pictures")]
    assert looking == min(urgency["novai-engine"] + SLIGHTLY, 19)


async def test_a_cancelled_request_is_not_looked_at(start: Start, mmproj: Path) -> None:
    engine = await start(mmproj=mmproj)
    busy = [engine.submit(chat("a", picture("red", (n, n)), "b")) for n in range(10, 14)]
    gone = engine.submit(chat("a", BLUE, "b"))
    engine.cancel(gone)
    assert (await gone.end()).kinds == ["finished"]
    assert gone.events[-1].finished.cancelled
    for answer in busy:
        assert (await answer.end()).kinds[-1] == "finished"


def album(size: int) -> list[Said]:
    return [*(picture("red", (n, n)) for n in range(10, 10 + size)), "b"]


def looked_at(engine: Engine) -> int:
    eyes = engine.backend._prompts._eyes  # type: ignore[union-attr]
    assert isinstance(eyes, Projector)
    return len(eyes._kept._values)


async def test_who_leaves_while_his_pictures_are_looked_at_keeps_nobody_waiting(start: Start, mmproj: Path) -> None:
    engine = await start(mmproj=mmproj)
    gone = engine.submit(chat(*album(16)))
    async with asyncio.timeout(30):
        while not looked_at(engine):
            await asyncio.sleep(0)
    engine.cancel(gone)
    assert (await gone.end()).events[-1].finished.cancelled
    assert looked_at(engine) < 16


async def test_pictures_that_cannot_fit_are_not_looked_at(start: Start, mmproj: Path) -> None:
    engine = await start(mmproj=mmproj, context_length=3 * TOKENS)
    answer = await engine.run(chat(*album(6)))
    assert "context_length_exceeded" in answer.failure.message
    assert looked_at(engine) == 3


async def test_closing_ends_those_that_wait_to_be_looked_at(start: Start, mmproj: Path) -> None:
    engine = await start(mmproj=mmproj)
    waiting = [engine.submit(chat("a", picture("red", (n, n)), "b"), max_tokens=500) for n in range(10, 14)]
    await engine.backend.aclose()
    for answer in waiting:
        assert (await answer.end()).events[-1].finished.cancelled


async def refusal(answer: Answer) -> tuple[int, str]:
    failure = (await answer.end()).failure
    return failure.code, failure.param


@pytest.mark.parametrize("file", [b"", b"GIF89a", picture()[:60], picture(form="BMP")])
async def test_what_is_no_picture_is_named(start: Start, mmproj: Path, file: bytes) -> None:
    engine = await start(mmproj=mmproj)
    assert await refusal(engine.submit(chat("a", RED, file))) == (pb.INVALID_IMAGE, "messages[0].content[2]")


async def test_what_else_is_refused(start: Start, mmproj: Path) -> None:
    engine = await start(mmproj=mmproj)
    assert await refusal(engine.submit(chat(*[RED, "x"] * 130))) == (pb.CONTEXT_LENGTH_EXCEEDED, "messages")
    ending = chat("a", RED)
    ending.messages[0].role, ending.continue_final_message = "assistant", True
    assert await refusal(engine.submit(ending)) == (pb.INVALID_REQUEST, "messages")
    with pytest.raises(WorkerError, match="no token ids"):
        await engine.backend.tokenize(pb.TokenizeRequest(chat=chat("a", RED)))


async def test_a_model_without_a_projector_names_the_part(start: Start) -> None:
    engine = await start()
    assert engine.backend.info.image_tokens == 0
    assert await refusal(engine.submit(chat("a", RED))) == (pb.UNSUPPORTED, "messages[0].content[1]")


async def test_files_that_are_no_projector_of_the_model(start: Start, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    write_mmproj(other, Eye(embedding=TINY.dim * 2))
    text = tmp_path / "text.gguf"
    write_gguf(text, TINY, byte_vocabulary())
    for path, told in ((tmp_path / "none", "no such file"), (other, "cannot use"), (text, "cannot use")):
        with pytest.raises(WorkerError, match=told):
            await start(mmproj=path)


# ---------------------------------------------------------------- pictures that are computed as a whole


async def first_logprob(engine: Engine, *said: Said) -> float:
    return (await engine.run(chat(*said), logprobs=True, max_tokens=1)).logprobs()[0].logprob


async def test_a_whole_picture_is_not_cut(start: Start, gemma: Path) -> None:
    """Steps of 20 tokens would cut pictures of 16 anywhere; text around them is cut."""
    large, small = await start(mmproj=gemma), await start(mmproj=gemma, n_batch=20, slots=2)
    for said in ((RED, "b"), ("a", RED, "b"), ("a longer text", RED, BLUE, "c"), ("x" * 15, BLUE, "y" * 30, RED, "z")):
        assert await first_logprob(small, *said) == pytest.approx(await first_logprob(large, *said), abs=1e-4)
        same_but_for_ties(await small.run(chat(*said), **TOLD), await large.run(chat(*said), **TOLD))


async def test_its_tokens_look_ahead(start: Start, gemma: Path) -> None:
    ahead, behind = await start(mmproj=gemma), await start(mmproj=gemma)
    behind.backend._prompts._eyes.whole = False  # type: ignore[union-attr]
    assert abs(await first_logprob(ahead, "a", RED, "b") - await first_logprob(behind, "a", RED, "b")) > 1e-3


async def test_beside_whole_pictures_streams_say_the_same(start: Start, gemma: Path) -> None:
    engine = await start(mmproj=gemma)
    alone = await engine.run("a story", max_tokens=150, **TOLD)
    red = await engine.run(chat("a", RED, "b"), **TOLD)
    beside = engine.submit("a story", max_tokens=150, **TOLD)
    seen = [engine.submit(chat("a", RED, "b"), cache_salt=str(n), **TOLD) for n in range(4)]
    for answer in seen:
        same_but_for_ties(await answer.end(), red)
    same_but_for_ties(await beside.end(), alone)


async def test_a_whole_picture_must_fit_a_step(start: Start, gemma: Path) -> None:
    with pytest.raises(WorkerError, match=f"set `n_batch` and `ubatch` to {GEMMA.tokens} or more"):
        await start(mmproj=gemma, n_batch=GEMMA.tokens - 1, slots=2)


def pictured(text: str, whole: bool) -> Pictures:
    """A prompt in which `#` is a token of a picture."""
    tokens = [-1 if letter == "#" else 1 for letter in text]
    seen = [token for token in tokens if token < 0]
    return Pictures(tokens, [Picture(seen, np.arange(len(seen), dtype=np.float32)[:, None])], whole=whole)


@pytest.mark.parametrize(
    ("start", "count", "extent"),
    [(0, 2, 2), (0, 3, 2), (0, 4, 2), (0, 5, 5), (0, 6, 6), (2, 1, 3), (2, 2, 3), (2, 3, 3), (2, 4, 4), (3, 1, 2),
     (5, 1, 1), (5, 3, 2), (7, 1, 2), (9, 1, 1), (9, 9, 9)],
)  # fmt: skip
def test_where_a_step_may_end(start: int, count: int, extent: int) -> None:
    assert pictured("ab###cd##e", whole=True).extent(start, count) == extent
    assert pictured("ab###cd##e", whole=False).extent(start, count) == count


def test_a_chunk_is_cut_where_text_and_pictures_meet() -> None:
    pictures = pictured("ab###cd##e", whole=True)
    chunks = pictures.cut(Chunk(7, 3, [-1, -1, 1, 1, -1, -1, 1, 5], wants_logits=True))  # one token behind the prompt
    rows = [None if chunk.embeddings is None else chunk.embeddings[:, 0].tolist() for chunk in chunks]
    assert [(chunk.start, len(chunk.tokens)) for chunk in chunks] == [(3, 2), (5, 2), (7, 2), (9, 2)]
    assert rows == [[1, 2], None, [3, 4], None]
    assert [chunk.wants_logits for chunk in chunks] == [False, False, False, True]
    assert [chunk.whole for chunk in chunks] == [True, False, True, False]


def test_tokens_of_pictures_are_below_zero() -> None:
    assert all(token < 0 for token in drawn(bytes(range(256))))
