"""Whatever makes tokens. Adding a backend is adding a module and a row here; the conformance suite finds it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from internal.config import ConfigError, ModelConfig
from internal.inference.backends.base import Backend

# name in models.yaml → module and its constructor, which takes the ModelConfig. Imported only when used.
BACKENDS: dict[str, tuple[str, str]] = {
    "anthropic": ("internal.inference.backends.upstream", "UpstreamBackend"),
    "llamacpp": ("internal.inference.backends.llamacpp", "LlamaCppBackend"),
    "openai_compatible": ("internal.inference.backends.upstream", "UpstreamBackend"),
    "scripted": ("internal.inference.backends.scripted", "ScriptedBackend"),
    "transformers": ("internal.inference.backends.transformers", "TransformersBackend"),
}


def load_backend(config: ModelConfig) -> Backend:
    """The backend that a row of models.yaml names, not yet started. Raises ConfigError."""
    try:
        module, name = BACKENDS[config.backend]
    except KeyError:
        raise ConfigError(
            f"model {config.name!r}: unknown backend {config.backend!r}. Known: {', '.join(BACKENDS)}"
        ) from None
    try:
        constructor: Callable[[ModelConfig], Backend] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"model {config.name!r}: the backend {config.backend} needs {error.name}, which is not installed: "
            "pip install 'novai-server[inference,transformers]' brings the libraries of all backends"
        ) from None
    return constructor(config)
