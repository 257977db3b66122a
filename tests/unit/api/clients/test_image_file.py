"""What files say of themselves, beside what Pillow says of them."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from api.clients.image_file import READERS, size_of
from tests.pictures import picture

FILES = {
    "png": picture(form="PNG"),
    "jpeg": picture(form="JPEG"),
    "progressive": picture(form="JPEG", progressive=True),
    "jpeg with a comment": picture(form="JPEG", comment=b"x" * 999, exif=b"Exif\0\0" + b"y" * 999),
    "gif": picture(form="GIF"),
    "webp": picture(form="WEBP"),
    "webp, exact": picture(form="WEBP", lossless=True),
    "webp, large": picture(size=(5000, 3), form="WEBP", lossless=True),
    "webp, high": picture(size=(3, 5000), form="WEBP", lossless=True),
    "webp, extended": picture(form="WEBP", exif=b"Exif\0\0" + b"z" * 99),
}


@pytest.mark.parametrize("name", FILES)
def test_the_size_is_what_pillow_says(name: str) -> None:
    assert size_of(FILES[name]) == Image.open(io.BytesIO(FILES[name])).size


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_says_the_same_or_nothing(name: str) -> None:
    file = FILES[name]
    assert {size_of(file[:end]) for end in range(min(len(file), 2500))} <= {None, size_of(file)}


@pytest.mark.parametrize("filling", [b"\xff", b"\xff\x01", b"\xff\xe0\x00\x02"])
def test_a_picture_is_not_looked_for_behind_millions_of_markers(filling: bytes) -> None:
    begin, rest = FILES["jpeg"][:2], FILES["jpeg"][2:]
    assert size_of(begin + filling * 100 + rest) == size_of(FILES["jpeg"])
    assert size_of(begin + filling * 1_000_000 + rest) is None


@given(st.sampled_from(list(READERS)), st.binary(max_size=200))
def test_nothing_is_raised_whatever_follows_the_first_bytes(magic: bytes, rest: bytes) -> None:
    size_of(magic + rest)


@pytest.mark.parametrize(
    "file", [b"", b"<svg/>", b"%PDF-1.7", b"BM1234", b"II*\0", b"\0\0\0\x18ftypheic", b"GIF90a1234"]
)
def test_other_kinds_of_files(file: bytes) -> None:
    assert size_of(file) is None
