"""BERT and RoBERTa encoders over packed texts: all tokens of a batch in one matrix, no padding.

The linear layers (`linear.py`) are where the time goes, and they see real tokens only; what is summed up and normalised
stays in float32. Attention is computed for texts of the same length together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional

from internal.embedding.backends.transformers.folder import SentenceFolder
from internal.embedding.backends.transformers.linear import Linear, linear

# In place: they work on the widest matrix there is.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": torch.ops.aten.gelu_, "relu": functional.relu_}
MODEL_TYPES = ("bert", "roberta", "xlm-roberta", "camembert")

Weights = dict[str, Tensor]


# Hidden states (tokens x width) and the tokens of each text → one vector per text.
def mean(hidden: Tensor, lengths: Tensor) -> Tensor:
    return torch.segment_reduce(hidden, "mean", lengths=lengths, axis=0)


def maximum(hidden: Tensor, lengths: Tensor) -> Tensor:
    return torch.segment_reduce(hidden, "max", lengths=lengths, axis=0)


def first(hidden: Tensor, lengths: Tensor) -> Tensor:
    return hidden[lengths.cumsum(0) - lengths]


def last(hidden: Tensor, lengths: Tensor) -> Tensor:
    return hidden[lengths.cumsum(0) - 1]


POOL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mean": mean, "cls": first, "max": maximum, "lasttoken": last}


def can_pack(folder: SentenceFolder) -> bool:
    """Whether `PackedEncoder` computes exactly what the library would."""
    config = folder.config
    return (
        folder.modules in (("Transformer", "Pooling"), ("Transformer", "Pooling", "Normalize"))
        and folder.options.get("transformer_task", "feature-extraction") == "feature-extraction"
        and len(folder.poolings) == 1
        and folder.poolings[0] in POOL
        and (folder.pools_prompt or not folder.prompt)
        and config["model_type"] in MODEL_TYPES
        and config.get("hidden_act", "gelu") in ACTIVATIONS
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder", False)
        and (folder.encoder / "model.safetensors").exists()
    )


class PackedEncoder:
    """Texts, ordered by length → their vectors, not yet normalised."""

    def __init__(self, folder: SentenceFolder, device: str, products: torch.dtype) -> None:
        self._bert = PackedBert(folder.encoder, folder.config, folder.first_position, device, products)
        self._pool = POOL[folder.poolings[0]]
        self._device = device

    def __call__(self, texts: Sequence[Sequence[int]]) -> Tensor:
        lengths = torch.tensor([len(text) for text in texts], device=self._device)
        return self._pool(self._bert(texts), lengths)


class LayerNorm:
    def __init__(self, weights: Weights, name: str, epsilon: float) -> None:
        self.weight, self.bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        self.epsilon = epsilon

    def __call__(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, self.epsilon)


class Layer:
    """One transformer layer, normalised after each half."""

    def __init__(self, weights: Weights, prefix: str, config: dict[str, Any], products: torch.dtype) -> None:
        heads = [f"{prefix}.attention.self.{name}" for name in ("query", "key", "value")]
        epsilon = config.get("layer_norm_eps", 1e-12)
        self.heads = int(config["num_attention_heads"])
        self.query_key_value = read_linear(weights, products, *heads)
        self.attended = read_linear(weights, products, f"{prefix}.attention.output.dense")
        self.attention_norm = LayerNorm(weights, f"{prefix}.attention.output.LayerNorm", epsilon)
        self.up = read_linear(weights, products, f"{prefix}.intermediate.dense")
        self.activation = ACTIVATIONS[config.get("hidden_act", "gelu")]
        self.down = read_linear(weights, products, f"{prefix}.output.dense")
        self.norm = LayerNorm(weights, f"{prefix}.output.LayerNorm", epsilon)

    def __call__(self, x: Tensor, groups: Sequence[tuple[int, int]]) -> Tensor:
        x = self.attention_norm(x.add_(self.attended(self._attend(self.query_key_value(x), groups))))
        return self.norm(x.add_(self.down(self.activation(self.up(x)))))

    def _attend(self, heads: Tensor, groups: Sequence[tuple[int, int]]) -> Tensor:
        """Attention within each text; `groups` are (texts, tokens of each) in the order of the rows."""
        size = heads.shape[1] // (3 * self.heads)
        out = heads.new_empty(heads.shape[0], heads.shape[1] // 3)
        row = 0
        for texts, length in groups:
            rows = slice(row, row + texts * length)
            query, key, value = heads[rows].view(texts, length, 3, self.heads, size).permute(2, 0, 3, 1, 4).unbind(0)
            attended = functional.scaled_dot_product_attention(query, key, value)
            out[rows].view(texts, length, self.heads, size).copy_(attended.transpose(1, 2))
            row = rows.stop
        return out


class PackedBert:
    """Weights of one encoder, on one device."""

    def __init__(
        self, folder: Path, config: dict[str, Any], first_position: int, device: str, products: torch.dtype
    ) -> None:
        """`products`: what the linear layers and attention multiply in."""
        weights = read_weights(folder / "model.safetensors", device)
        # Position and segment are looked up together: the segment of a single text is always 0.
        segment = weights["embeddings.token_type_embeddings.weight"][0]
        self._positions = weights["embeddings.position_embeddings.weight"][first_position:] + segment
        self._words = weights["embeddings.word_embeddings.weight"]
        self._norm = LayerNorm(weights, "embeddings.LayerNorm", config.get("layer_norm_eps", 1e-12))
        layers = range(config["num_hidden_layers"])
        self._layers = [Layer(weights, f"encoder.layer.{index}", config, products) for index in layers]
        self._device = device

    def __call__(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """Hidden states of the last layer, tokens x width, of texts that come ordered by length."""
        groups: list[tuple[int, int]] = []
        for text in texts:
            same = groups and groups[-1][1] == len(text)
            groups[-1:] = [(groups[-1][0] + 1, len(text))] if same else [*groups[-1:], (1, len(text))]
        ids = torch.tensor([token for text in texts for token in text], device=self._device)
        positions = torch.tensor([at for text in texts for at in range(len(text))], device=self._device)
        x = self._norm(self._words[ids] + self._positions[positions])
        for layer in self._layers:
            x = layer(x, groups)
        return x


def read_weights(path: Path, device: str) -> Weights:
    """All tensors in float32, under their names inside the encoder (`bert.`, `roberta.` before them is dropped)."""
    with safe_open(path, framework="pt", device=device) as file:
        names = list(file.keys())
        prefix = next(name for name in names if name.endswith("embeddings.word_embeddings.weight"))
        prefix = prefix.removesuffix("embeddings.word_embeddings.weight")
        return {n.removeprefix(prefix): file.get_tensor(n).float() for n in names if n.startswith(prefix)}


def read_linear(weights: Weights, products: torch.dtype, *names: str) -> Linear:
    """Several names: one layer whose outputs lie side by side."""
    weight, bias = (torch.cat([weights[f"{name}.{part}"] for name in names]) for part in ("weight", "bias"))
    return linear(weight, bias, products)
