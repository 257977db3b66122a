"""Texts are cut and kept; their tokens are as if they had been tokenised whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

import gguf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import make_gguf
from bench.make_gguf import Shape, Vocabulary, byte_vocabulary, write_gguf
from internal.inference.backends.batching import known_texts
from internal.inference.backends.batching.known_texts import MOST_SPECIALS, KnownTexts, never_overlapped, separates
from internal.inference.backends.llamacpp.model import Model as Gguf

DEMO = Path(__file__).parents[6] / "models/novai-tiny/novai-tiny.Q8_0.gguf"


class Spelled:
    """A vocabulary of characters and special tokens. `taking`: white space that they take with them; `ending`: with a
    token behind every text."""

    bos, vocabulary_size = 1, 1 << 17
    bos_text = eos_text = chat_template = ""
    end_ids: frozenset[int] = frozenset()

    def __init__(self, specials: Sequence[str], *, taking: str = "", ending: bool = False) -> None:
        self.special_ids = {text: 2 + number for number, text in enumerate(specials)}
        longest_first = sorted(specials, key=len, reverse=True)
        pattern = "|".join(map(re.escape, longest_first)) or "(?!)"
        self._pattern = re.compile(f"{taking}({pattern})|(.)", re.DOTALL)
        self._ending = ending
        self.asked: list[str] = []

    def tokenize(self, text: str, *, add_special: bool) -> list[int]:
        self.asked.append(text)
        found = [
            self.special_ids[match[1]] if match[1] else 1000 + ord(match[2]) for match in self._pattern.finditer(text)
        ]
        return [self.bos, *found] + [0] * self._ending if add_special else found

    def piece(self, token: int) -> bytes:
        return b""

    def special_piece(self, token: int) -> bytes:
        return b""


@pytest.fixture(autouse=True)
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_texts, "LEAST_CHARACTERS", 4)


def long_asked(model: Spelled) -> list[str]:
    """Without what was tried at a special token."""
    return [text for text in model.asked if len(text) > 15]


def test_what_is_known_is_not_tokenised_again() -> None:
    model = Spelled(["<user>", "<model>"])
    texts = KnownTexts(model)
    system, first, second = "<user>answer in French", "<user>what is this?", "<model>something else<user>and that?"
    texts.tokenize(system + first, add_special=True, salt="a")
    model.asked.clear()
    tokens = texts.tokenize(system + first + second, add_special=True, salt="a")
    assert tokens == model.tokenize(system + first + second, add_special=True)
    assert long_asked(model)[:-1] == ["<model>something else"]
    texts.tokenize(system + "<user>something new", add_special=True, salt="a")
    assert long_asked(model)[-1] == "<user>something new"


def test_one_does_not_learn_what_another_one_sent() -> None:
    model = Spelled(["<user>"])
    texts = KnownTexts(model)
    for salt in ("a", "b", "a", None, None):
        texts.tokenize("<user>a secret of mine", add_special=True, salt=salt)
    assert len(long_asked(model)) == 4


@pytest.mark.parametrize("salt", ["a", None])
def test_a_text_full_of_special_tokens_is_never_read_as_a_whole(salt: str | None) -> None:
    model = Spelled(["<user>"])
    text = "a<user>" * 1000
    tokens = KnownTexts(model).tokenize(text, add_special=True, salt=salt)
    assert max(map(len, model.asked)) < 20
    assert tokens == model.tokenize(text, add_special=True)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_texts, "MOST_BYTES", 20_000)
    model = Spelled(["<user>"])
    texts = KnownTexts(model)
    for number in [*range(100), 99, 0]:
        texts.tokenize(f"<user>{number:0500}", add_special=True, salt="")
    assert len(model.asked) == 101  # the first one is gone, the last one is there
    for _ in range(2):  # too long to be worth all others
        texts.tokenize("<user>" + "x" * 10_000, add_special=True, salt="")
    texts.tokenize(f"<user>{99:0500}", add_special=True, salt="")
    assert len(model.asked) == 103


def test_texts_that_begin_and_that_go_on_are_not_mixed_up() -> None:
    texts = KnownTexts(model := Spelled(["<user>"]))
    for text in ("<user>hello there", "<user>hello there<user>hello there"):
        assert texts.tokenize(text, add_special=True, salt="") == model.tokenize(text, add_special=True)
        assert texts.tokenize(text, add_special=False, salt="") == model.tokenize(text, add_special=False)


@pytest.mark.parametrize(
    ("specials", "alone"),
    [
        (["<s>", "</s>", "<|im_start|>"], ["<s>", "</s>", "<|im_start|>"]),
        (["<s>", "<<s>>"], ["<<s>>"]),  # the shorter one may be within the longer one
        (["<user>", "<user>>"], ["<user>>"]),
        (["ab", "bc", "xy"], ["xy"]),  # abc
        (["aba", "xy"], ["xy"]),  # ababa
        (["<", "<u>"], ["<u>"]),
        ([], []),
    ],
)
def test_which_never_overlap(specials: list[str], alone: list[str]) -> None:
    assert never_overlapped(specials) == alone


def test_where_almost_everything_is_special_nothing_is_cut() -> None:
    specials = [f"<{number}>" for number in range(MOST_SPECIALS + 1)]
    assert never_overlapped(specials) == []
    assert never_overlapped(specials[:-1]) == specials[:-1]
    assert list(KnownTexts(Spelled(specials)).parts("<1>a text<2>another")) == ["<1>a text<2>another"]


@pytest.mark.parametrize("model", [Spelled(["<u>"], taking=r"\s*"), Spelled(["<u>"], ending=True)])
def test_a_text_that_cannot_be_cut_is_not(model: Spelled) -> None:
    assert not separates(model, "<u>")
    text = "<u>a long one <u>another one"
    assert KnownTexts(model).tokenize(text, add_special=True, salt="") == model.tokenize(text, add_special=True)


words = st.sampled_from(["<a>", "<b>", "<a", "a>", "<<b>>", "b>>", "hello there", " ", "\n", "é", "x" * 9])


@given(st.lists(words).map("".join), st.booleans(), st.booleans())
def test_as_if_whole(text: str, add_special: bool, takes: bool) -> None:
    model = Spelled(["<a>", "<b>", "<<b>>", "a>x"], taking=r"[ ]*" if takes else "")
    texts = KnownTexts(model)
    for _ in range(2):
        found = texts.tokenize(text, add_special=add_special, salt="")
        assert found == model.tokenize(text, add_special=add_special)


WORDS = ["<|im_start|>", "<|im_end|>", "<|im_start|>user\n", "<|im_", "start|>", "<s>", "</s>", "<unk>", "a b", "\n\n"]
real_words = st.one_of(st.sampled_from(WORDS), st.text(max_size=12))


def write_sentencepiece(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    """As Llama 2 has it: BOS, and a space before every text; what is unknown are bytes."""
    kinds = gguf.TokenType
    rows = [("<unk>", kinds.UNKNOWN), ("<s>", kinds.CONTROL), ("</s>", kinds.CONTROL), ("<|im_start|>", kinds.CONTROL)]
    rows += [("\n\n", kinds.USER_DEFINED), ("<|im_end|>", kinds.USER_DEFINED)]
    rows += [(f"<0x{byte:02X}>", kinds.BYTE) for byte in range(256)]
    rows += [(text, kinds.NORMAL) for text in ("▁", "a", "b", "▁a", "ab", "▁ab", "▁b", "user")]
    rows += [(f"unused{number}", kinds.NORMAL) for number in range(len(vocabulary.tokens) - len(rows))]
    writer.add_vocab_size(len(rows))
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _ in rows])
    writer.add_token_types([kind for _, kind in rows])
    writer.add_token_scores([-float(number) for number in range(len(rows))])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(True)


@pytest.fixture(scope="module", params=["bpe", "sentencepiece"])
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gguf]:
    path = DEMO
    if request.param == "sentencepiece":
        path = tmp_path_factory.mktemp("models") / "sentencepiece.gguf"
        with mock.patch.object(make_gguf, "_write_vocabulary", write_sentencepiece):
            write_gguf(path, Shape(dim=32, layers=1, heads=1, kv_heads=1, ff=32, type="F32"), byte_vocabulary())
    model = Gguf(str(path))
    yield model
    model.free()


@given(st.lists(real_words, max_size=30).map("".join), st.booleans())
def test_as_if_whole_on_a_real_vocabulary(real: Gguf, text: str, add_special: bool) -> None:
    texts = KnownTexts(real)
    text = text.encode("utf-8", "replace").decode()
    for _ in range(2):
        found = texts.tokenize(text, add_special=add_special, salt="")
        assert found == real.tokenize(text, add_special=add_special)
    assert "".join(texts.parts(text)) == text


def test_a_real_conversation_is_cut(real: Gguf) -> None:
    turns = [part for number in range(3) for part in (f"<|im_start|>user\nquestion {number}", "<|im_end|>\n")]
    assert list(KnownTexts(real).parts("".join(turns))) == turns
