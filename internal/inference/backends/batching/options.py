"""The settings in `models.yaml` that all libraries share."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec

from internal.config import ConfigError, ModelConfig

Positive = Annotated[int, msgspec.Meta(ge=1)]


class BatchingOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    context_length: Positive | None = None  # tokens of one request, prompt and output; else the model's, 4096 at most
    slots: Positive = 16  # outputs that are generated at the same time
    cells: Positive | None = None  # tokens in a KV cache that all requests and cached prefixes share
    queue_limit: Positive | None = None  # requests that wait for a slot; else 4 for each slot, 64 at least
    n_batch: Positive = 512  # tokens of one step
    threads: Positive | None = None  # else all cores this process may use
    chat_template: str = ""  # file with a Jinja template, instead of the model's own


Kind = TypeVar("Kind", bound=BatchingOptions)


def read_options(config: ModelConfig, kind: type[Kind]) -> Kind:
    """The options of a row of models.yaml. Raises ConfigError."""
    options = config.options_as(kind)
    if options.n_batch < options.slots:
        raise ConfigError(f"model {config.name!r}: options: `n_batch` must be at least `slots` ({options.slots})")
    return options
