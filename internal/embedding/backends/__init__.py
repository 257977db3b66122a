"""Whatever makes vectors. Adding a backend is adding a module and a row here."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from internal.config import ConfigError, ModelConfig, backend_by_form
from internal.embedding.backends.base import Backend, RemoteBackend

# name in models.yaml → module and its constructor, which takes the ModelConfig. Imported only when used.
BACKENDS: dict[str, tuple[str, str]] = {
    "llamacpp": ("internal.embedding.backends.llamacpp", "LlamaCppBackend"),
    "openai_compatible": ("internal.embedding.backends.openai_compatible", "OpenAICompatibleBackend"),
    "transformers": ("internal.embedding.backends.transformers", "TransformersBackend"),
}


def load_backend(config: ModelConfig) -> Backend | RemoteBackend:
    """The backend that a row of models.yaml names, not yet loaded. Raises ConfigError."""
    backend = backend_of(config) if config.backend == "auto" else config.backend
    try:
        module, name = BACKENDS[backend]
    except KeyError:
        raise ConfigError(
            f"model {config.name!r}: unknown embedding backend {backend!r}. Known: {', '.join(BACKENDS)}"
        ) from None
    constructor: Callable[[ModelConfig], Backend | RemoteBackend] = getattr(import_module(module), name)
    return constructor(config)


def backend_of(config: ModelConfig) -> str:
    """The backend for the format of the model's files. Raises ConfigError."""
    path, found = Path(config.path), backend_by_form(config.path)
    if found == "llamacpp" or any((path / name).is_file() for name in ("modules.json", "config.json")):
        return found
    raise ConfigError(
        f"model {config.name!r}: {path} is neither a GGUF file nor a folder with a modules.json or config.json"
    )
