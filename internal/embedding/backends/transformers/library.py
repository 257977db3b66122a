"""Any sentence-transformers folder, by the library itself: every architecture, every pooling, layers behind it.

The tokens are ours, in our batches; the library's modules turn them into vectors. No code of a folder is ever run.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from internal.config import ConfigError
from internal.embedding.backends.transformers.folder import SentenceFolder
from internal.embedding.backends.transformers.linear import ByInt16, Linear, fits_int16

log = logging.getLogger("novai.embedding")

PROBE = range(32)  # tokens that every vocabulary has
CLOSE = 0.999  # of cosines


class LibraryEncoder:
    """Slower than `PackedEncoder` by what padding costs. `dtype`: of the model; int16: of the products of its linear
    layers, while all else is float32. Raises ConfigError with the library's own reason."""

    def __init__(self, folder: SentenceFolder, prompt_length: int, device: str, dtype: torch.dtype) -> None:
        from sentence_transformers import SentenceTransformer  # seconds to import, and most models do not need it

        try:
            self._model = SentenceTransformer(
                str(folder.path),
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"dtype": torch.float32 if dtype == torch.int16 else dtype},
            ).eval()
        except (OSError, ValueError, TypeError, KeyError, ImportError, RuntimeError) as error:
            raise ConfigError(f"{folder.path}: sentence-transformers cannot load this folder: {error}") from error
        self._padding_id = int(folder.config.get("pad_token_id") or 0)
        self._prompt_length = prompt_length
        self._device = device
        if dtype == torch.int16:
            self._multiply_in_int16()

    def __call__(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """texts x dimensions."""
        rows = [torch.tensor(text) for text in texts]
        ids = pad_sequence(rows, batch_first=True, padding_value=self._padding_id).to(self._device)
        lengths = torch.tensor([len(text) for text in texts], device=self._device)
        mask = (torch.arange(ids.shape[1], device=self._device) < lengths[:, None]).long()
        features = {"input_ids": ids, "attention_mask": mask}
        if self._prompt_length:
            features["prompt_length"] = torch.tensor([self._prompt_length])
        vectors: Tensor = self._model(features)["sentence_embedding"]
        return vectors

    @torch.inference_mode()
    def _multiply_in_int16(self) -> None:
        """Unless it shows: other architectures than ours may have numbers that 12 bits are too few for, or use a weight
        without its layer."""
        before = self([PROBE])
        layers = [layer for layer in self._model.modules() if type(layer) is nn.Linear and fits_int16(layer.weight)]
        for layer in layers:
            bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias
            layer.forward = partial(_flat, ByInt16(layer.weight, bias))  # type: ignore[method-assign]
        cosine = functional.cosine_similarity(before, self([PROBE])).item()
        if not cosine > CLOSE:  # nor NaN
            log.warning("integers change its vectors (cosine %.4f): it multiplies in float32", cosine)
            for layer in layers:
                del layer.forward


def _flat(linear: Linear, x: Tensor) -> Tensor:
    """x: any number of dimensions before the inputs."""
    return linear(x.reshape(-1, x.shape[-1])).view(*x.shape[:-1], -1)
