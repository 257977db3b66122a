from __future__ import annotations

import asyncio
import json
import os
import secrets
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from api.admin import main
from api.administration.setup import WIDE
from api.administration.words import AdminError
from api.auth.keys import KeyRing
from api.domain import Principal
from api.errors import AuthenticationError
from api.storage import limits, schema
from api.storage.session import open_pool
from tests.unit.api.conftest import PEPPER, Novai


@pytest.fixture
def stands_for(migrated_url: str) -> Callable[[str], Principal | None]:
    """Whom a key stands for, None for nobody."""

    async def ask(plain: str) -> Principal | None:
        database = await open_pool(migrated_url, 1)
        try:
            return await KeyRing(database, PEPPER).authenticate(plain)
        except AuthenticationError:
            return None
        finally:
            await database.aclose()

    return lambda plain: asyncio.run(ask(plain))


@pytest.fixture
def project(novai: Novai) -> str:
    novai("organisations create default")
    return str(novai("projects create default --json")["id"])


def test_a_key_from_its_making_to_its_end(
    novai: Novai, project: str, stands_for: Callable[[str], Principal | None]
) -> None:
    said = novai("keys create --name laptop --scopes inference,admin --models a,b")
    plain, advice = said.splitlines()
    assert "Store this key now" in advice
    principal = stands_for(plain)
    assert principal is not None
    assert principal.project_id == project and principal.scopes == {"inference", "admin"}
    assert principal.models == {"a", "b"}
    [listed] = novai("keys list --json")
    assert listed["id"] == principal.key_id and listed["state"] == "active" and listed["name"] == "laptop"
    assert plain not in novai("keys list") and principal.key_id in novai("keys list")

    rotated = novai(f"keys rotate {listed['id']} --overlap-hours 0.5 --json")
    successor = stands_for(rotated["key"])
    assert successor is not None and successor.scopes == principal.scopes and successor.models == principal.models
    assert stands_for(plain) is not None
    assert {row["state"] for row in novai("keys list --json")} == {"rotated", "active"}
    assert "can be rotated" in novai(f"keys rotate {listed['id']}", fails=True)

    novai(f"keys revoke {listed['id']}")
    novai(f"keys revoke {rotated['key']}")  # a whole key is understood, too
    assert stands_for(plain) is None and stands_for(rotated["key"]) is None
    assert novai("keys list").strip() == "None."
    assert {row["state"] for row in novai("keys list --all --json")} == {"revoked"}
    assert "already" in novai(f"keys revoke {listed['id']}", fails=True)


def test_rotation_without_overlap_ends_the_old_key_at_once(
    novai: Novai, project: str, stands_for: Callable[[str], Principal | None]
) -> None:
    made = novai("keys create --name x --expires-in-days 2 --json")
    assert made["expires_at"] is not None
    fresh = novai(f"keys rotate {made['id']} --overlap-hours 0 --json")
    assert stands_for(made["key"]) is None and stands_for(fresh["key"]) is not None
    assert fresh["expires_at"] >= made["expires_at"]


def test_projects_are_told_apart_by_their_organisation(novai: Novai, project: str) -> None:
    assert "already" in novai("organisations create default", fails=True)
    assert "already" in novai("projects create default", fails=True)
    novai("organisations create acme")
    novai("projects create default --organisation acme")
    assert "--organisation" in novai("keys create --name x", fails=True)
    made = novai("keys create --name x --organisation acme --json")
    assert made["project"] != project
    assert len(novai("projects list --json")) == 2 and len(novai("organisations list --json")) == 2
    assert [row["project"] for row in novai("keys list --json")] == ["acme/default"]


