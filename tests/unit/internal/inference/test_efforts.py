from __future__ import annotations

import pytest

from internal.inference.efforts import SCALE, nearest, thinks


@pytest.mark.parametrize(
    ("effort", "among", "found"),
    [
        ("high", SCALE, "high"),
        ("none", ("low", "high"), "low"),
        ("max", ("low", "high"), "high"),
        ("minimal", ("low", "none"), "none"),  # of two, the lesser
        ("medium", (), ""),
    ],
)
def test_the_nearest(effort: str, among: tuple[str, ...], found: str) -> None:
    assert nearest(effort, among) == found


def test_who_can_only_be_told_to_think_or_not() -> None:
    assert [effort for effort in SCALE if not thinks(effort)] == ["none", "minimal"]
