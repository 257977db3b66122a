"""A GGUF file in memory: its weights, its vocabulary, and what its metadata say.

Everything here may be called from any thread once the model is loaded: llama.cpp never changes a loaded model.
"""

from __future__ import annotations

import ctypes
import logging
import os
import threading
from pathlib import Path
from typing import Any

# Between two steps OpenMP's threads would spin for milliseconds on cores that the rest of the machine needs, and that
# stalls the steps themselves when the machine is busy. Read when llama.cpp is loaded, so it stands before the import.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

import llama_cpp.llama_cpp as llama

from internal.errors import WorkerError

log = logging.getLogger("novai.llamacpp")

# ggml's levels: 2 info, 3 warning, 4 error; 5 continues the line before. Loading says hundreds of lines of info.
_LEVELS = {3: logging.WARNING, 4: logging.ERROR}
_CONTROL_OR_USER_DEFINED = 8 | 16  # LLAMA_TOKEN_ATTR_CONTROL, LLAMA_TOKEN_ATTR_USER_DEFINED


@llama.llama_log_callback  # type: ignore[untyped-decorator,unused-ignore]
def log_callback(level: int, text: bytes | None, _data: object) -> None:
    # One request never exceeds the trained context; all of them together may.
    if level in _LEVELS and text and b"n_ctx_seq" not in text:
        log.log(_LEVELS[level], "%s", text.decode(errors="replace").rstrip())


_started = threading.Lock()
_backend_ready = False


def _start_backend() -> None:
    """llama.cpp's process-wide start, once."""
    global _backend_ready  # noqa: PLW0603 (it is the library's own global)
    with _started:
        if not _backend_ready:
            llama.llama_log_set(log_callback, None)
            llama.llama_backend_init()
            _backend_ready = True


class Model:
    """Weights and vocabulary. `free()` gives the memory back; nothing may be called after it.

    Raises WorkerError when the file cannot be used by this engine; the message says why.
    """

    def __init__(self, path: str, *, n_gpu_layers: int = 0, mmap: bool = True) -> None:
        check_file(path, "path")
        _start_backend()
        parameters = llama.llama_model_default_params()
        parameters.n_gpu_layers = n_gpu_layers
        parameters.load_mode = llama.LLAMA_LOAD_MODE_MMAP if mmap else llama.LLAMA_LOAD_MODE_NONE
        self.pointer: Any = llama.llama_model_load_from_file(path.encode(), parameters)
        if not self.pointer:
            raise WorkerError(f"{path}: llama.cpp cannot load this file; its log above says why")
        try:
            _check_kind(self.pointer, path)
        except WorkerError:
            self.free()
            raise
        self._read_vocabulary()

    def _read_vocabulary(self) -> None:
        self.vocab = llama.llama_model_get_vocab(self.pointer)
        self.vocabulary_size: int = llama.llama_vocab_n_tokens(self.vocab)
        self.trained_context: int = llama.llama_model_n_ctx_train(self.pointer)
        self.adds_bos: bool = llama.llama_vocab_get_add_bos(self.vocab)
        self.bos: int = llama.llama_vocab_bos(self.vocab)
        self.eos: int = llama.llama_vocab_eos(self.vocab)
        ids = range(self.vocabulary_size)
        self.end_ids = frozenset(i for i in ids if llama.llama_vocab_is_eog(self.vocab, i))
        # Texts that a prompt may only contain where the template puts them.
        self.special_ids = {
            self._text(i): i for i in ids if llama.llama_vocab_get_attr(self.vocab, i) & _CONTROL_OR_USER_DEFINED
        }
        self._pieces: dict[int, bytes] = {}
        self._buffer = threading.local()

    def free(self) -> None:
        if self.pointer:
            llama.llama_model_free(self.pointer)
            self.pointer = None

    # ------------------------------------------------------------------ tokens

    def tokenize(self, text: str, *, add_special: bool) -> list[int]:
        """Token ids of `text`, in which the texts of special tokens count as those tokens.

        `add_special`: with what the model wants around a prompt (BOS), unless the text begins with it.
        """
        data = text.encode("utf-8", "surrogatepass")
        room = len(data) + 8
        ids = (ctypes.c_int32 * room)()
        count = llama.llama_tokenize(self.vocab, data, len(data), ids, room, add_special, True)
        if count < 0:
            raise WorkerError(f"llama.cpp cannot tokenise a text of {len(data)} bytes")
        found: list[int] = ids[:count]
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
    def kv_values_per_cell(self) -> int:
        """Numbers that one token keeps in the K (and as many in the V) cache, over all layers."""
        heads = max(1, llama.llama_model_n_head(self.pointer))
        kv_heads = max(1, llama.llama_model_n_head_kv(self.pointer))
        embedding: int = llama.llama_model_n_embd(self.pointer)
        layers: int = llama.llama_model_n_layer(self.pointer)
        return int(layers * embedding * kv_heads // heads)


def check_file(path: str, setting: str) -> None:
    """Raises WorkerError when it cannot be what the setting of a model wants."""
    file = Path(path)
    if not file.is_file():
        raise WorkerError(f"{path}: no such file. Set `{setting}` of the model to a GGUF file.")
    with file.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise WorkerError(f"{path}: not a GGUF file. Convert the model with llama.cpp's convert_hf_to_gguf.py.")


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
