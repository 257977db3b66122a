"""Prices, credits and budgets, and whether the ledger is right."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from api.administration.tenancy import add_filter, add_owner, add_project, asked, the_owner, the_project
from api.administration.words import AdminError, Words, amount, opened, show, text
from api.config import Settings
from api.ledger.pricing import usd
from api.services import administration
from api.services.administration import ALERT_PERCENTS, CLI
from api.storage import budgets
from api.storage.budgets import Alert, Budget, Kind
from api.storage.prices import PriceRow
from api.storage.session import Database

PER_MTOK = "USD for a million tokens"


def add_words(words: Words) -> None:
    verbs = words.group("prices", "what tokens of a model cost; a model without a price is not served")
    listing = verbs.word("list", list_prices, "the prices in force")
    listing.add_argument("--all", action="store_true", help="also those that were and those that will be")
    change = verbs.word(
        "set", set_price, "a new price; what is not given stays as it is, and older prices for what was used then"
    )
    change.add_argument("model", type=text)
    change.add_argument("--input", type=amount, metavar="USD", help=PER_MTOK)
    change.add_argument("--cached", type=amount, metavar="USD", help=f"{PER_MTOK} of input not computed again")
    change.add_argument("--output", type=amount, metavar="USD", help=PER_MTOK)
    change.add_argument("--batch", type=_percent, metavar="P", help="percent of it in batches; at first 50")
    change.add_argument("--free", action="store_true", help="costs nothing, needs no credits")
    change.add_argument("--from", dest="valid_from", type=_time, metavar="TIME", help="ISO 8601, UTC; default: now")

    verbs = words.group("credits", "prepaid money of projects")
    add = verbs.word("add", add_credits, "pay in; from the first credit on a project is prepaid")
    add.add_argument("amount", type=amount, metavar="USD")
    add.add_argument("--id", type=text, help="of this payment: the same one twice is added once")
    add_project(add)
    add_project(verbs.word("show", show_credits, "what was paid in, spent and is left"))

    verbs = words.group("budgets", "what projects and keys may spend; requests beyond it are refused")
    change = verbs.word("set", set_budget, "make or change a budget")
    change.add_argument("amount", type=amount, metavar="USD")
    _add_kind(change, required=True)
    add_owner(change)
    change.add_argument(
        "--alerts", type=_percents, default=ALERT_PERCENTS, metavar="P,P", help="percent (default: 50,80,100)"
    )
    add_filter(verbs.word("list", list_budgets, "all budgets, with what is left of them"))
    add_filter(verbs.word("alerts", list_alerts, "which thresholds of budgets and credits were passed, oldest first"))
    clear = verbs.word("clear", clear_budgets, "take budgets away")
    _add_kind(clear, required=False)
    add_owner(clear)

    verbs = words.group("ledger", "the books")
    verbs.word("verify", verify_ledger, "check every invariant; exit status 1 when one is broken")


async def list_prices(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        found = await administration.list_prices(database)
        in_force = _in_force(found, database.now())
    shown = [row for row in found if options.all or in_force.get(row.model) == row]
    show(options, [_price_fields(row, options.json) for row in shown])


async def set_price(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        before = await _price_of(database, options.model)
        full, cached, output, batch = _wanted(options, before)
        row = await administration.set_price(
            database, CLI, options.model, full, cached, output, options.valid_from, batch
        )
        now = await _price_of(database, options.model)
    costs = "is free" if not (full or output) else f"costs {usd(full)} in, {usd(cached)} cached and {usd(output)} out"
    told = f"{row.model} {costs} for a million tokens, {batch} % of it in batches, from {_date(row)} on"
    if now is not None and now.valid_from > row.valid_from:
        told += f"; but version {now.version} has been in force since {_date(now)}, and is"
    show(options, _price_fields(row, raw=True), f"{told} (version {row.version}).")


def _wanted(options: argparse.Namespace, before: PriceRow | None) -> tuple[int, int, int, int]:
    """Input, cached input, output (nano-USD for a million tokens) and the percent of batches. Raises AdminError."""
    given = (options.input, options.cached, options.output)
    batch = options.batch if options.batch is not None else before.batch_percent if before else 50
    if options.free and given == (None, None, None):
        return 0, 0, 0, batch
    if options.free or (given == (None, None, None) and options.batch is None):
        raise AdminError("Say --free, or what the model costs: --input and --output, in USD for a million tokens.")
    full, output = options.input, options.output
    if before is not None and (before.input_nusd_per_mtok or before.output_nusd_per_mtok):
        full = before.input_nusd_per_mtok if full is None else full
        output = before.output_nusd_per_mtok if output is None else output
    if full is None or output is None:
        raise AdminError(
            "Say --input and --output: no price yet says the other one. A model that gives none: --output 0."
        )
    if not (full or output):
        raise AdminError("Say --free for a model that costs nothing.")
    cached = options.cached
    if cached is None:
        cheaper = before is not None and before.cached_nusd_per_mtok < before.input_nusd_per_mtok
        cached = min(full, before.cached_nusd_per_mtok) if before and cheaper else full
    return full, cached, output, batch


async def _price_of(database: Database, model: str) -> PriceRow | None:
    """The one in force."""
    return _in_force(await administration.list_prices(database), database.now()).get(model)


def _in_force(found: Sequence[PriceRow], now: datetime) -> dict[str, PriceRow]:
    """By model, of all versions in their order."""
    return {row.model: row for row in found if row.valid_from <= now}


def _date(row: PriceRow) -> str:
    return f"{row.valid_from:%Y-%m-%d %H:%M} UTC"


async def add_credits(settings: Settings, options: argparse.Namespace) -> None:
    if options.amount == 0:
        raise AdminError("The amount must be above 0.")
    async with opened(settings) as database:
        project = await the_project(database, options.project, options.organisation)
        credit = await administration.add_credits(database, CLI, project, options.amount, options.id, ALERT_PERCENTS)
    told = f"Project {project.organisation}/{project.name} has {usd(credit.left_nusd)} left."
    show(options, _budget_fields(credit, raw=True), f"Added {usd(options.amount)}. {told}")


async def show_credits(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        project = await the_project(database, options.project, options.organisation)
        found = [budget for budget in await budgets.budgets(database, project.id) if budget.kind == "credits"]
    if not found and not options.json:
        print(f"Project {project.organisation}/{project.name} is post-paid: nobody has added credits to it.")
        return
    named = {} if options.json else {"project": f"{project.organisation}/{project.name}"}
    show(options, [_budget_fields(credit, options.json) | named for credit in found])


async def set_budget(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        owner = await the_owner(database, options)
        budget = await administration.set_budget(database, CLI, owner, options.kind, options.amount, options.alerts)
    show(
        options,
        _budget_fields(budget, raw=True),
        f"{_name(budget)} may spend {usd(budget.limit_nusd)} {_KINDS[budget.kind]}; "
        f"{usd(budget.spent_nusd)} of it is spent.",
    )


async def list_budgets(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        organisation_id, project = await asked(database, options)
        found = await administration.list_budgets(database, organisation_id, project)
    show(options, [_budget_fields(budget, options.json) for budget in found])


async def list_alerts(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        organisation_id, project = await asked(database, options)
        found = await administration.list_alerts(database, organisation_id, project)
    show(options, [_alert_fields(alert, options.json) for alert in found])


async def clear_budgets(settings: Settings, options: argparse.Namespace) -> None:
    kinds: tuple[Kind, ...] = (options.kind,) if options.kind else ("month", "total")
    async with opened(settings) as database:
        owner = await the_owner(database, options)
        if not await administration.clear_budget(database, CLI, owner, kinds):
            raise AdminError(f"{owner.id} has no such budget. See `novai budgets list`.")
    show(options, {"of": owner.id, "cleared": True}, f"Cleared. {owner.id} may spend what its credits allow.")


async def verify_ledger(settings: Settings, options: argparse.Namespace) -> None:
    from api.ledger.reconcile import verify  # brings the metrics along, which no other word needs

    async with opened(settings) as database:
        findings = await verify(database)
    rows = [{"invariant": f.invariant.name, "rule": f.invariant.rule, "broken_by": len(f.offences)} for f in findings]
    offences = [
        {"invariant": f.invariant.name, "id": offence.id, "what": offence.detail}
        for f in findings
        for offence in f.offences
    ]
    if options.json:
        show(options, {"invariants": rows, "offences": offences})
    else:
        show(options, rows)
        if offences:
            show(options, offences)
    if offences:
        broken = sorted({str(offence["invariant"]) for offence in offences})
        raise AdminError(f"The ledger breaks {', '.join(broken)}. The rows above say where.")


# ---------------------------------------------------------------- what the words share

_KINDS = {"credits": "of its credits", "month": "a month", "total": "in total"}


def _name(budget: Budget) -> str:
    return f"Project {budget.project_id}" if budget.key_id is None else f"Key {budget.key_id}"


def _price_fields(row: PriceRow, raw: bool) -> dict[str, Any]:
    amounts = {
        "input": row.input_nusd_per_mtok,
        "cached": row.cached_nusd_per_mtok,
        "output": row.output_nusd_per_mtok,
    }
    return {
        "model": row.model,
        "version": row.version,
        **{(f"{name}_nusd_per_mtok" if raw else name): nusd if raw else usd(nusd) for name, nusd in amounts.items()},
        "batch_percent": row.batch_percent,
        "valid_from": row.valid_from,
    }


def _budget_fields(budget: Budget, raw: bool) -> dict[str, Any]:
    amounts = {
        "limit": budget.limit_nusd,
        "spent": budget.spent_nusd,
        "held": budget.held_nusd,
        "left": budget.left_nusd,
    }
    return {
        "project": budget.project_id,
        "key": budget.key_id,
        "kind": budget.kind,
        **{(f"{name}_nusd" if raw else name): nusd if raw else usd(nusd) for name, nusd in amounts.items()},
        "alerts": list(budget.thresholds),
    }


def _alert_fields(alert: Alert, raw: bool) -> dict[str, Any]:
    amounts = {"limit": alert.limit_nusd, "spent": alert.spent_nusd}
    return {
        "at": alert.created_at,
        "project": alert.project_id,
        "key": None if alert.owner_id == alert.project_id else alert.owner_id,
        "kind": alert.kind,
        "percent": alert.threshold,
        **{(f"{name}_nusd" if raw else name): nusd if raw else usd(nusd) for name, nusd in amounts.items()},
    }


# ---------------------------------------------------------------- arguments


def _add_kind(word: argparse.ArgumentParser, *, required: bool) -> None:
    kind = word.add_mutually_exclusive_group(required=required)
    kind.add_argument("--month", dest="kind", action="store_const", const="month", help="anew on the first, UTC")
    kind.add_argument("--total", dest="kind", action="store_const", const="total", help="for good")


def _time(given: str) -> datetime:
    try:
        at = datetime.fromisoformat(given)
        return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):  # the latter for what lies in the year 0 or 10000 there
        raise argparse.ArgumentTypeError(f"{given!r} is no time: write e.g. 2030-01-31T00:00") from None


def _percent(given: str) -> int:
    if not given.isdecimal() or int(given) > 100:
        raise argparse.ArgumentTypeError("expected percent from 0 to 100")
    return int(given)


def _percents(given: str) -> tuple[int, ...]:
    percents = tuple(sorted({int(percent) for percent in given.split(",") if percent.strip().isdecimal()}))
    if len(percents) != len(set(given.split(","))) or not all(1 <= percent <= 100 for percent in percents):
        raise argparse.ArgumentTypeError("expected percents from 1 to 100, comma separated")
    return percents
