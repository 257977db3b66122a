"""The vocabulary and the chat template of a Hugging Face folder."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from llguidance import LLTokenizer
from transformers import AutoTokenizer, PreTrainedModel

from internal.errors import WorkerError


class Tokenizer:
    """Implements `library.Model`. Raises WorkerError when the folder's tokenizer cannot be used."""

    def __init__(self, path: str, weights: PreTrainedModel) -> None:
        try:
            given = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
            self._tokenizer = given.backend_tokenizer
            self._tokenizer.no_truncation()  # as it was trained with, and saved
            self._tokenizer.no_padding()
            self._bytes = LLTokenizer(self._tokenizer.to_str())
        except (OSError, ValueError, KeyError, AttributeError, ImportError) as error:
            raise WorkerError(f"{path}: its tokenizer cannot be used: {error}. Put its tokenizer.json there.") from None
        self._given = given
        config = weights.config.get_text_config()
        self.vocabulary_size: int = config.vocab_size
        self.bos = _first(given.bos_token_id, config.bos_token_id)
        self.bos_text: str = given.bos_token or ""
        self.eos_text: str = given.eos_token or ""
        ends = (given.eos_token_id, config.eos_token_id, weights.generation_config.eos_token_id)
        # Some models name ends that they have no weights for.
        self.end_ids = frozenset(i for end in ends for i in _listed(end) if 0 <= i < self.vocabulary_size)
        added = given.added_tokens_decoder
        # Gemma 3 without eyes has a token for images, and no weights for it.
        self._has_more = max(self._tokenizer.get_vocab().values()) >= self.vocabulary_size
        self.special_ids: dict[str, int] = {token.content: i for i, token in added.items()}
        self._control = frozenset(i for i, token in added.items() if token.special)
        self._pieces: dict[int, bytes] = {}

    def tokenize(self, text: str, *, add_special: bool) -> list[int]:
        """See `library.Model`."""
        text = text.encode(errors="replace").decode()  # half of a surrogate pair: an escape in the JSON of a tool call
        tokens: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        if self._has_more:
            tokens = [token for token in tokens if token < self.vocabulary_size]
        if add_special and self._adds_bos and tokens[:1] != [self.bos]:
            tokens.insert(0, self.bos)
        return tokens

    def piece(self, token: int) -> bytes:
        """See `library.Model`."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = b"" if token in self._control else self.special_piece(token)
        return piece

    def special_piece(self, token: int) -> bytes:
        """See `library.Model`. Models may have room for more tokens than the vocabulary has."""
        known = token < self._bytes.vocab_size
        return self._bytes.decode_bytes([token]) if known else b""

    @property
    def chat_template(self) -> str:
        """Of several, the one for chats."""
        found: Any = self._given.chat_template or ""
        return found if isinstance(found, str) else found.get("default", "")

    @cached_property
    def _adds_bos(self) -> bool:
        ids: list[int] = self._tokenizer.encode("a").ids
        return ids[:1] == [self.bos]


def _first(*ids: int | None) -> int:
    return next((i for i in ids if i is not None), -1)


def _listed(ids: int | Iterable[int] | None) -> Iterable[int]:
    return () if ids is None else (ids,) if isinstance(ids, int) else ids
