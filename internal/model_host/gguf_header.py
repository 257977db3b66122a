"""What the head of a GGUF file says, without the libraries that load it: only as much as an estimate needs.

The format: magic, version, number of tensors, number of key-value pairs; each pair is a name, a type, a value.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

STRING, ARRAY = 8, 9
# struct's letter for each type of value: integers, floats and booleans
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
MOST_PAIRS = 4096
MOST_TEXT = 64 << 20  # no name and no template is longer

Value = int | float | bool | str


def read_header(path: Path) -> dict[str, Value]:
    """The scalar values before the vocabulary. Empty when it is no GGUF file; fewer of a broken one: whoever loads it
    says what is wrong."""
    found: dict[str, Value] = {}
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                return {}
            _version, _tensors, pairs = _read(file, "IQQ")
            for _ in range(min(pairs, MOST_PAIRS)):
                name, kind = _text(file), _read(file, "I")[0]
                if name.startswith("tokenizer."):
                    break
                if kind == ARRAY:
                    _skip_list(file)
                else:
                    found[name] = _text(file) if kind == STRING else _read(file, SCALARS[kind])[0]
    except (OSError, struct.error, KeyError, ValueError, OverflowError):
        return found
    return found


def _skip_list(file: BinaryIO) -> None:
    kind, length = _read(file, "IQ")
    if kind != STRING:
        file.seek(length * struct.calcsize(f"<{SCALARS[kind]}"), 1)
        return
    for _ in range(min(length, MOST_PAIRS)):
        _text(file)


def _read(file: BinaryIO, form: str) -> tuple[int, ...]:
    form = f"<{form}"
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _text(file: BinaryIO) -> str:
    (size,) = _read(file, "Q")
    if size > MOST_TEXT:
        raise ValueError(f"a text of {size} bytes")
    return file.read(size).decode()
