from __future__ import annotations

from tests.unit.api.conftest import Novai


def test_every_word_that_changes_something_is_written_down(novai: Novai) -> None:
    novai("organisations create default")
    project = novai("projects create default --json")["id"]
    key = novai("keys create --name a --json")
    fresh = novai(f"keys rotate {key['id']} --json")
    novai(f"keys revoke {key['id']}")
    novai("tiers set small rpm=60")
    novai("tiers assign small")
    novai("limits set rpm=120:7")
    novai(f"limits clear --key {fresh['id']}")
    novai("prices set tiny --input 1 --output 2")
    novai("credits add 10")
    novai("budgets set 5 --month")
    novai("budgets clear")
    novai("projects archive default")
    written = novai("audit --json")[::-1]
    assert [(row["action"], row["target"]) for row in written[1:]] == [
        ("project.create", project),
        ("key.create", key["id"]),
        ("key.rotate", key["id"]),
        ("key.revoke", key["id"]),
        ("tier.set", "small"),
        ("tier.assign", project),
        ("limits.set", project),
        ("limits.set", fresh["id"]),
        ("price.set", "tiny"),
        ("credits.add", project),
        ("budget.set", project),
        ("budget.clear", project),
        ("project.archive", project),
    ]
    assert written[0]["action"] == "organisation.create"
    assert {row["actor"] for row in written} == {"cli"}
    assert len(novai("audit --limit 2 --json")) == 2
    said = novai("audit")
    assert "key.rotate" in said and all(made["key"].rpartition("-")[2] not in said for made in (key, fresh))


def test_what_fails_is_not_written(novai: Novai) -> None:
    novai("organisations create default")
    novai("organisations create default", fails=True)
    novai("projects create default")
    novai("tiers assign no-such-tier", fails=True)
    assert [row["action"] for row in novai("audit --json")] == ["project.create", "organisation.create"]
