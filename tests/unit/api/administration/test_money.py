from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from api.admin import main
from tests.conftest import execute
from tests.unit.api.conftest import PEPPER, Novai


@pytest.fixture
def project(novai: Novai) -> str:
    novai("organisations create default")
    return str(novai("projects create default --json")["id"])


@pytest.fixture
def key(novai: Novai, project: str) -> str:
    return str(novai("keys create --name a --json")["id"])


def test_prices_are_versions(novai: Novai) -> None:
    assert "costs $0.15 in, $0.075 cached and $0.60 out" in novai(
        "prices set tiny --input 0.15 --cached $0.075 --output 0.60"
    )
    assert "version 2" in novai("prices set tiny --input 0.0375 --output 0.15")
    assert "version 3" in novai("prices set tiny --free --from 2100-01-01")
    assert "version 1" in novai("prices set embedder --input 0.02 --output 0")
    [embedder, tiny] = novai("prices list --json")
    assert tiny.pop("valid_from") and tiny == {
        "model": "tiny",
        "version": 2,
        "input_nusd_per_mtok": 37_500_000,
        "cached_nusd_per_mtok": 37_500_000,
        "batch_percent": 50,
        "output_nusd_per_mtok": 150_000_000,
    }
    assert embedder["output_nusd_per_mtok"] == 0
    assert [row["version"] for row in novai("prices list --all --json")] == [1, 1, 2, 3]
    assert "$0.0375" in novai("prices list")


def test_what_a_new_price_does_not_say_stays(novai: Novai) -> None:
    def in_force() -> list[int]:
        [row] = novai("prices list --json")
        return [row[name] for name in ("input_nusd_per_mtok", "cached_nusd_per_mtok", "output_nusd_per_mtok")] + [
            row["batch_percent"]
        ]

    novai("prices set tiny --input 3 --cached 2 --output 4 --batch 100")
    assert "costs $5.00 in, $2.00 cached and $4.00 out for a million tokens, 100 %" in novai(
        "prices set tiny --input 5"
    )
    assert in_force() == [5 * 10**9, 2 * 10**9, 4 * 10**9, 100]
    novai("prices set tiny --input 1 --batch 20")
    assert in_force() == [10**9, 10**9, 4 * 10**9, 20]
    novai("prices set tiny --free")
    assert "--input" in novai("prices set tiny --output 1", fails=True)
    assert "--output" in novai("prices set tiny --input 1", fails=True)


def test_a_price_that_is_not_in_force_is_not_said_to_be(novai: Novai) -> None:
    novai("prices set tiny --input 5 --output 9")
    assert "but version 1 has been in force since" in novai("prices set tiny --input 1 --from 2020-01-01")
    assert "but version" not in novai("prices set tiny --input 2")
    assert "but version" not in novai("prices set tiny --input 3 --from 2100-01-01")


