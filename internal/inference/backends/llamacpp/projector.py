"""How a model sees: its encoder of pictures (libmtmd, an `mmproj` file). What comes of them: `batching.pictures`."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from internal.errors import InternalError, WorkerError
from internal.inference.backends.batching.library import Embeddings
from internal.inference.backends.batching.pictures import Picture, drawn
from internal.inference.backends.batching.pixels import SIDE, Pixels, decode
from internal.inference.backends.llamacpp.model import Model
from internal.inference.kept import Kept
from internal.llamacpp import llama, mtmd
from internal.llamacpp.weights import check_file, log_callback

# Pictures as they are seen, for the next turns of their conversations, which bring them again.
KEPT_BYTES = 128 << 20
# Of the pictures that are tried to find out how many tokens one can be.
SHAPES = ((1, 1), (1, 2), (2, 1), (1, 4), (4, 1), (3, 4), (4, 3))


class Projector:
    """The eyes of a model. `free()` gives the memory back, before the model's. `batch`: tokens that can be computed at
    once.

    Raises WorkerError when the file cannot be used with the model; the message says why.
    """

    def __init__(self, path: str, model: Model, *, batch: int, threads: int, gpu: bool) -> None:
        check_file(path, "mmproj")
        mtmd.mtmd_log_set(log_callback, None)
        parameters = mtmd.mtmd_context_params_default()
        parameters.use_gpu = gpu
        parameters.n_threads = threads
        parameters.print_timings = False
        self.pointer: Any = mtmd.mtmd_init_from_file(path.encode(), model.pointer, parameters)
        if not self.pointer:
            raise WorkerError(f"{path}: libmtmd cannot use this file with this model; its log above says why")
        self._dimension: int = llama.llama_model_n_embd_inp(model.pointer)
        self._kept: Kept[Picture] = Kept(KEPT_BYTES)
        self.whole: bool = mtmd.mtmd_decode_use_non_causal(self.pointer, None)  # of Gemma 3, for example
        self._batch = batch
        try:
            self._check(path)
            shapes = [self._shaped(shape) for shape in SHAPES]
            self.most_tokens = max(map(len, shapes))
            if self.whole and any(tokens[0] < 0 or tokens[-1] < 0 for tokens in shapes):
                raise WorkerError(f"{path}: pictures of this model would run into each other; it cannot be served")
        except WorkerError:
            self.free()
            raise

    def free(self) -> None:
        if self.pointer:
            mtmd.mtmd_free(self.pointer)
            self.pointer = None

    def see(self, file: bytes, salt: str) -> Picture:
        """Takes as long as the model's encoder does. One thread at a time. What is kept is kept for requests of one
        salt. Raises UndecodableError, InternalError."""
        name = salt, hashlib.sha256(file).digest()
        picture = self._kept.get(name)
        if picture is None:
            picture = self._picture(decode(file), encode=True)
            self._kept.put(name, picture, picture.embeddings.nbytes)
        return picture

    def measure(self, file: bytes) -> Picture:
        """Its tokens without embeddings. Raises UndecodableError, InternalError."""
        return self._picture(decode(file), encode=False)

    def _check(self, path: str) -> None:
        if not mtmd.mtmd_support_vision(self.pointer):
            raise WorkerError(f"{path}: this projector takes no pictures")
        if mtmd.mtmd_decode_use_mrope(self.pointer):
            raise WorkerError(
                f"{path}: pictures of this model have positions of their own (M-RoPE), which the llamacpp backend does "
                "not compute; it serves LLaVA, Pixtral, SmolVLM, Gemma 3 and others that number pictures like text"
            )

    def _shaped(self, shape: tuple[int, int]) -> list[int]:
        """Tokens of a large picture of that shape, which needs no pixels."""
        unit = SIDE // max(shape)
        return self._picture(Pixels(shape[0] * unit, shape[1] * unit, b""), encode=False).tokens

    def _picture(self, pixels: Pixels, *, encode: bool) -> Picture:
        tokens: list[int] = []
        embeddings = [np.empty((0, self._dimension), np.float32)]
        name = hashlib.shake_256(b"%d %d " % (pixels.width, pixels.height) + pixels.rgb)
        with self._chunks(pixels) as chunks:
            for number, chunk in enumerate(chunks):
                count: int = mtmd.mtmd_input_chunk_get_n_tokens(chunk)
                if mtmd.mtmd_input_chunk_get_type(chunk) == mtmd.MTMD_INPUT_CHUNK_TYPE_TEXT:
                    texts = mtmd.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(ctypes.c_size_t()))
                    tokens += texts[:count]
                    continue
                self._check_size(count)
                part = name.copy()
                part.update(b" %d" % number)
                tokens += drawn(part.digest(4 * count))
                if encode:
                    embeddings.append(self._encode(chunk, count))
        return Picture(tokens, np.concatenate(embeddings))

    def _check_size(self, tokens: int) -> None:
        """llama.cpp would end the process. Raises InternalError."""
        if self.whole and tokens > self._batch:
            raise InternalError(f"a picture is computed at once: set `n_batch` and `ubatch` to {tokens} or more")

    def _encode(self, chunk: Any, count: int) -> Embeddings:
        if mtmd.mtmd_encode_chunk(self.pointer, chunk) != 0:
            raise InternalError("the model cannot look at this picture")
        address = mtmd.mtmd_get_output_embd(self.pointer)
        return np.ctypeslib.as_array(address, (count, self._dimension)).copy()

    @contextmanager
    def _chunks(self, pixels: Pixels) -> Iterator[list[Any]]:
        """What a prompt that is nothing but the picture consists of."""
        rgb = ctypes.cast(ctypes.c_char_p(pixels.rgb), ctypes.POINTER(ctypes.c_uint8)) if pixels.rgb else None
        marker = mtmd.mtmd_get_marker(self.pointer)
        text = mtmd.mtmd_input_text(marker, len(marker), False, True)
        bitmap = mtmd.mtmd_bitmap_init(pixels.width, pixels.height, rgb)
        chunks = mtmd.mtmd_input_chunks_init()
        try:
            code = mtmd.mtmd_tokenize(self.pointer, chunks, ctypes.byref(text), (ctypes.c_void_p * 1)(bitmap), 1)
            if code != 0:
                raise InternalError("the model cannot look at a picture of this size")
            yield [mtmd.mtmd_input_chunks_get(chunks, i) for i in range(mtmd.mtmd_input_chunks_size(chunks))]
        finally:
            mtmd.mtmd_input_chunks_free(chunks)
            mtmd.mtmd_bitmap_free(bitmap)
