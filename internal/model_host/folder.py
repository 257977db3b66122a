"""MODEL_DIR: every model file and folder in it is a model that can be loaded.

A `.gguf` file is one for llama.cpp; a folder with a `config.json` one for transformers, of vectors where
sentence-transformers has left its `modules.json`. What begins with a dot is being downloaded; projectors and the
further parts of a split file are no models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from internal.config import ModelConfig

MOST_DEPTH = 3
LATER_PART = re.compile(r"-(?!0*1-of)\d{5}-of-\d{5}$")


def models_in(folder: Path | None) -> list[ModelConfig]:
    """In the order of their paths. They have no price: one is set by `novai prices set`."""
    if folder is None or not folder.is_dir():
        return []
    found: dict[str, ModelConfig] = {}
    for path in sorted(_paths(folder.resolve(), MOST_DEPTH)):
        name = path.stem if path.is_file() else path.name
        if name in found:  # the later one is called by its path
            name = path.relative_to(folder.resolve()).with_suffix("").as_posix()
        found[name] = row_of(name, path, path.is_dir(), (path / "modules.json").is_file())
    return list(found.values())


def _paths(folder: Path, depth: int) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.suffix == ".gguf" and path.is_file():
            if not path.name.startswith("mmproj") and not LATER_PART.search(path.stem):
                yield path
        elif (path / "config.json").is_file():
            yield path
        elif path.is_dir() and depth > 1:
            yield from _paths(path, depth - 1)


def row_of(name: str, path: Path, is_folder: bool, vectors: bool) -> ModelConfig:
    """As a row of models.yaml would say it. `vectors`: of a folder that sentence-transformers has left."""
    backend = "transformers" if is_folder else "llamacpp"
    return ModelConfig(
        name=name, kind="embedding" if vectors else "chat", backend=backend, path=str(path), preload=False
    )
