"""A GGUF file in memory: its weights, its vocabulary, and what its metadata say.

Everything here may be called from any thread once the model is loaded: llama.cpp never changes a loaded model.
"""

from __future__ import annotations

import ctypes
from typing import Any

from internal.errors import WorkerError
from internal.llamacpp import llama
from internal.llamacpp.weights import Weights

# Whose texts llama.cpp looks for: LLAMA_TOKEN_ATTR_UNKNOWN, _CONTROL, _USER_DEFINED.
_SPECIAL = 1 | 8 | 16


class Model(Weights):
    """Weights and vocabulary of a decoder. Raises WorkerError, as Weights do."""

    def __init__(self, path: str, *, n_gpu_layers: int = 0, mmap: bool = True) -> None:
        super().__init__(path, n_gpu_layers=n_gpu_layers, mmap=mmap)
        try:
            _check_kind(self.pointer, path)
        except WorkerError:
            self.free()
            raise
        self._read_vocabulary()

    def _read_vocabulary(self) -> None:
        self.adds_bos: bool = llama.llama_vocab_get_add_bos(self.vocab)
        self.bos: int = llama.llama_vocab_bos(self.vocab)
        self.eos: int = llama.llama_vocab_eos(self.vocab)
        ids = range(self.vocabulary_size)
        self.end_ids = frozenset(i for i in ids if llama.llama_vocab_is_eog(self.vocab, i))
        # Texts that a prompt may only contain where the template puts them.
        self.special_ids = {self._text(i): i for i in ids if llama.llama_vocab_get_attr(self.vocab, i) & _SPECIAL}
        self._pieces: dict[int, bytes] = {}

    # ------------------------------------------------------------------ tokens

    def tokenize(self, text: str, *, add_special: bool) -> list[int]:
        """As of Weights; BOS is not added to a text that begins with it."""
        found = super().tokenize(text, add_special=add_special)
        if add_special and self.adds_bos and found[:2] == [self.bos, self.bos]:
            del found[0]  # the template wrote it already
        return found

    def piece(self, token: int) -> bytes:
        """The bytes that a token adds to the output. Control tokens add none."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._piece(token, special=False)
        return piece

    def special_piece(self, token: int) -> bytes:
        """As `piece`, but control tokens are spelled out."""
        return self._piece(token, special=True)

    def _piece(self, token: int, *, special: bool) -> bytes:
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            count = llama.llama_token_to_piece(self.vocab, token, buffer, size, 0, special)
            if count >= 0:
                return buffer.raw[:count]
            size = -count

    def _text(self, token: int) -> str:
        text: bytes | None = llama.llama_vocab_get_text(self.vocab, token)
        return (text or b"").decode(errors="replace")

    # ------------------------------------------------------------------ metadata

    @property
    def chat_template(self) -> str:
        """The source of the template in the file; empty when there is none."""
        source: bytes | None = llama.llama_model_chat_template(self.pointer, None)
        return (source or b"").decode(errors="replace")

    @property
    def bos_text(self) -> str:
        return self._text(self.bos) if self.bos >= 0 else ""

    @property
    def eos_text(self) -> str:
        return self._text(self.eos) if self.eos >= 0 else ""

    @property
    def sliding_window(self) -> int:
        """Tokens that some of its layers look back at most; 0: all layers look at everything."""
        return int(llama.llama_model_n_swa(self.pointer))

    @property
    def kv_values_per_cell(self) -> int:
        """Numbers that one token keeps in the K cache, and in the V cache, over all layers: half of both together."""
        kv_heads: int = max(1, llama.llama_model_n_head_kv(self.pointer))
        layers: int = llama.llama_model_n_layer(self.pointer)
        return layers * kv_heads * (self._head_length("key") + self._head_length("value")) // 2

    def _head_length(self, of: str) -> int:
        """Numbers of one head: as the file says (of Qwen 3 and Gemma they are more than the model is wide), else its
        part of the model's width."""
        key = f"{self._metadata('general.architecture')}.attention.{of}_length"
        if (length := self._metadata(key)).isdigit():
            return int(length)
        heads: int = max(1, llama.llama_model_n_head(self.pointer))
        embedding: int = llama.llama_model_n_embd(self.pointer)
        return embedding // heads

    def _metadata(self, key: str) -> str:
        """Empty when the file does not say."""
        value = ctypes.create_string_buffer(128)
        llama.llama_model_meta_val_str(self.pointer, key.encode(), value, len(value))
        return value.value.decode(errors="replace")


def _check_kind(pointer: Any, path: str) -> None:
    """Continuous batching needs a decoder whose memory can be cut at any token."""
    kinds = {
        "an encoder-decoder": llama.llama_model_has_encoder(pointer),
        "an encoder": not llama.llama_model_has_decoder(pointer),
        "a recurrent": llama.llama_model_is_recurrent(pointer),
        "a hybrid recurrent": llama.llama_model_is_hybrid(pointer),
        "a diffusion": llama.llama_model_is_diffusion(pointer),
    }
    for kind, is_this in kinds.items():
        if is_this:
            raise WorkerError(f"{path}: {kind} model; the llamacpp backend serves decoder-only transformers")
