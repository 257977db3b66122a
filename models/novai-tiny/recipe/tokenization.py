"""A byte-level BPE of 6144 pieces, learned from the corpus; any UTF-8 text goes through it and comes back.

Words are cut by the regular expression that llama.cpp calls ``qwen2`` (every digit alone), so that the GGUF file and
the transformers folder cut alike. Within it a word is cut the same way wherever it stands, after a space, a quote or an
underscore: pieces are learned from bare letters, and each then gets a *twin* with the space before it. To copy a word
from a sentence into JSON is then to repeat its pieces, the first perhaps as its twin.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

from corpus import conversation
from rendering import SPECIAL_TOKENS, rendered
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY = 6144
LLAMA_CPP_PRE = "qwen2"
_CUTS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_BARE_CUTS = r"\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SPACE = "Ġ"  # how byte-level BPE writes a space
_LETTERS = re.compile(r"[A-Za-z]+")


def _texts(seed: int, count: int) -> Iterator[str]:
    rng = Random(seed)
    for _ in range(count):
        drawn = conversation(rng)
        text = rendered(drawn.messages, drawn.tools)
        for special in SPECIAL_TOKENS:
            text = text.replace(special, "\n")
        yield text


def _cutting(expression: str) -> pre_tokenizers.Sequence:
    split = pre_tokenizers.Split(Regex(expression), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _learned_merges(seed: int, conversations: int) -> list[tuple[str, str]]:
    """The first merges are the most useful ones; there are more of them here than fit."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = _cutting(_BARE_CUTS)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(_texts(seed, conversations), trainer)
    return [(left, right) for left, right in json.loads(tokenizer.to_str())["model"]["merges"]]


def train_tokenizer(path: Path, seed: int, conversations: int = 30_000) -> None:
    pieces = [*SPECIAL_TOKENS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    twins = [piece for piece in pieces if _LETTERS.fullmatch(piece)]
    merges: list[tuple[str, str]] = []
    for left, right in _learned_merges(seed, conversations):
        is_word = _LETTERS.fullmatch(left + right) is not None
        if not {left, right} <= set(pieces) or len(pieces) + len(twins) + 1 + is_word > VOCABULARY:
            continue  # It does not fit, or it is made of one that did not.
        merges.append((left, right))
        pieces.append(left + right)
        twins += [left + right] * is_word
    pieces += [_SPACE + piece for piece in twins]
    merges += [(_SPACE, piece) for piece in twins]
    tokenizer = Tokenizer(models.BPE({piece: number for number, piece in enumerate(pieces)}, merges))
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.pre_tokenizer = _cutting(_CUTS)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(path))


def twins(tokenizer: Tokenizer) -> list[tuple[int, int]]:
    """Pairs of a piece and the same piece after a space."""
    vocabulary = tokenizer.get_vocab()
    pairs = ((vocabulary.get(piece.removeprefix(_SPACE)), number) for piece, number in vocabulary.items())
    return [(bare, number) for bare, number in pairs if bare is not None and bare != number]
