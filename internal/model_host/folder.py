"""MODEL_DIR: every model file and folder in it is a model that can be loaded.

A `.gguf` file is one for llama.cpp; a folder with a `config.json` one for transformers. It is of vectors where
sentence-transformers has left its `modules.json`, or where the file says how it pools. What begins with a dot is being
downloaded; projectors and the further parts of a split file are no models. Whatever else is left here, the other models
go on: what cannot be read (`lost+found`), is gone by now, or has a name that no request could say, is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from internal.config import ModelConfig, backend_by_form
from internal.model_host.gguf_header import read_header

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
        found[name] = row_of(name, path)
    return list(found.values())


def _paths(folder: Path, depth: int) -> Iterator[Path]:
    with suppress(OSError):
        for path in folder.iterdir():
            if not path.name.startswith(".") and path.name.isprintable():
                yield from _models_at(path, depth)


def _models_at(path: Path, depth: int) -> Iterator[Path]:
    with suppress(OSError):
        if path.suffix == ".gguf" and path.is_file():
            if not path.name.startswith("mmproj") and not LATER_PART.search(path.stem):
                yield path
        elif (path / "config.json").is_file():
            yield path
        elif path.is_dir() and depth > 1:
            yield from _paths(path, depth - 1)


def row_of(name: str, path: Path) -> ModelConfig:
    """As a row of models.yaml would say it. What is not there yet is taken for a chat model."""
    kind: Literal["chat", "embedding"] = "embedding" if makes_vectors(path) else "chat"
    return ModelConfig(name=name, kind=kind, backend=backend_by_form(str(path)), path=str(path), preload=False)


def makes_vectors(path: Path) -> bool:
    if path.is_file():
        return any(fact.endswith(".pooling_type") for fact in read_header(path))
    return (path / "modules.json").is_file()
