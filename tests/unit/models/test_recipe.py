"""What the recipe of the demo model does before it trains: cut words, and start with a circuit that copies."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest

FOLDER = Path(__file__).parents[3] / "models/novai-tiny"
sys.path.append(str(FOLDER / "recipe"))

torch = pytest.importorskip("torch")

from architecture import Student  # noqa: E402
from priming import prime  # noqa: E402
from tokenization import VOCABULARY, twins  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(FOLDER / "hf/tokenizer.json"))


@pytest.mark.parametrize("word", ["Paris", "Blorfina", "x", "magic", "ключ", "你好"])
def test_a_word_is_cut_alike_wherever_it_stands(tokenizer: Tokenizer, word: str) -> None:
    bare = {twin: piece for piece, twin in twins(tokenizer)}
    alone = tokenizer.encode(word).ids
    for text in (f"in {word}", f'"{word}"', f"('{word}')", f"a_{word}", f"\n{word}", f'{{"a": "{word}"}}'):
        cut = [bare.get(token, token) for token in tokenizer.encode(text).ids]
        assert any(cut[at : at + len(alone)] == alone for at in range(len(cut))), text


def test_a_model_copies_before_it_is_trained(tokenizer: Tokenizer) -> None:
    torch.manual_seed(1)
    student = Student(tokenizer)
    rng = Random(1)
    text = [rng.randrange(3, VOCABULARY) for _ in range(60)]
    tokens = torch.tensor([text + text])

    def copied() -> float:
        """The share of pieces that are right, with the space before them or without it."""
        with torch.no_grad():
            table = student.embedding()
            hidden = student.llama.model(inputs_embeds=table[tokens]).last_hidden_state
            said = (hidden @ table.T).argmax(-1)
        return float((student.row[said[:, 60:-1]] == student.row[tokens[:, 61:]]).float().mean())

    assert copied() < 0.1
    prime(student)
    assert copied() > 0.3
