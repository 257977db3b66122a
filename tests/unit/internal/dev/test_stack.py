"""The table of processes: in order, complete, and modest where servers are given."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from internal.cli import WORDS
from internal.dev.command import base_url
from internal.dev.stack import StackSettings, services
from internal.dev.state import Secrets


def settings(state: Path, **given: str) -> StackSettings:
    fields = {"host": "127.0.0.1", "port": 8000, "models": state / "m.yaml", "state": state}
    return StackSettings(**(fields | {"secrets": Secrets("pepper", "token")} | given))


def test_every_row_comes_after_what_it_needs_and_names_a_module(tmp_path: Path) -> None:
    seen: set[str] = set()
    for row in services(settings(tmp_path)):
        assert set(row.after) <= seen
        seen.add(row.name)
        assert row.argv[1] == "-m"
        assert importlib.util.find_spec(row.argv[2]) is not None
        assert row.advice, "whoever sees it fail wants to know what to do"


def test_a_migration_has_as_long_as_it_takes(tmp_path: Path) -> None:
    [migrate] = [row for row in services(settings(tmp_path)) if row.name == "migrate"]
    assert migrate.patience_s >= 24 * 3600


def test_given_servers_are_used_instead_of_our_own(tmp_path: Path) -> None:
    given = settings(tmp_path, database_url="postgresql://elsewhere/db", redis_url="redis://elsewhere/1")
    rows = {row.name: row for row in services(given)}
    assert not {"postgres", "redis"} & set(rows)
    for name in ("migrate", "seed", "api"):
        assert rows[name].env["DATABASE_URL"] == "postgresql://elsewhere/db"
        assert rows[name].env["REDIS_URL"] == "redis://elsewhere/1"
    assert list(tmp_path.iterdir()) == []


def test_secrets_are_not_in_arguments(tmp_path: Path) -> None:
    for row in services(settings(tmp_path)):
        words = " ".join(map(str, row.argv))
        secrets = [value for name, value in row.env.items() if "KEY" in name or "TOKEN" in name]
        assert not any(secret in words for secret in [*secrets, "password"])


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/v1"),
        ("0.0.0.0", "http://127.0.0.1:8000/v1"),
        ("::", "http://[::1]:8000/v1"),
    ],
)
def test_the_address_told_is_one_that_can_be_called(tmp_path: Path, host: str, url: str) -> None:
    assert base_url(settings(tmp_path, host=host)) == url


def test_every_word_of_the_command_line_is_a_module() -> None:
    for word in WORDS.values():
        assert importlib.util.find_spec(word.module) is not None
