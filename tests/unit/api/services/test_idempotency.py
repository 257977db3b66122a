"""Idempotency keys as they come; what becomes of their requests is in tests/faults."""

from __future__ import annotations

import contextlib

from hypothesis import example, given
from hypothesis import strategies as st

from api.errors import InvalidRequestError
from api.services.idempotency import checked


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=2))
@example([b"a" * 255])
@example([b"a" * 256])
@example([b"a\tb"])
@example([b"caf\xe9"])
def test_a_key_is_one_text_of_printable_ascii(keys: list[bytes]) -> None:
    found = None
    with contextlib.suppress(InvalidRequestError):
        found = checked(keys)
    is_one = len(keys) == 1 and 1 <= len(keys[0]) <= 255 and all(32 <= character < 127 for character in keys[0])
    assert found == (keys[0].decode() if is_one else None)
