"""The tools that NovAI brings along. Adding one is adding it here; `tools.yaml` says which are offered."""

from __future__ import annotations

from collections.abc import Sequence

from internal.tools.base import Offer
from internal.tools.calculator import CALCULATOR
from internal.tools.clock import CURRENT_TIME

SHIPPED = {tool.name: tool for tool in (CALCULATOR, CURRENT_TIME)}


class Shipped:
    """Some of them. Implements `base.Source`."""

    def __init__(self, names: Sequence[str]) -> None:
        self._tools = [SHIPPED[name] for name in names]

    async def run(self, offer: Offer) -> None:
        offer(self._tools)
