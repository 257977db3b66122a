"""docs/faults.md: every row of the fault matrix has tests, and they exist."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
TABLE = (TESTS.parent / "docs/faults.md").read_text()
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def test_every_row_is_shown_by_tests_that_exist() -> None:
    rows = {line.split("|")[1].strip(): NAMED.findall(line) for line in TABLE.splitlines() if line.startswith("| F")}
    assert sorted(rows) == [f"F{number:02}" for number in (*range(1, 24), *range(25, 29), *range(30, 39))]
    for row, tests in rows.items():
        assert tests, row
        for path, name in tests:
            [file] = [place / path for place in (TESTS, TESTS / "unit/api") if (place / path).exists()]
            assert re.search(rf"def {name}\(", file.read_text()), f"{row}: {path}::{name}"
