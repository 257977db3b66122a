"""What `sdk/README.md` promises of the tests: those it names are there, and those that are live call every method."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from spellings import SPELLINGS

ROOT = Path(__file__).parents[2]
SDK = ROOT / "sdk"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (SDK / "README.md").read_text().splitlines()
    if re.match(r"\| .+ \| .+ \| .+ \|", line)
]
PART = re.compile(r"(?:`([\w.]+)`)?(?:: )?(.*)")  # of a cell: `FILE`: TITLE, or one of them
LIVE = {
    "python": ROOT / "tests" / "sdk" / "python" / "test_live.py",
    "typescript": SDK / "typescript" / "tests" / "live.test.mjs",
}


def python_tests(cell: str) -> Iterator[str]:
    """What a cell names and is not there."""
    file = Path()
    for name in re.findall(r"`([^`]+)`", cell):
        path, _, test = name.partition("::")
        file = next(filter(Path.exists, (LIVE["python"].parent / path, ROOT / path))) if path else file
        there = {getattr(node, "name", None) for node in ast.parse(file.read_text()).body} if test else set()
        if test and test not in there:
            yield name


def typescript_tests(cell: str) -> Iterator[str]:
    """As `python_tests`. `NAME.ts` has functions that hold types."""
    file = Path()
    for part in cell.removesuffix("–").split("; "):
        name, title = PART.fullmatch(part).groups()  # type: ignore[union-attr]
        if name:
            file = LIVE["typescript"].with_name(name if "." in name else f"{name}.test.mjs")
        if title and not any(re.match(".*".join(map(re.escape, title.split("…"))), each) for each in titles(file)):
            yield part


def titles(file: Path) -> list[str]:
    """What is put into one is `…`."""
    found = re.findall(
        r"^ *(?:test|live)\(\s*(['\"`])(.+?)\1,|^export .*function (\w+)", file.read_text(), re.MULTILINE
    )
    return [re.sub(r"\$\{[^}]*\}", "…", title or function) for _, title, function in found]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_test_that_is_named_is_there(row: list[str]) -> None:
    assert [*python_tests(row[1]), *typescript_tests(row[2])] == []


@pytest.mark.parametrize("language", LIVE)
def test_every_method_is_called_live(language: str) -> None:
    spec = yaml.safe_load((ROOT / "openapi" / "spec.yaml").read_text())
    member, calls = SPELLINGS[language].member, LIVE[language].read_text()
    places = [
        [*operation["x-novai-resource"].split("."), operation["x-novai-method"]]
        for item in spec["paths"].values()
        for operation in item.values()
        if "x-novai-resource" in operation
    ]
    called = {tuple(found.split(".")) for found in re.findall(r"\b(\w+\.\w+)\(", calls)}
    missing = [".".join(place) for place in places if tuple(map(member, place[-2:])) not in called]
    assert len(places) >= 50
    assert missing == []
