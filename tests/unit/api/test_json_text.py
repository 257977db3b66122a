from __future__ import annotations

import json
import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from api.json_text import unreadable

PIECES = [r"\\", r"\"", r"\n", r"\u0041", r"\ud83d", r"\uDE00", "u", "ud83d", "ude00", "x", "😀"]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_half_of_a_character_is_found_where_it_is(text: str) -> None:
    raw = f'{{"a": "{text}"}}'.encode()
    alone = re.search("[\ud800-\udfff]", json.loads(raw)["a"])  # Python's parser takes halves for characters
    try:
        msgspec.json.decode(raw)
        assert alone is None
    except msgspec.DecodeError as error:
        assert alone is not None
        said = re.match(r"half of a character at byte (\d+) \((\\u....) without", unreadable(error, raw))
        assert said is not None
        at = int(said[1])
        assert raw[at : at + 6].decode() == said[2]
        assert json.loads(raw[:at] + b'"}')["a"] == json.loads(raw)["a"][: alone.start()]
