"""How a language writes types, names and comments: a row of SPELLINGS each."""

from __future__ import annotations

import ast
import json
import keyword
import re
import subprocess
import sys
import textwrap
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, TypedDict


class Helper(TypedDict):
    """A hand-written method. `doc`: the first sentence of its description."""

    name: str
    doc: str


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
    def helpers(self, out: Path) -> dict[str, list[Helper]]:
        """The resources that have hand-written methods, and those."""

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
    def member(self, name: str) -> str:
        """The name of a resource or a method."""

    @abstractmethod
    def page(self, item: str, whole: str) -> str:
        """The type of one page of a list; `whole` has its fields."""

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

    def helpers(self, out: Path) -> dict[str, list[Helper]]:
        return {place(file): self._written(file) for file in (out / "novai" / "helpers").glob("[!_]*.py")}

    @staticmethod
    def _written(file: Path) -> list[Helper]:
        classes = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.ClassDef)]
        own = next(node for node in classes if node.name.endswith("Helpers"))
        methods = [node for node in own.body if isinstance(node, ast.FunctionDef)]
        described = [(method.name, ast.get_docstring(method)) for method in methods]
        return [Helper(name=name, doc=sentence(doc)) for name, doc in described if doc]

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

    def member(self, name: str) -> str:
        return name

    def page(self, item: str, whole: str) -> str:
        return f"Page[{item}]"

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


class TypeScript(Spelling):
    generator = "typescript-fetch"
    anything = "unknown"
    binary = "Response"
    nothing = "void"
    variants: ClassVar = [{}]
    scalars: ClassVar = {
        "string": "string",
        "integer": "number",
        "number": "number",
        "boolean": "boolean",
        "null": "null",
    }
    formats: ClassVar = {"binary": "Uploadable"}

    def helpers(self, out: Path) -> dict[str, list[Helper]]:
        return {place(file): self._written(file) for file in (out / "src" / "helpers").glob("*.ts")}

    @staticmethod
    def _written(file: Path) -> list[Helper]:
        described = re.findall(r"^  /\*\*((?:(?!\*/).)*)\*/\n  (?:async )?\*?(\w+)[<(]", file.read_text(), re.M | re.S)
        return [Helper(name=name, doc=sentence(re.sub(r"^ *\* ?", "", doc, flags=re.M))) for doc, name in described]

    def mixed(self, out: Path) -> set[str]:
        return set()

    def value(self, plain: Any) -> str:
        return repr(plain) if isinstance(plain, str) else json.dumps(plain)

    def union(self, branches: list[str]) -> str:
        return " | ".join(dict.fromkeys(branches))

    def literal(self, values: list[Any]) -> str:
        return self.union([self.value(value) for value in values])

    def array(self, item: str, usage: str) -> str:
        return f"{'ReadonlyArray' if usage == 'request' else 'Array'}<{item}>"

    def mapping(self, value: str) -> str:
        return f"Record<string, {value}>"

    def name(self, wire: str) -> str:
        return wire if wire.isidentifier() else f"'{wire}'"

    def member(self, name: str) -> str:
        first, *rest = name.split("_")
        return first + "".join(map(str.capitalize, rest))

    def page(self, item: str, whole: str) -> str:
        return f"PagePromise<{item}, {whole}>"

    def route(self, path: str, names: list[str]) -> str:
        return f"pathOf('{path}', {{ {', '.join(names)} }})" if names else f"'{path}'"

    def prose(self, text: str) -> str:
        return text.replace("*/", "*\\/").replace("\n", "\n* ")

    def format(self, out: Path) -> None:
        """The templates print code as it stays; comments are indented here, and blank lines are single."""
        for file in (out / "src/generated").glob("*.ts"):
            text = re.sub(r"^( *)/\*\*.*?\*/", self._indented, file.read_text(), flags=re.M | re.S)
            text = re.sub(r"\n{3,}", "\n\n", text).replace("{\n}", "{}")
            file.write_text(text.rstrip() + "\n")

    @staticmethod
    def _indented(comment: re.Match[str]) -> str:
        indent, lines = comment[1], comment[0].strip().splitlines()
        if len(lines) > 1 and lines[0] != "/**":
            lines = ["/**", f"* {lines[0][4:]}", *lines[1:-1], lines[-1].removesuffix(" */"), "*/"]
        return f"\n{indent} ".join([f"{indent}{lines[0]}", *(line.strip() for line in lines[1:])])


def place(file: Path) -> str:
    """The resource of a file of helpers: `chat__completions.py` has those of `chat.completions`."""
    return file.stem.replace("__", ".")


def sentence(doc: str) -> str:
    """The first one of a description."""
    return re.split(r"\.(?=\s|$)", " ".join(doc.split()))[0]


SPELLINGS: dict[str, Spelling] = {"python": Python(), "typescript": TypeScript()}
