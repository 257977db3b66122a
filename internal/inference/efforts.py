"""How much a model is to think, in the words of the public API."""

from __future__ import annotations

from collections.abc import Collection

SCALE = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def nearest(effort: str, among: Collection[str]) -> str:
    """The one that comes closest to an effort of the scale; of two, the lesser. Empty when there is none."""
    wanted = SCALE.index(effort)
    return min(among, key=lambda each: (abs(SCALE.index(each) - wanted), SCALE.index(each)), default="")


def thinks(effort: str) -> bool:
    """Whether a model thinks at all that can only be told to or not to."""
    return nearest(effort, ("none", "low")) != "none"
