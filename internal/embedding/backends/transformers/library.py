"""Any sentence-transformers folder, by the library itself: every architecture, every pooling, layers behind it.

The tokens are ours, in our batches; the library's modules turn them into vectors. No code of a folder is ever run.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from internal.config import ConfigError
from internal.embedding.backends.transformers.folder import SentenceFolder


class LibraryEncoder:
    """Slower than `PackedEncoder` by what padding costs. Raises ConfigError with the library's own reason."""

    def __init__(self, folder: SentenceFolder, prompt_length: int, device: str, dtype: torch.dtype) -> None:
        from sentence_transformers import SentenceTransformer  # seconds to import, and most models do not need it

        try:
            self._model = SentenceTransformer(
                str(folder.path),
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"dtype": dtype},
            ).eval()
        except (OSError, ValueError, TypeError, KeyError, ImportError, RuntimeError) as error:
            raise ConfigError(f"{folder.path}: sentence-transformers cannot load this folder: {error}") from error
        self._padding_id = int(folder.config.get("pad_token_id") or 0)
        self._prompt_length = prompt_length
        self._device = device

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
