"""How a language writes types, names and comments: a row of SPELLINGS each."""

from __future__ import annotations

import keyword
import re
import subprocess
import sys
import textwrap
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar


class Spelling(ABC):
    """One language. `scalars` is by the type of a schema, `formats` by its format."""

    generator: ClassVar[str]  # of openapi-generator-cli
    anything: ClassVar[str]
    binary: ClassVar[str]  # the type of an answer that is a file
    nothing: ClassVar[str]  # and of one without a body
    variants: ClassVar[list[dict[str, str]]]  # what the templates of resources are printed with, once each
    scalars: ClassVar[dict[str, str]]
    formats: ClassVar[dict[str, str]]

    @abstractmethod
    def helpers(self, out: Path) -> set[str]:
        """The resources that have hand-written methods."""

    @abstractmethod
    def mixed(self, out: Path) -> set[str]:
        """The models that have hand-written properties."""

    @abstractmethod
    def value(self, plain: Any) -> str:
        """A value as a literal."""

    @abstractmethod
    def union(self, branches: list[str]) -> str: ...

    @abstractmethod
    def literal(self, values: list[Any]) -> str: ...

    @abstractmethod
    def array(self, item: str, usage: str) -> str:
        """`usage`: `request`, where whatever can be read will do, or `answer`."""

    @abstractmethod
    def mapping(self, value: str) -> str: ...

    @abstractmethod
    def name(self, wire: str) -> str:
        """A field's name on the wire as an identifier."""

    @abstractmethod
    def route(self, path: str, names: list[str]) -> str:
        """An expression whose value is the path with the arguments `names` in it."""

    @abstractmethod
    def prose(self, text: str) -> str:
        """A description that cannot end the comment it stands in."""

    @abstractmethod
    def format(self, out: Path) -> None:
        """Formats what was generated."""


class Python(Spelling):
    generator = "python"
    anything = "Any"
    binary = "BinaryResponse"
    nothing = "None"
    variants: ClassVar = [
        {"Async": "", "async": "", "async_": "", "await": "", "plural": "", "client": "SyncClient"},
        {
            "Async": "Async",
            "async": "async ",
            "async_": "async_",
            "await": "await ",
            "plural": "s",
            "client": "AsyncClient",
        },
    ]
    scalars: ClassVar = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
    formats: ClassVar = {"date": "date | str", "binary": "FileInput"}

    def helpers(self, out: Path) -> set[str]:
        return {path.stem.replace("__", ".") for path in (out / "novai" / "helpers").glob("[!_]*.py")}

    def mixed(self, out: Path) -> set[str]:
        mixins = out / "novai" / "_runtime" / "mixins.py"
        return set(re.findall(r"^class (\w+)Mixin", mixins.read_text(), re.MULTILINE)) if mixins.exists() else set()

    def value(self, plain: Any) -> str:
        return repr(plain)

    def union(self, branches: list[str]) -> str:
        return " | ".join(dict.fromkeys(branches))

    def literal(self, values: list[Any]) -> str:
        return f"Literal[{', '.join(map(repr, values))}]"

    def array(self, item: str, usage: str) -> str:
        return f"Sequence[{item}]" if usage == "request" else f"list[{item}]"

    def mapping(self, value: str) -> str:
        return f"dict[str, {value}]"

    def name(self, wire: str) -> str:
        name = re.sub(r"\W+", "_", wire).strip("_")
        return f"{name}_" if keyword.iskeyword(name) else name

    def route(self, path: str, names: list[str]) -> str:
        return f"path({path!r}, {', '.join(f'{name}={name}' for name in names)})" if names else repr(path)

    def prose(self, text: str) -> str:
        paragraphs = re.split(r"\n\s*\n", text.replace("\\", "\\\\").replace('"""', "'''"))
        filled = [
            each if each.lstrip().startswith(("-", "|", "    ")) else textwrap.fill(each, 88) for each in paragraphs
        ]
        return "\n\n".join(filled) + (" " if text.endswith('"') else "")

    def format(self, out: Path) -> None:
        ruff = [sys.executable, "-m", "ruff"]
        options = ["-q", "--isolated", "--line-length", "120", "--target-version", "py310", str(out / "novai")]
        subprocess.run([*ruff, "check", "--fix", "--select", "F401,I", *options], check=True)
        subprocess.run([*ruff, "format", *options], check=True)


SPELLINGS: dict[str, Spelling] = {"python": Python()}
