"""A GGUF file in memory: its weights and its vocabulary.

Everything here may be called from any thread once the file is loaded: llama.cpp never changes a loaded model.
"""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from internal.announce import announce_progress
from internal.errors import WorkerError
from internal.llamacpp import llama

log = logging.getLogger("novai.llamacpp")

# ggml's levels: 2 info, 3 warning, 4 error; 5 continues the line before. Loading says hundreds of lines of info.
_LEVELS = {3: logging.WARNING, 4: logging.ERROR}


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


class Weights:
    """A loaded file. `free()` gives the memory back; nothing may be called after it.

    Raises WorkerError when the file cannot be used by this engine; the message says why.
    """

    def __init__(self, path: str, *, n_gpu_layers: int = 0, mmap: bool = True) -> None:
        check_file(path, "path")
        self.path = path
        _start_backend()
        parameters = llama.llama_model_default_params()
        parameters.n_gpu_layers = n_gpu_layers
        parameters.load_mode = llama.LLAMA_LOAD_MODE_MMAP if mmap else llama.LLAMA_LOAD_MODE_NONE
        parameters.progress_callback = callback = llama.llama_progress_callback(in_tenths(announce_progress))
        self.pointer: Any = llama.llama_model_load_from_file(path.encode(), parameters)
        del callback  # it had to live as long as the call
        if not self.pointer:
            raise WorkerError(f"{path}: llama.cpp cannot load this file; its log above says why")
        self.vocab = llama.llama_model_get_vocab(self.pointer)
        self.vocabulary_size: int = llama.llama_vocab_n_tokens(self.vocab)
        self.trained_context: int = llama.llama_model_n_ctx_train(self.pointer)

    def free(self) -> None:
        if self.pointer:
            llama.llama_model_free(self.pointer)
            self.pointer = None

    def tokenize(self, text: str, *, add_special: bool) -> list[int]:
        """Token ids of `text`, in which the texts of special tokens count as those tokens.

        `add_special`: with what the model wants around a text.
        """
        data = text.encode("utf-8", "surrogatepass")
        room = len(data) + 8
        ids = (ctypes.c_int32 * room)()
        count = llama.llama_tokenize(self.vocab, data, len(data), ids, room, add_special, True)
        if count < 0:
            raise WorkerError(f"llama.cpp cannot tokenise a text of {len(data)} bytes")
        found: list[int] = ids[:count]
        return found


def in_tenths(tell: Callable[[float], None]) -> Callable[[float, Any], bool]:
    """llama.cpp tells of every tensor: what is passed on is when another tenth is there. Always True: go on."""
    told = 0

    def heard(done: float, _data: Any) -> bool:
        nonlocal told
        if int(done * 10) > told:
            told = int(done * 10)
            tell(done)
        return True

    return heard


def check_file(path: str, setting: str) -> None:
    """Raises WorkerError when it cannot be what the setting of a model wants."""
    file = Path(path)
    if not file.is_file():
        raise WorkerError(f"{path}: no such file. Set `{setting}` of the model to a GGUF file.")
    with file.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise WorkerError(f"{path}: not a GGUF file. Convert the model with llama.cpp's convert_hf_to_gguf.py.")
