"""A byte-level BPE of 4096 pieces, learned from the corpus; any UTF-8 text goes through it and comes back.

Words are cut by the regular expression that llama.cpp calls ``qwen2`` (every digit alone), so that the GGUF file and
the transformers folder cut alike.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from corpus import conversation
from rendering import SPECIAL_TOKENS, rendered
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY = 4096
LLAMA_CPP_PRE = "qwen2"
_CUTS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _texts(seed: int, count: int) -> Iterator[str]:
    rng = Random(seed)
    for _ in range(count):
        drawn = conversation(rng)
        text = rendered(drawn.messages, drawn.tools)
        for special in SPECIAL_TOKENS:
            text = text.replace(special, "\n")
        yield text


def train_tokenizer(path: Path, seed: int, conversations: int = 30_000) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_CUTS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(seed, conversations), trainer)
    tokenizer.save(str(path))
