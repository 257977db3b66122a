from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from api.admin import main
from api.auth.keys import KeyRing
from api.domain import Limit, Limits
from api.storage.session import open_pool
from tests.unit.api.conftest import PEPPER, Novai


@pytest.fixture
def project(novai: Novai) -> str:
    novai("organisations create default")
    return str(novai("projects create default --json")["id"])


@pytest.fixture
def key(novai: Novai, project: str) -> dict[str, Any]:
    made: dict[str, Any] = novai("keys create --name a --json")
    return made


@pytest.fixture
def limits_of(migrated_url: str) -> Callable[[dict[str, Any]], Limits]:
    """The limits that a key comes with."""

    async def ask(plain: str) -> Limits:
        async with contextlib.aclosing(await open_pool(migrated_url, 1)) as database:
            return (await KeyRing(database, PEPPER).authenticate(plain)).limits

    return lambda key: asyncio.run(ask(key["key"]))


def test_a_key_comes_with_the_limits_of_the_default_tier(novai: Novai, key: dict[str, Any], limits_of: Any) -> None:
    limits = limits_of(key)
    assert {limit.name: limit.amount for limit in limits.project} == {
        "requests_per_minute": 10_000,
        "tokens_per_minute": 10_000_000,
        "concurrent_requests": 1_000,
    }
    assert limits.key == limits.models == ()
    assert {row["set_by"] for row in novai("limits show --json")} == {"tier default"}


def test_projects_override_tiers_and_keys_override_projects(novai: Novai, key: dict[str, Any], limits_of: Any) -> None:
    novai("tiers set small rpm=60 tpm=1000:500 --json")
    novai("tiers set small --each-key rpm=30")
    novai("tiers set small --model * concurrent=4")
    assert "novai tiers list" in novai("tiers assign nothing", fails=True)
    novai("tiers assign small")
    assert limits_of(key) == Limits(
        key=(Limit("requests_per_minute", 30),),
        project=(Limit("requests_per_minute", 60), Limit("tokens_per_minute", 1000, 500)),
        models=(("*", (Limit("concurrent_requests", 4),)),),
    )
    novai("limits set rpm=120:7 tpm=none")
    novai("limits set --model tiny tpd=9")
    novai(f"limits set --key {key['id']} rpm=5")
    limits = limits_of(key)
    assert limits == Limits(
        key=(Limit("requests_per_minute", 5),),
        project=(Limit("requests_per_minute", 120, 7),),
        models=(
            ("*", (Limit("concurrent_requests", 4),)),
            ("tiny", (Limit("concurrent_requests", 4), Limit("tokens_per_day", 9))),
        ),
    )
    assert limits.of_model("tiny")[1].amount == 9 and limits.of_model("other")[0].amount == 4
    shown = {
        (row["scope"], row["model"], row["limit"]): (row["amount"], row["burst"], row["set_by"])
        for row in novai(f"limits show --key {key['id']} --json")
    }
    assert shown == {
        ("project", None, "requests_per_minute"): (120, 7, "project"),
        ("project", None, "tokens_per_minute"): (None, None, "project"),
        ("key", None, "requests_per_minute"): (5, 1, "key"),
        ("model", "*", "concurrent_requests"): (4, 4, "tier small"),
        ("model", "tiny", "tokens_per_day"): (9, 9, "project"),
    }
    assert "tier small" in novai("limits show") and "small" in novai("tiers list")
    novai("limits clear rpm")
    novai(f"limits clear --key {key['id']}")
    novai("limits clear --model tiny")
    assert limits_of(key) == Limits(
        key=(Limit("requests_per_minute", 30),),
        project=(Limit("requests_per_minute", 60),),
        models=(("*", (Limit("concurrent_requests", 4),)),),
    )


def test_a_successor_keeps_the_limits_of_its_key(novai: Novai, key: dict[str, Any], limits_of: Any) -> None:
    novai(f"limits set --key {key['id']} rpm=3")
    assert limits_of(novai(f"keys rotate {key['id']} --json")) == limits_of(key)
    assert limits_of(key).key == (Limit("requests_per_minute", 3),)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("limits show --project nowhere", "novai projects list"),
        ("limits set --key nothing rpm=1", "novai keys list"),
        ("limits set --key nothing --model m rpm=1", "--project"),
    ],
)
def test_expected_failures_are_one_line(novai: Novai, line: str, told: str) -> None:
    assert told in novai(line, fails=True)


@pytest.mark.parametrize(
    "line",
    [
        "limits set",
        "limits set rpm",
        "limits set rpm=",
        "limits set rpm=-1",
        "limits set rpm=1.5",
        "limits set rpm=9999999999999",
        "limits set rpm=10:0",
        "limits set rpm=10:101",
        "limits set concurrent=10:5",
        "limits set speed=1",
        "limits set --each-key --model m rpm=1",
        "limits clear speed",
        "tiers set",
    ],
)
def test_wrong_command_lines_are_explained(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(line.split(), {})
    assert caught.value.code == 2
    assert "usage: novai" in capsys.readouterr().err