@pytest.mark.usefixtures("project")
def test_what_is_in_force_is_so_by_the_clock_of_postgresql(novai: Novai, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever that of the machine says on which an administrator works."""
    ours, day_s = time.time, 86_400
    for name, jump_s in (("behind", -2 * day_s), ("ahead", 2 * day_s)):
        with monkeypatch.context() as here:
            here.setattr(time, "time", lambda jump_s=jump_s: ours() + jump_s)
            novai(f"prices set {name} --input 1 --output 1")
            tomorrow = datetime.fromtimestamp(ours() + day_s, UTC)
            novai(f"prices set {name} --input 2 --output 2 --from {tomorrow:%Y-%m-%dT%H:%M:%SZ}")
            assert [row["version"] for row in novai("prices list --json") if row["model"] == name] == [1]
            made = novai(f"keys create --name {name} --expires-in-days 1 --json")
            assert abs(datetime.fromisoformat(made["expires_at"]) - tomorrow).total_seconds() < 60
            [kept] = [key for key in novai("keys list --all --json") if key["id"] == made["id"]]
            assert kept["state"] == "active"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("prices set tiny", "--free"),
        ("prices set tiny --free --input 1", "--free"),
        ("prices set tiny --output 1", "--input"),
        ("prices set tiny --input 1", "--output"),  # or its output would be given away
        ("prices set tiny --input 0 --output 0", "--free"),
        ("prices set tiny --input 1 --cached 2 --output 1", "Cached"),
        ("credits add 0", "above 0"),
        ("credits add 1 --project nowhere", "novai projects list"),
        ("budgets set 1 --month --key nothing", "novai keys list"),
        ("budgets clear", "novai budgets list"),
    ],
)
@pytest.mark.usefixtures("project")
def test_what_cannot_be_done_says_what_to_do(line: str, told: str, novai: Novai) -> None:
    assert told in novai(line, fails=True)


@pytest.mark.parametrize(
    "line",
    [
        "prices set tiny --input -1",
        "prices set tiny --input 0.0000000001",
        "prices set tiny --input 1 --from yesterday",
        "prices set tiny --input 1 --from 0001-01-01T00:00+05:00",
        "prices set tiny --input 1 --from 9999-12-31T23:00-05:00",
        "credits add",
        "credits add much",
        "budgets set 1",
        "budgets set 1 --month --total",
        "budgets set 1 --month --alerts 0",
        "budgets set 1 --month --alerts 50,x",
        "ledger",
    ],
)
def test_wrong_command_lines_are_explained(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(line.split(), {})
    assert caught.value.code == 2
    assert "usage: novai" in capsys.readouterr().err


def test_credits_are_added_once(novai: Novai, project: str) -> None:
    assert "post-paid" in novai("credits show")
    assert novai("credits show --json") == []
    assert "$12.50 left" in novai("credits add 12.50 --id payment-1")
    assert "granted to this project before" in novai("credits add 12.50 --id payment-1", fails=True)
    assert novai("credits add 0.000000001 --json")["left_nusd"] == 12_500_000_001
    [credit] = novai("credits show --json")
    assert credit == {
        "project": project,
        "key": None,
        "kind": "credits",
        "limit_nusd": 12_500_000_001,
        "spent_nusd": 0,
        "held_nusd": 0,
        "left_nusd": 12_500_000_001,
        "alerts": [50, 80, 100],
    }
    assert "$12.500000001" in novai("credits show") and "default/default  " in novai("credits show")
    novai("projects create other")
    assert "$12.50 left" in novai("credits add 12.50 --id payment-1 --project other")


def test_alerts_are_listed(novai: Novai, project: str, key: str, migrated_url: str) -> None:
    assert novai("budgets alerts").strip() == "None."
    for budget_id, scope in enumerate((project, key)):
        row = f"{budget_id}, 'epoch', 80, '{project}', '{scope}', 'total', 1000000000, 850000000"
        execute(migrated_url, f"INSERT INTO budget_alerts VALUES ({row}, now())")
    of_project, of_key = novai(f"budgets alerts --project {project} --json")
    assert of_project.pop("at") <= of_key.pop("at")
    same = {"project": project, "kind": "total", "percent": 80, "limit_nusd": 10**9, "spent_nusd": 85 * 10**7}
    assert (of_project, of_key) == (same | {"key": None}, same | {"key": key})
    assert "$0.85" in novai("budgets alerts") and len(novai("budgets alerts --organisation default --json")) == 2
    novai("organisations create acme")
    assert novai("budgets alerts --organisation acme --json") == []


def test_budgets_are_set_changed_and_cleared(novai: Novai, project: str, key: str) -> None:
    assert "may spend $10.00 a month" in novai("budgets set 10 --month")
    assert f"Key {key} may spend $1.00 in total" in novai(f"budgets set 1 --total --key {key} --alerts 90,100")
    novai("budgets set 20 --month")

    def found() -> list[tuple[Any, ...]]:
        rows = novai("budgets list --json")
        return [(row["key"], row["kind"], row["limit_nusd"], row["alerts"]) for row in rows]

    assert found() == [(None, "month", 20 * 10**9, [50, 80, 100]), (key, "total", 10**9, [90, 100])]
    assert novai("budgets list --project default --json") == novai("budgets list --json")
    novai("budgets clear --month")
    assert found() == [(key, "total", 10**9, [90, 100])]
    assert "no such budget" in novai(f"budgets clear --month --key {key}", fails=True)
    novai(f"budgets clear --key {key}")
    assert novai("budgets list").strip() == "None."


def test_lists_are_of_the_organisation_that_was_named(novai: Novai, project: str, key: str) -> None:
    novai("organisations create other")
    novai("projects create default --organisation other")
    theirs = novai("keys create --name b --organisation other --json")["id"]
    novai(f"budgets set 1 --month --key {key}")
    novai("budgets set 1 --month --organisation other")
    novai(f"budgets set 1 --month --key {theirs}")
    for listed, name in (("keys list", "id"), ("budgets list", "key")):
        assert {row[name] for row in novai(f"{listed} --json")} >= {key, theirs}
        assert key not in {row[name] for row in novai(f"{listed} --organisation other --json")}
        assert theirs in {row[name] for row in novai(f"{listed} --organisation other --json")}
        assert theirs not in {row[name] for row in novai(f"{listed} --organisation default --json")}
        assert "novai organisations list" in novai(f"{listed} --organisation nobody", fails=True)


def test_the_books_are_verified(
    novai: Novai, project: str, migrated_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    novai("credits add 1")
    rows = novai("ledger verify --json")
    assert not rows["offences"] and len(rows["invariants"]) > 10
    assert "I01" in novai("ledger verify")
    execute(migrated_url, "SET session_replication_role = replica; UPDATE transfers SET amount_nusd = 1")
    capsys.readouterr()
    status = main(["ledger", "verify"], {"DATABASE_URL": migrated_url, "KEY_PEPPER": PEPPER})
    said = capsys.readouterr()
    assert status == 1 and said.err == "error: The ledger breaks I18. The rows above say where.\n"
    assert "I18" in said.out and "limit 1000000000" in said.out
