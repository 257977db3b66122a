"""Whatever makes vectors. Adding a backend is adding a module and a row here."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from internal.config import ConfigError, ModelConfig
from internal.embedding.backends.base import Backend, RemoteBackend

# name in models.yaml → module and its constructor, which takes the ModelConfig. Imported only when used.
BACKENDS: dict[str, tuple[str, str]] = {
    "openai_compatible": ("internal.embedding.backends.openai_compatible", "OpenAICompatibleBackend"),
    "transformers": ("internal.embedding.backends.transformers", "TransformersBackend"),
}


def load_backend(config: ModelConfig) -> Backend | RemoteBackend:
    """The backend that a row of models.yaml names, not yet loaded. Raises ConfigError."""
    try:
        module, name = BACKENDS[config.backend]
    except KeyError:
        raise ConfigError(
            f"model {config.name!r}: unknown embedding backend {config.backend!r}. Known: {', '.join(BACKENDS)}"
        ) from None
    constructor: Callable[[ModelConfig], Backend | RemoteBackend] = getattr(import_module(module), name)
    return constructor(config)
