"""A sentence-transformers folder: which files say what. No weights are read here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from tokenizers import Tokenizer

from internal.config import ConfigError
from internal.embedding.backends.frame import Frame

# What may follow one another in modules.json; what else there is takes no tokens, or is code of the folder.
PACKAGE = "sentence_transformers."
MODULES = ("Transformer", "Pooling", "Dense", "LayerNorm", "Normalize")
DEFAULT_MODULES = [{"path": "", "type": f"{PACKAGE}models.{name}"} for name in ("Transformer", "Pooling")]
# Poolings of 1_Pooling/config.json in older files, one flag each → their names in newer ones
POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
DEFAULT_POSITIONS = 512
CHILDREN_OF_ROBERTA = ("camembert", "data2vec-text", "longformer", "mpnet", "xmod")  # those whose names do not say it


class SentenceFolder(msgspec.Struct, frozen=True):
    """How the vectors of a model are made, beside its weights."""

    path: Path
    modules: tuple[str, ...]  # of MODULES
    encoder: Path  # the folder of the weights: usually `path` itself
    config: dict[str, Any]  # of the encoder
    options: dict[str, Any]  # of the Transformer module
    poolings: tuple[str, ...]  # names of POOLINGS; of several, their vectors side by side
    pools_prompt: bool  # the tokens of the prompt are pooled, too
    prompt: str  # put before every text
    truncate_dim: int | None  # leading dimensions that are the vector; None: all

    @property
    def normalizes(self) -> bool:
        return self.modules[-1] == "Normalize"

    @property
    def lower_case(self) -> bool:
        return bool(self.options.get("do_lower_case", False))

    @property
    def positions(self) -> int:
        """That the tokens of a text can have; 0: any number of them (T5)."""
        return max(int(self.config.get("max_position_embeddings") or 0) - self.first_position, 0)

    @property
    def max_tokens(self) -> int:
        """What the encoder was trained with. A smaller `max_seq_length` only says where others cut."""
        most = self.positions or int(self.options.get("max_seq_length") or DEFAULT_POSITIONS)
        limit = read_json(self.encoder / "tokenizer_config.json").get("model_max_length")
        return min(most, int(limit or most))

    @property
    def first_position(self) -> int:
        """RoBERTa and its children count positions from behind the padding id."""
        kind = self.config["model_type"]
        is_roberta = "roberta" in kind or kind in CHILDREN_OF_ROBERTA
        return int(self.config["pad_token_id"]) + 1 if is_roberta else 0


def read_folder(path: Path, prompt_name: str = "") -> SentenceFolder:
    """`prompt_name`: of the folder's prompts; empty: its default. Raises ConfigError for a folder whose vectors would
    come out wrong."""
    rows = read_json(path / "modules.json", DEFAULT_MODULES)
    modules = tuple(module_of(path, row["type"]) for row in rows)
    if modules[:2] != ("Transformer", "Pooling"):
        raise ConfigError(f"{path}: modules.json must begin with Transformer and Pooling, not {', '.join(modules[:2])}")
    encoder = path / rows[0]["path"]
    config = read_json(encoder / "config.json")
    if "model_type" not in config:
        raise ConfigError(
            f"{encoder}: no config.json with a model_type. The path must be a sentence-transformers folder"
        )
    if "auto_map" in config:
        raise ConfigError(
            f"{encoder}: config.json names code of its own (`auto_map`), which is never run. If transformers knows "
            f"{config['model_type']!r} by itself, take `auto_map` out"
        )
    pooling = read_json(path / rows[1]["path"] / "config.json") if rows is not DEFAULT_MODULES else {}
    sentences = read_json(path / "config_sentence_transformers.json")
    return SentenceFolder(
        path=path,
        modules=modules,
        encoder=encoder,
        config=config,
        options=read_json(next(iter(sorted(encoder.glob("sentence_*_config.json"))), encoder / "none")),
        poolings=poolings_of(path, pooling),
        pools_prompt=pooling.get("include_prompt", True),
        prompt=prompt_of(path, sentences, prompt_name),
        truncate_dim=sentences.get("truncate_dim"),
    )


def module_of(path: Path, kind: str) -> str:
    """The name of a module of modules.json. Raises ConfigError for those that we do not compute."""
    name = kind.rpartition(".")[2]
    if not kind.startswith(PACKAGE) or name not in MODULES:
        raise ConfigError(f"{path}: modules.json names {kind}; this backend computes {', '.join(MODULES)}")
    return name


def poolings_of(path: Path, config: dict[str, Any]) -> tuple[str, ...]:
    """Of the Pooling module's config. Raises ConfigError."""
    named = config.get("pooling_mode") or [name for flag, name in POOLINGS.items() if config.get(flag)] or "mean"
    names = (named,) if isinstance(named, str) else tuple(named)
    known = {*POOLINGS.values()}
    unknown = {*names} - known | {flag for flag, on in config.items() if is_unknown_flag(flag) and on}
    if unknown:
        raise ConfigError(f"{path}: unknown pooling {', '.join(sorted(unknown))}. Known: {', '.join(sorted(known))}")
    return names


def is_unknown_flag(name: str) -> bool:
    return name.startswith("pooling_mode_") and name not in POOLINGS


def prompt_of(path: Path, config: dict[str, Any], name: str) -> str:
    """Raises ConfigError when there is no prompt of this name."""
    prompts = config.get("prompts", {})
    if name and name not in prompts:
        raise ConfigError(f"{path}: there is no prompt {name!r}. There are: {', '.join(prompts) or 'none'}")
    return str(prompts.get(name or config.get("default_prompt_name") or "") or "")


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
        self.frame = Frame.found(
            self._tokenizer.encode("a", add_special_tokens=False).ids,
            self._tokenizer.encode("a").ids,
            self._tokenizer.encode(self._cased(folder.prompt), add_special_tokens=False).ids,
        )

    @property
    def vocabulary_size(self) -> int:
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        prompted = [self._cased(self._prompt + text) for text in texts]
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(prompted)]

    def _cased(self, text: str) -> str:
        return text.lower() if self._lower_case else text
