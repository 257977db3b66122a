"""Who changed what by hand."""

from __future__ import annotations

import argparse

from api.administration.words import Words, opened, positive, show
from api.config import Settings
from api.services import administration

MOST = 1000


def add_words(words: Words) -> None:
    listing = words.word("audit", list_changes, "who changed what, the newest first")
    listing.add_argument("--limit", type=positive, default=50, metavar="N", help="at most (default: %(default)s)")


async def list_changes(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        found, _ = await administration.list_audit(database, None, min(int(options.limit) or 1, MOST), None)
    show(options, found)
