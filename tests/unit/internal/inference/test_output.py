"""The assembler says the same however the bytes were cut, and never a stop string."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from internal.inference.output import TextAssembler

# Few letters, so that stop strings overlap with the text and with each other.
texts = st.text(alphabet="ab\né😀", max_size=40)
stops = st.lists(st.text(alphabet="ab\né", min_size=1, max_size=6), max_size=4)
data = st.one_of(texts.map(str.encode), st.binary(max_size=40))


def cut(whole: bytes, at: list[int]) -> list[bytes]:
    places = sorted({min(place, len(whole)) for place in at})
    return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]


def run(pieces: list[bytes], stop: list[str]) -> tuple[str, str | None]:
    assembler = TextAssembler(stop)
    text = "".join([assembler.feed(piece) for piece in pieces]) + assembler.flush()
    return text, assembler.stopped


def expected(whole: bytes, stop: list[str]) -> tuple[str, str | None]:
    """By definition: the stop string that ends first, and of those the longest."""
    text = whole.decode(errors="replace")
    hits = [(text.index(s) + len(s), -len(s), s) for s in stop if s in text]
    if not hits:
        return text, None
    end, _, hit = min(hits)
    return text[: end - len(hit)], hit


@example(b"aab", ["b", "ab"], [])
@given(data, stops, st.lists(st.integers(0, 40)))
def test_any_cut_gives_the_text_of_the_whole(whole: bytes, stop: list[str], at: list[int]) -> None:
    assert run(cut(whole, at), stop) == expected(whole, stop)


@given(data, stops, st.lists(st.integers(0, 40)))
def test_no_output_holds_a_stop_string_and_nothing_follows_one(whole: bytes, stop: list[str], at: list[int]) -> None:
    assembler = TextAssembler(stop)
    said = ""
    for piece in cut(whole, at):
        stopped_before = assembler.stopped
        new = assembler.feed(piece)
        assert stopped_before is None or new == ""
        said += new
        assert not any(s in said for s in stop)


@given(st.text(max_size=30), st.lists(st.integers(0, 120)))
def test_without_stop_strings_whole_characters_are_never_held(text: str, at: list[int]) -> None:
    assembler = TextAssembler()
    fed, said = b"", ""
    for piece in cut(text.encode(errors="replace"), at):
        fed += piece
        said += assembler.feed(piece)
        assert said == fed.decode(errors="ignore")


def test_only_what_may_become_a_stop_string_is_held() -> None:
    assembler = TextAssembler(["\n\nUser:"])
    assert assembler.feed(b"Hello") == "Hello"
    assert assembler.feed(b" you\n") == " you"
    assert assembler.feed(b"\n") == ""
    assert assembler.feed(b"\n") == "\n"
    assert assembler.feed(b"Us") == ""
    assert assembler.feed(b"ed") == "\n\nUsed"
    assert assembler.feed(b"\n\nUser: hi") == ""
    assert assembler.stopped == "\n\nUser:"
    assert assembler.flush() == ""


def test_an_unfinished_character_becomes_a_replacement() -> None:
    assembler = TextAssembler()
    assert assembler.feed("é".encode()[:1]) == ""
    assert assembler.flush() == "�"


@pytest.mark.timeout(10)
def test_long_repetitive_stop_strings_cost_linear_time() -> None:
    assembler = TextAssembler(["a" * 60_000 + "b"] * 4)
    held = sum(len(assembler.feed(b"a" * 50)) for _ in range(2000))
    assert held + len(assembler.flush()) == 100_000
