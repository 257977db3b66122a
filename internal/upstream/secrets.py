"""Credentials: named in models.yaml, kept elsewhere, shown nowhere."""

from __future__ import annotations

import os
from pathlib import Path

from internal.config import ConfigError

EXPECTED = "expected `env:NAME` (a variable of the model host's environment) or `file:PATH`"


class Secret:
    """A secret and where it came from. Whoever prints it sees the latter."""

    __slots__ = ("_value", "reference")

    def __init__(self, reference: str, value: str) -> None:
        self.reference = reference
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.reference})"


def is_reference(text: str) -> bool:
    return text.startswith(("env:", "file:"))


def read_secret(reference: str) -> Secret:
    """What a reference stands for. Raises ConfigError, which never shows a value."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = os.environ.get(name, "")
    elif kind == "file":
        value = _read(Path(name))
    else:
        raise ConfigError(f"a secret is written out: {EXPECTED}")
    value = value.strip()
    if not value:
        raise ConfigError(f"{reference}: it is not set, or empty")
    if not (value.isascii() and value.isprintable()):
        raise ConfigError(f"{reference}: a secret is one line of ASCII")
    return Secret(reference, value)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"file:{path}: cannot be read ({type(error).__name__})") from None
