"""What a call says → what is sent: paths, queries, JSON and forms."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import IO, Any, Union
from urllib.parse import quote

from .objects import Object
from .omit import given

FileContent = Union[bytes, "os.PathLike[str]", IO[bytes]]
# content; (name, content); (name, content, media type)
FileInput = Union[FileContent, "tuple[str | None, FileContent]", "tuple[str | None, FileContent, str | None]"]


def path(template: str, **arguments: str) -> str:
    """Raises ValueError for an argument that would name another resource: an empty one, or dots."""
    for name, argument in arguments.items():
        if not argument or argument in (".", ".."):
            raise ValueError(f"Expected an id or a name for `{name}` but received {argument!r}")
        template = template.replace(f"{{{name}}}", quote(str(argument), safe=""))
    return template


def query(values: Mapping[str, Any]) -> dict[str, Any]:
    """What httpx writes: lists repeat their name, booleans are `true` and `false`, dates as in ISO 8601."""
    return {name: value for name, value in given(values).items() if value is not None}


def jsonable(value: object) -> object:
    """What JSON has no word for: models of answers that are sent back, dates, bytes as base64, any iterable."""
    if isinstance(value, Object):
        return value.to_dict()
    if isinstance(value, type):
        raise TypeError(f"the class {value.__name__} cannot be sent: `parse()` and `stream()` take classes")
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, date):
        return value.isoformat()
    if dump := getattr(value, "model_dump", None):  # of pydantic
        dumped: object = dump(mode="json", by_alias=True)
        return dumped
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


def to_json(body: Any) -> bytes:
    return json.dumps(body, default=jsonable, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


class Form:
    """A multipart body. A file of the caller's that cannot go back to its beginning is sent once and never again."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.data: dict[str, str] = {}
        self.files: dict[str, Any] = {}
        self._opened: list[IO[bytes]] = []
        for name, value in fields.items():
            self._add(name, value)
        if not self.files:
            raise TypeError("no field is a file: give bytes, an open file, a pathlib.Path, or (name, content)")

    @property
    def replayable(self) -> bool:
        files = [content for _, content, *_ in self.files.values() if not isinstance(content, bytes)]
        return not any(isinstance(file, Unsized) for file in files)

    def close(self) -> None:
        """Closes the files that were given as paths."""
        for file in self._opened:
            file.close()

    def _add(self, name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, item in given(value).items():
                self._add(f"{name}[{key}]", item)
        elif isinstance(value, (bytes, os.PathLike, tuple)) or hasattr(value, "read"):
            self.files[name] = self._file(value)
        elif value is not None:
            self.data[name] = str(value).lower() if isinstance(value, bool) else str(value)

    def _file(self, value: FileInput) -> tuple[Any, ...]:
        """Name, content that httpx can send, and what else was given."""
        name, content, *rest = value if isinstance(value, tuple) else (None, value)
        if isinstance(content, os.PathLike):
            opened = Path(content).open("rb")  # noqa: SIM115  `close` does
            self._opened.append(opened)
            return (name or Path(content).name, sendable(opened), *rest)
        named = Path(str(getattr(content, "name", "upload"))).name
        return (name or named, content if isinstance(content, bytes) else sendable(content), *rest)


class Unsized:
    """A file that can only be read, such as a pipe. httpx would ask its number for a length, and believe the 0."""

    def __init__(self, file: IO[bytes]) -> None:
        self.read = file.read


def sendable(file: Any) -> Any:
    """Raises TypeError for what is no file."""
    if not hasattr(file, "read"):
        raise TypeError(f"a file is bytes, an open file or a pathlib.Path, not {type(file).__name__}")
    return file if hasattr(file, "seekable") and file.seekable() else Unsized(file)
