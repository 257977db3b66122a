"""Which model a name stands for: itself, an alias, the longest wildcard."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api.services.catalog import target_of

# Few letters, so that names often begin alike.
NAMES = st.text("ab-", min_size=1, max_size=6)
ALIASES = st.dictionaries(NAMES | st.text("ab-", max_size=4).map("{}*".format), st.sampled_from(["m", "n", "o"]))


@given(NAMES, ALIASES)
def test_exact_before_the_longest_wildcard_before_the_default(name: str, aliases: dict[str, str]) -> None:
    found = target_of(name, aliases)
    fitting = [f"{name[:length]}*" for length in range(len(name), -1, -1) if f"{name[:length]}*" in aliases]
    best = next((alias for alias in (name, *fitting) if alias in aliases), None)
    assert found == ("" if best is None else aliases[best])


@given(NAMES, ALIASES)
def test_the_order_of_aliases_does_not_matter(name: str, aliases: dict[str, str]) -> None:
    assert target_of(name, aliases) == target_of(name, dict(reversed(aliases.items())))


@given(NAMES, ALIASES)
def test_with_a_default_every_name_stands_for_a_model(name: str, aliases: dict[str, str]) -> None:
    assert target_of(name, {"*": "d"} | aliases)


def test_examples() -> None:
    aliases = {"gpt-4o": "m", "gpt-4*": "n", "gpt-*": "o", "*": "d"}
    asked = ["gpt-4o", "gpt-4o-mini", "gpt-4", "gpt-5", "claude", "gp", "GPT-4o"]
    assert [target_of(name, aliases) for name in asked] == ["m", "n", "n", "o", "d", "d", "d"]
    assert target_of("claude", {"gpt-*": "m"}) == ""
