"""Any encoder that transformers knows, with the model's own code over padded texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


class PaddedEncoder:
    """Slower than `PackedBert` by what padding costs; right for every architecture."""

    def __init__(self, folder: Path, config: dict[str, Any], device: str, dtype: torch.dtype) -> None:
        from transformers import AutoModel  # seconds to import, and most models do not need it

        self._model: Any = AutoModel.from_pretrained(folder, dtype=dtype, local_files_only=True).to(device).eval()
        self._padding_id = int(config.get("pad_token_id") or 0)
        self._device = device

    def __call__(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """Hidden states of the last layer, tokens x width."""
        rows = [torch.tensor(text) for text in texts]
        ids = pad_sequence(rows, batch_first=True, padding_value=self._padding_id).to(self._device)
        lengths = torch.tensor([len(text) for text in texts], device=self._device)
        real = torch.arange(ids.shape[1], device=self._device) < lengths[:, None]
        hidden: Tensor = self._model(input_ids=ids, attention_mask=real.long()).last_hidden_state
        return hidden[real]
