"""Rate limits: tiers, which projects have by default, and what projects and keys have instead."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from api.administration.tenancy import DEFAULT, the_key, the_project
from api.administration.words import AdminError, Words, opened, show, text
from api.config import Settings
from api.domain import LimitName
from api.limits.dimensions import DIMENSIONS, MAX_AMOUNT, MAX_BURSTS
from api.storage import limits
from api.storage.limits import Document, Owner, Rule, Rules, Stored
from api.storage.session import Database

NAMES: dict[str, LimitName] = {row.short: name for name, row in DIMENSIONS.items()}
UNLIMITED = "none"
RULE = f"LIMIT=AMOUNT, LIMIT=AMOUNT:BURST or LIMIT={UNLIMITED}; LIMIT is one of {', '.join(NAMES)}"
IN_FORCE = "In force everywhere within a second."


def add_words(words: Words) -> None:
    verbs = words.group("tiers", "limits that projects have by default")
    verbs.word("list", list_tiers, "all tiers, with their limits")
    change = verbs.word("set", set_tier, "change limits of a tier, or make one")
    change.add_argument("tier", type=text)
    _add_section(change)
    change.add_argument("rules", nargs="+", type=_rule, metavar="RULE", help=RULE)
    assign = verbs.word("assign", assign_tier, "give a project another tier")
    assign.add_argument("tier", type=text)
    _add_project(assign, default=DEFAULT)

    verbs = words.group("limits", "limits of projects and keys")
    _add_owner(verbs.word("show", show_limits, "what is in force, and who says so"))
    change = verbs.word("set", set_limits, "override limits of the tier")
    _add_owner(change)
    _add_section(change)
    change.add_argument("rules", nargs="+", type=_rule, metavar="RULE", help=RULE)
    clear = verbs.word("clear", clear_limits, "take overrides away")
    _add_owner(clear)
    _add_section(clear)
    clear.add_argument("names", nargs="*", type=_name, metavar="LIMIT", help="default: all of them")


async def list_tiers(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        found = await limits.tiers(database)
    show(options, [{"tier": name} | row for name, document in found.items() for row in _rows(document)])


async def set_tier(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        await limits.add_tier(database, options.tier)
        await _change(database, options, "tier", options.tier, dict(options.rules))


async def assign_tier(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        project = await the_project(database, options.project, options.organisation)
        try:
            await limits.assign_tier(database, project.id, options.tier)
        except LookupError:
            raise AdminError(f"No tier {options.tier!r}. See `novai tiers list`.") from None
    told = {"project": project.id, "tier": options.tier}
    show(options, told, f"Project {project.organisation}/{project.name} has tier {options.tier}. {IN_FORCE}")


async def show_limits(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        documents = await _documents(database, options)
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for origin, document in documents.items():
        for row in _rows(document):
            found[row["scope"], row["model"], row["limit"]] = row | {"set_by": origin}
    show(options, list(found.values()))


async def set_limits(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        owner, owner_id = await _owner(database, options)
        await _change(database, options, owner, owner_id, dict(options.rules))


async def clear_limits(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        owner, owner_id = await _owner(database, options)
        await _change(database, options, owner, owner_id, dict.fromkeys(options.names or NAMES.values()))


async def _change(
    database: Database,
    options: argparse.Namespace,
    owner: Owner,
    owner_id: str,
    rules: dict[LimitName, Rule | None],
) -> None:
    """A rule of None takes away what was said before."""

    def edit(document: Document) -> None:
        section = _section(document, options, owner)
        for name, rule in rules.items():
            section.pop(name, None)
            if rule is not None:
                section[name] = rule
        document.models = {model: theirs for model, theirs in document.models.items() if theirs}

    document = await limits.change(database, owner, owner_id, edit)
    assert document is not None  # it was there a moment ago
    show(options, _rows(document), f"Changed. {IN_FORCE}")


def _section(document: Document, options: argparse.Namespace, owner: Owner) -> Rules:
    if options.model is not None:
        return document.models.setdefault(options.model, {})
    return document.key if options.each_key or owner == "key" else document.project


async def _owner(database: Database, options: argparse.Namespace) -> tuple[Owner, str]:
    if options.key is None:
        project = await the_project(database, options.project, options.organisation)
        return "project", project.id
    if getattr(options, "model", None) is not None:
        raise AdminError("A model's limits are those of a project: give --project instead of --key.")
    return "key", (await the_key(database, options.key)).id


async def _documents(database: Database, options: argparse.Namespace) -> dict[str, Document]:
    """Of rising precedence, by where they come from."""
    owner, owner_id = await _owner(database, options)
    project_id = (await the_key(database, owner_id)).project_id if owner == "key" else owner_id
    project = await _stored(database, "project", project_id)
    tier = await _stored(database, "tier", project.tier or DEFAULT)
    found = {f"tier {project.tier}": tier.document, "project": project.document}
    return found | ({"key": (await _stored(database, "key", owner_id)).document} if owner == "key" else {})


async def _stored(database: Database, owner: Owner, owner_id: str) -> Stored:
    found = await limits.find(database, owner, owner_id)
    assert found is not None  # it was there a moment ago
    return found


def _rows(document: Document) -> list[dict[str, Any]]:
    sections: Iterable[tuple[str, str | None, Rules]] = (
        ("project", None, document.project),
        ("key", None, document.key),
        *(("model", model, rules) for model, rules in document.models.items()),
    )
    return [
        {"scope": scope, "model": model, "limit": name, **_amounts(name, rule)}
        for scope, model, rules in sections
        for name, rule in rules.items()
    ]


def _amounts(name: LimitName, rule: Rule) -> dict[str, int | None]:
    if rule.limit is None:
        return {"amount": None, "burst": None}
    return {"amount": rule.limit, "burst": DIMENSIONS[name].burst(rule.limit) if rule.burst is None else rule.burst}


# ---------------------------------------------------------------- arguments


def _add_owner(word: argparse.ArgumentParser) -> None:
    _add_project(word, default=DEFAULT)
    word.add_argument("--key", metavar="ID", help="of this key alone")


def _add_project(word: argparse.ArgumentParser, default: str) -> None:
    word.add_argument("--project", default=default, help="id or name (default: %(default)s)")
    word.add_argument("--organisation", help="id or name, where project names are not unique")


def _add_section(word: argparse.ArgumentParser) -> None:
    section = word.add_mutually_exclusive_group()
    section.add_argument("--each-key", action="store_true", help="of each key by itself, not of all together")
    section.add_argument("--model", type=text, help="of the project's use of this model; * is every model")


def _name(given: str) -> LimitName:
    if given not in NAMES:
        raise argparse.ArgumentTypeError(f"no such limit: {given}. There are: {', '.join(NAMES)}")
    return NAMES[given]


def _rule(given: str) -> tuple[LimitName, Rule]:
    name, _, amounts = given.partition("=")
    if amounts == UNLIMITED:
        return _name(name), Rule(None)
    amount, _, burst = amounts.partition(":")
    rule = Rule(_amount(amount), _amount(burst) if burst else None)
    if rule.burst is not None and not 1 <= rule.burst <= _amount(amount) * MAX_BURSTS:
        raise argparse.ArgumentTypeError(f"expected a burst between 1 and {MAX_BURSTS} times the limit")
    if rule.burst is not None and not DIMENSIONS[_name(name)].window_s:
        raise argparse.ArgumentTypeError(f"{name} has no burst")
    return _name(name), rule


def _amount(given: str) -> int:
    if not (given.isascii() and given.isdecimal() and int(given) <= MAX_AMOUNT):
        raise argparse.ArgumentTypeError(f"expected {RULE}")
    return int(given)