def test_seeding_makes_two_keys_and_then_nothing(
    novai: Novai, tmp_path: Path, stands_for: Callable[[str], Principal | None]
) -> None:
    file = tmp_path / "new" / "seed.json"
    novai(f"seed --file {file}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first = file.read_bytes()
    keys = json.loads(first)
    user, admin = stands_for(keys["api_key"]), stands_for(keys["admin_key"])
    assert user is not None and user.scopes == {"inference", "usage"}
    assert admin is not None and "admin" in admin.scopes
    assert novai(f"seed --file {file} --json")["created"] is False
    assert file.read_bytes() == first and len(novai("keys list --all --json")) == 2


def test_seeding_sets_what_is_not_there_yet_and_nothing_twice(novai: Novai, tmp_path: Path) -> None:
    tier = f"wide-{secrets.token_hex(4)}"  # tiers outlive a test
    line = f"seed --file {tmp_path / 'seed.json'} --tier {tier} --credits 5"
    novai(f"{line} --price tiny=0.05:0.01:0.20 --price a=b=1:1:2")
    amounts = {row["limit"]: row["amount"] for row in novai("limits show --json")}
    assert amounts == {name: rule.limit for name, rule in WIDE.items()}
    novai("prices set tiny --input 7 --output 8")
    novai("credits add 1")
    novai("tiers assign default")
    novai(f"{line} --price tiny=0.05:0.01:0.20 --price large=1:1:1")
    priced = {row["model"]: row["input_nusd_per_mtok"] for row in novai("prices list --json")}
    assert priced == {"a=b": 1_000_000_000, "large": 1_000_000_000, "tiny": 7_000_000_000}
    [credit], [project] = novai("credits show --json"), novai("projects list --json")
    assert (credit["limit_nusd"], project["tier"]) == (6_000_000_000, "default")
    for price in ("tiny=1:2", "=1:2:3", "tiny"):
        assert "MODEL=INPUT:CACHED:OUTPUT" in novai(f"{line} --price {price}", fails=True)


def test_a_seed_that_was_interrupted_is_made_good_by_the_next(
    novai: Novai, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tier = f"wide-{secrets.token_hex(4)}"

    async def interrupted(*_given: object) -> None:
        raise AdminError("interrupted")

    with monkeypatch.context() as patch:
        patch.setattr(limits, "assign_tier", interrupted)
        novai(f"seed --file {tmp_path / 'seed.json'} --tier {tier}", fails=True)
    novai(f"seed --file {tmp_path / 'seed.json'} --tier {tier}")
    assert [project["tier"] for project in novai("projects list --json")] == [tier]


def test_seeding_again_when_the_keys_do_not_work(
    novai: Novai, tmp_path: Path, stands_for: Callable[[str], Principal | None]
) -> None:
    file = tmp_path / "seed.json"
    novai(f"seed --file {file}")
    before = json.loads(file.read_text())
    novai(f"keys revoke {before['admin_key']}")
    novai(f"seed --file {file}")
    after = json.loads(file.read_text())
    assert all(stands_for(key) for key in after.values())
    assert not any(stands_for(key) for key in before.values())
    file.unlink()
    novai(f"seed --file {file}")
    assert len(novai("keys list --json")) == 2
    file.write_text("not json")
    assert "Delete it" in novai(f"seed --file {file}", fails=True)


@pytest.mark.parametrize(
    ("line", "env", "told"),
    [
        ("keys list", {"DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, "cannot be reached"),
        ("keys list", {"DATABASE_URL": "postgresql://x@127.0.0.1:port/x"}, "DATABASE_URL"),
        ("keys list", {"DATABASE_URL": "sqlite://"}, "DATABASE_URL"),
        ("migrate", {"DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, "DATABASE_URL"),
        ("migrate", {"DATABASE_URL": "sqlite://"}, "DATABASE_URL"),
        ("keys list", {"KEY_PEPPER": ""}, "KEY_PEPPER"),
        ("keys revoke nothing", {}, "novai keys list"),
        ("keys rotate nothing", {}, "novai keys list"),
        ("keys create --name x --project nowhere", {}, "novai projects create"),
        ("projects create x --organisation nowhere", {}, "novai organisations list"),
    ],
)
def test_expected_failures_are_one_line(line: str, env: dict[str, str], told: str, novai: Novai) -> None:
    assert told in novai(line, fails=True, **env)


def test_a_database_without_tables_is_told_how_to_get_them(novai: Novai, empty_database: str) -> None:
    assert "novai migrate" in novai("keys list", fails=True, DATABASE_URL=empty_database)
    assert str(schema.head()) in novai("migrate", DATABASE_URL=empty_database)
    assert "is at revision" in novai("migrate", DATABASE_URL=empty_database)
    assert novai("keys list", DATABASE_URL=empty_database).strip() == "None."


def on(url: str, *statements: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(url)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(execute())


def test_a_database_of_a_newer_program_is_left_as_it_is(novai: Novai, empty_database: str) -> None:
    novai("migrate", DATABASE_URL=empty_database)
    on(empty_database, "UPDATE alembic_version SET version_num = '9000'")
    assert "newer" in novai("migrate", DATABASE_URL=empty_database)
    on(empty_database, "UPDATE alembic_version SET version_num = 'a1b2c3'")
    assert "Is DATABASE_URL that of NovAI?" in novai("migrate", fails=True, DATABASE_URL=empty_database)


def test_a_migration_that_would_stop_the_edges_gives_up(novai: Novai, empty_database: str) -> None:
    """It needs a table that a dump reads: whoever asks for the table after it would have to wait as long."""

    async def beside_a_dump() -> str:
        dump = await asyncpg.connect(empty_database)
        async with dump.transaction():
            await dump.execute("SELECT FROM usage")
            said = await asyncio.to_thread(novai, "migrate", fails=True, DATABASE_URL=empty_database)
        await dump.close()
        return said

    asyncio.run(schema.upgrade(empty_database, "0008"))
    assert "nothing was changed" in asyncio.run(beside_a_dump())
    assert "from 0008" in novai("migrate", DATABASE_URL=empty_database)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "keys",
        "keys create",
        "keys create --name x --scopes root",
        "keys create --name x --expires-in-days 0",
        "keys create --name x --expires-in-days nan",
        "keys rotate x --overlap-hours -1",
    ],
)
def test_wrong_command_lines_are_explained(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(line.split(), {})
    assert caught.value.code == 2
    assert "usage: novai" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["keys create --name x --expires-in-days abc", "keys rotate x --overlap-hours 1h"])
def test_what_is_no_number_is_told_what_a_number_may_be(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(line.split(), {})
    assert caught.value.code == 2
    assert "expected a number between 0 and 1000000" in capsys.readouterr().err


def test_the_program_starts_without_what_only_migrations_need() -> None:
    """Start-up is felt at every command; SQLAlchemy, alembic and FastAPI together would double it."""
    code = (
        "import sys, api.admin; "
        "print([m for m in ('sqlalchemy', 'alembic', 'fastapi', 'prometheus_client', 'grpc') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"


def test_it_runs_as_a_program(migrated_url: str) -> None:
    env = {**os.environ, "DATABASE_URL": migrated_url, "KEY_PEPPER": PEPPER}
    command = [sys.executable, "-m", "api.admin", "organisations", "list", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=30, check=False)
    assert (done.returncode, done.stderr, json.loads(done.stdout)) == (0, "", [])
    env["DATABASE_URL"] = "postgresql://x@127.0.0.1:1/x"
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=30, check=False)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1
