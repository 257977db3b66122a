"""Rate limits: tiers, which projects have by default, and what projects and keys have instead."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import asdict

from api.administration.tenancy import add_owner, add_project, the_owner, the_project
from api.administration.words import AdminError, Words, opened, show, text
from api.config import Settings
from api.domain import LimitName
from api.limits.dimensions import DIMENSIONS, MAX_AMOUNT
from api.services import limits
from api.services.administration import CLI
from api.services.limits import LimitRow, Section
from api.storage.limits import Rule
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
    add_project(assign)

    verbs = words.group("limits", "limits of projects and keys")
    add_owner(verbs.word("show", show_limits, "what is in force, and who says so"))
    change = verbs.word("set", set_limits, "override limits of the tier")
    add_owner(change)
    _add_section(change)
    change.add_argument("rules", nargs="+", type=_rule, metavar="RULE", help=RULE)
    clear = verbs.word("clear", clear_limits, "take overrides away")
    add_owner(clear)
    _add_section(clear)
    clear.add_argument("names", nargs="*", type=_name, metavar="LIMIT", help="default: all of them")


async def list_tiers(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        found = await limits.list_tiers(database)
    show(options, [{"tier": name} | asdict(row) for name, rows in found.items() for row in rows])


async def set_tier(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        section, rules = _section(options), dict(options.rules)
        _show_changed(options, await limits.change_tier(database, CLI, options.tier, section, rules))


async def assign_tier(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        project = await the_project(database, options.project, options.organisation)
        await limits.assign_tier(database, CLI, project, options.tier)
    told = {"project": project.id, "tier": options.tier}
    show(options, told, f"Project {project.organisation}/{project.name} has tier {options.tier}. {IN_FORCE}")


async def show_limits(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        found = await limits.in_force(database, await the_owner(database, options))
    show(options, [asdict(row) | {"set_by": origin} for row, origin in found])


async def set_limits(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        await _change(database, options, dict(options.rules))


async def clear_limits(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        await _change(database, options, dict.fromkeys(options.names or NAMES.values()))


async def _change(database: Database, options: argparse.Namespace, rules: dict[LimitName, Rule | None]) -> None:
    """A rule of None takes away what was said before."""
    if options.key is not None and options.model is not None:
        raise AdminError("A model's limits are those of a project: give --project instead of --key.")
    owner = await the_owner(database, options)
    _show_changed(options, await limits.change(database, CLI, owner, _section(options), rules))


def _show_changed(options: argparse.Namespace, rows: Iterable[LimitRow]) -> None:
    show(options, [asdict(row) for row in rows], f"Changed. {IN_FORCE}")


def _section(options: argparse.Namespace) -> Section:
    if options.model is not None:
        return Section("model", options.model)
    return Section("key" if options.each_key or getattr(options, "key", None) is not None else "project")


# ---------------------------------------------------------------- arguments


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
    if why := limits.fault(_name(name), rule):
        raise argparse.ArgumentTypeError(why)
    return _name(name), rule


def _amount(given: str) -> int:
    if not (given.isascii() and given.isdecimal() and int(given) <= MAX_AMOUNT):
        raise argparse.ArgumentTypeError(f"expected {RULE}")
    return int(given)
