"""What whoever loads a model may choose, in the words of its backend."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from internal.config import ModelConfig, backend_by_form
from internal.model_host.errors import InvalidError

Choice = int | str

# (kind, backend) → choice → its name among the backend's options
NAMES: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("chat", "llamacpp"): {"context_length": "context_length", "gpu_layers": "n_gpu_layers", "slots": "slots"},
    ("chat", "transformers"): {name: name for name in ("context_length", "slots", "device", "dtype")},
    ("chat", "scripted"): {"context_length": "context_length", "slots": "slots"},
    ("embedding", "llamacpp"): {"gpu_layers": "n_gpu_layers"},
    ("embedding", "transformers"): {"device": "device", "dtype": "dtype"},
}


def chosen(row: ModelConfig, choices: Mapping[str, Choice]) -> ModelConfig:
    """The row with these choices. Raises InvalidError for one that its backend does not have."""
    names = offered_by(row)
    for choice in choices:
        if choice not in names:
            told = f"only {', '.join(names)}" if names else "nothing"
            raise InvalidError(f"the backend {row.backend!r} lets you choose {told} here.", choice)
    options = {names[choice]: value for choice, value in choices.items()}
    return msgspec.structs.replace(row, options=row.options | options)


def where_offered(row: ModelConfig, choices: Mapping[str, Choice]) -> ModelConfig:
    """As `chosen`, leaving out what the backend does not have: for settings that are meant for all models."""
    names = offered_by(row)
    return chosen(row, {choice: value for choice, value in choices.items() if choice in names})


def offered_by(row: ModelConfig) -> Mapping[str, str]:
    """The backend `auto` is that of the form of its files."""
    return NAMES.get((row.kind, backend_by_form(row.path) if row.backend == "auto" else row.backend), {})
