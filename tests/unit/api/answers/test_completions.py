"""Log probabilities in the form of completions: four parallel lists, token after token."""

from __future__ import annotations

from gen import inference_pb2 as pb

from api.answers.completions import CompletionCollector, Logprobs

WAVE = "👋".encode()


def token(piece: bytes, logprob: float, *top: tuple[bytes, float]) -> pb.TokenLogprob:
    return pb.TokenLogprob(
        token=piece, logprob=logprob, top=[pb.TopLogprob(token=other, logprob=value) for other, value in top]
    )


TOKENS = [
    token(b"Hi", -0.5, (b"Hi", -0.5), (b"Ho", -1.0)),
    token(b" ", -3.0, (b"!", -0.25), (b"?", -2.0)),
    token(WAVE[:2], -1.0),
    token(WAVE[2:], -2.0),
    token("ö".encode(), -0.125),
]


def test_the_lists_are_parallel_and_offsets_count_characters() -> None:
    found = Logprobs().take(TOKENS)
    assert found.tokens == ["Hi", " ", "bytes:\\xf0\\x9f", "bytes:\\x91\\x8b", "ö"]
    assert found.token_logprobs == [-0.5, -3.0, -1.0, -2.0, -0.125]
    assert found.text_offset == [0, 2, 3, 3, 4]
    text = "Hi 👋ö"
    assert [text[at:][:1] for at in found.text_offset] == ["H", " ", "👋", "👋", "ö"]


def test_the_chosen_token_is_always_among_the_likeliest() -> None:
    top = Logprobs().take(TOKENS).top_logprobs
    assert top[0] == {"Hi": -0.5, "Ho": -1.0}
    assert top[1] == {"!": -0.25, "?": -2.0, " ": -3.0}
    assert top[4] == {"ö": -0.125}


def test_however_they_arrive_they_are_the_same() -> None:
    whole, parts = Logprobs().take(TOKENS), Logprobs()
    taken = [parts.take([one]) for one in TOKENS]
    for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
        assert [item for part in taken for item in getattr(part, name)] == getattr(whole, name)


def test_a_choice() -> None:
    collector = CompletionCollector(3)
    collector.add(pb.Delta(choice=3, text="Hi", logprobs=TOKENS[:1]))
    collector.add(pb.Delta(choice=3, text=" ", logprobs=TOKENS[1:2], finish=pb.LENGTH))
    choice = collector.choice(echo="> ", with_logprobs=True)
    assert (choice.index, choice.text, choice.finish_reason) == (3, "> Hi ", "length")
    assert choice.logprobs is not None
    assert choice.logprobs.tokens == ["Hi", " "]
    assert collector.choice(echo="", with_logprobs=False).logprobs is None
