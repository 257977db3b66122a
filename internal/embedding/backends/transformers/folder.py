"""A sentence-transformers folder: which files say what. No weights are read here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from tokenizers import Tokenizer

from internal.config import ConfigError

# pooling in 1_Pooling/config.json (older files: one flag each) → our name
POOLINGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "lasttoken",
}


class SentenceFolder(msgspec.Struct, frozen=True):
    """How the vectors of a model are made, beside its weights."""

    path: Path
    encoder: Path  # the folder of the weights: usually `path` itself
    config: dict[str, Any]  # of the encoder
    pooling: str  # a value of POOLINGS
    normalize: bool
    lower_case: bool
    prompt: str  # put before every text

    @property
    def max_tokens(self) -> int:
        """Positions that the encoder was trained with. A smaller `max_seq_length` only says where others cut."""
        positions = int(self.config.get("max_position_embeddings", 512)) - self.first_position
        limit = read_json(self.encoder / "tokenizer_config.json").get("model_max_length", positions)
        return min(positions, int(limit))

    @property
    def first_position(self) -> int:
        """RoBERTa and its children count positions from behind the padding id."""
        is_roberta = "roberta" in self.config["model_type"] or self.config["model_type"] == "camembert"
        return int(self.config["pad_token_id"]) + 1 if is_roberta else 0


def read_folder(path: Path) -> SentenceFolder:
    """Raises ConfigError for a folder whose vectors we would make wrongly."""
    modules = {row["type"].rsplit(".", 1)[-1]: path / row["path"] for row in read_json(path / "modules.json", [])}
    if unknown := modules.keys() - {"Transformer", "Pooling", "Normalize"}:
        raise ConfigError(f"{path}: modules.json names {', '.join(sorted(unknown))}, which this backend does not have")
    encoder = modules.get("Transformer", path)
    config = read_json(encoder / "config.json")
    if "model_type" not in config:
        raise ConfigError(
            f"{encoder}: no config.json with a model_type. The path must be a sentence-transformers folder"
        )
    prompts = read_json(path / "config_sentence_transformers.json")
    return SentenceFolder(
        path=path,
        encoder=encoder,
        config=config,
        pooling=read_pooling(modules["Pooling"] / "config.json") if "Pooling" in modules else "mean",
        normalize="Normalize" in modules,
        lower_case=bool(read_json(encoder / "sentence_bert_config.json").get("do_lower_case", False)),
        prompt=prompts.get("prompts", {}).get(prompts.get("default_prompt_name") or "", ""),
    )


def read_pooling(path: Path) -> str:
    config = read_json(path)
    named = config.get("pooling_mode")
    found = [named] if named else [name for flag, name in POOLINGS.items() if config.get(flag)]
    others = [
        flag for flag, on in config.items() if flag.startswith("pooling_mode_") and on is True and flag not in POOLINGS
    ]
    if len(found) != 1 or found[0] not in POOLINGS.values() or others:
        raise ConfigError(f"{path}: pooling must be exactly one of {', '.join(POOLINGS.values())}")
    return str(found[0])


def read_json(path: Path, default: Any = None) -> Any:
    """The content of a file that may be missing."""
    if not path.exists():
        return {} if default is None else default
    return json.loads(path.read_text(encoding="utf-8"))


class TextTokenizer:
    """Text → ids, with special tokens and without padding or cutting. Threads may share it."""

    def __init__(self, folder: SentenceFolder) -> None:
        path = folder.encoder / "tokenizer.json"
        if not path.exists():
            raise ConfigError(f"{path}: no such file. Make it with AutoTokenizer.from_pretrained(…).save_pretrained(…)")
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._lower_case = folder.lower_case
        self._prompt = folder.prompt
        self.prefix, self.suffix = self._special_tokens()

    @property
    def vocabulary_size(self) -> int:
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        prompted = [self._prompt + (text.lower() if self._lower_case else text) for text in texts]
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(prompted)]

    def complete(self, ids: Sequence[int]) -> list[int]:
        """Puts the special tokens around ids, unless they are there."""
        ids = list(ids)
        head, tail = len(self.prefix), len(self.suffix)
        if len(ids) >= head + tail and ids[:head] == self.prefix and ids[len(ids) - tail :] == self.suffix:
            return ids
        return self.prefix + ids + self.suffix

    def _special_tokens(self) -> tuple[list[int], list[int]]:
        """What the tokenizer puts before and behind a text (after the prompt, which is text itself)."""
        bare = self._tokenizer.encode("a", add_special_tokens=False).ids
        whole = self._tokenizer.encode("a").ids
        starts = (at for at in range(len(whole)) if whole[at : at + len(bare)] == bare)
        start = next(starts, 0)
        return whole[:start], whole[start + len(bare) :]
