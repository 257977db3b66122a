"""What a tool is, and where tools come from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

# Takes arguments that fit the parameters; gives what the model reads. Raises ToolError.
Call = Callable[[dict[str, Any]], Awaitable[str]]


class ToolError(Exception):
    """Why a call has no result. The model reads the message."""


@dataclass(frozen=True, slots=True)
class Tool:
    """Something a model can call, as its source describes it: nothing of this is believed. Tools that are described
    alike are equal, so that a listing that says nothing new is none."""

    name: str
    description: str
    parameters: str  # JSON Schema of an object; empty: no arguments
    call: Call = field(compare=False)


Offer = Callable[[Sequence[Tool]], None]


class Source(Protocol):
    """Where tools come from."""

    async def run(self, offer: Offer) -> None:
        """Offers its tools, and again whenever they change, until it is cancelled. While a source is away its tools
        stay, and calls of them raise ToolError."""
