from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Omit:
    """What was not given: not sent, where None is sent as null. As a header's value: that header is left out."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "omit"


omit = Omit()


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not omit}
