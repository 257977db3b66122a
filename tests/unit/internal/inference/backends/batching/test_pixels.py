"""Pictures become pixels in a process that may come to nothing: what comes out, and what does not."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from internal.inference.backends.batching import pixels
from internal.inference.backends.batching.pixels import SIDE, Pixels, UndecodableError, decode
from tests.pictures import bomb, picture

RED, WHITE = (255, 0, 0), (255, 255, 255)


def first(found: Pixels) -> tuple[int, ...]:
    return tuple(found.rgb[:3])


def saved(image: Image.Image, form: str, **more: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **more)
    return file.getvalue()


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF"])
def test_every_format_becomes_pixels(form: str) -> None:
    found = decode(picture("red", (40, 30), form, **({"lossless": True} if form == "WEBP" else {})))
    assert (found.width, found.height, len(found.rgb), first(found)) == (40, 30, 40 * 30 * 3, RED)


def test_a_jpeg_is_close_to_what_it_was() -> None:
    found = decode(picture("red", form="JPEG"))
    assert (found.width, found.height) == (40, 30)
    assert all(abs(a - b) < 4 for a, b in zip(first(found), RED, strict=True))


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue", "green")]
    for form in ("GIF", "WEBP"):
        found = decode(saved(frames[0], form, save_all=True, append_images=frames[1:]))
        assert all(abs(a - b) < 8 for a, b in zip(first(found), RED, strict=True)), form


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(mode: str) -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0)).convert(mode)
    assert first(decode(saved(clear, "PNG", **({"transparency": 0} if mode == "P" else {})))) == WHITE


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "CMYK"])
def test_every_kind_of_pixels_becomes_colors(mode: str) -> None:
    assert len(decode(saved(Image.new(mode, (8, 8)), "JPEG" if mode == "CMYK" else "PNG")).rgb) == 8 * 8 * 3


@pytest.mark.parametrize(("level", "gray"), [(0, 0), (0x40FF, 0x40), (0xFFFF, 0xFF)])
def test_gray_of_sixteen_bits_is_scaled(level: int, gray: int) -> None:
    assert first(decode(saved(Image.new("I;16", (8, 8), level), "PNG"))) == (gray,) * 3


def test_a_picture_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    found = decode(picture("red", (40, 30), "JPEG", exif=exif))
    assert (found.width, found.height) == (30, 40)


def test_a_large_picture_is_scaled_down() -> None:
    found = decode(picture("red", (SIDE * 2, 100)))
    assert (found.width, found.height, first(found)) == (SIDE, 50, RED)


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GIF89a", id="a beginning"),
        pytest.param(picture()[:-30], id="cut off"),
        pytest.param(picture(form="BMP"), id="another format"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", id="a program"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", id="svg"),
        pytest.param(bomb(50_000), id="a bomb"),
        pytest.param(bomb(8_000), id="more pixels than are allowed"),
    ],
)
def test_what_cannot_be_decoded_is_one_exception(file: bytes) -> None:
    with pytest.raises(UndecodableError):
        decode(file)


def test_the_largest_picture_fits_its_memory() -> None:
    """49 million pixels, in the dearest way to keep them."""
    found = decode(bomb(7_000))
    assert (found.width, found.height) == (SIDE, SIDE)


@pytest.mark.parametrize(
    ("deed", "ends"),
    [
        pytest.param("bytearray(2 << 30)", "MemoryError", id="memory"),
        pytest.param("os.write(os.open('file', os.O_CREAT | os.O_WRONLY), b'x')", "File too large", id="files"),
    ],
)
def test_the_process_is_confined(deed: str, ends: str, tmp_path: Path) -> None:
    """Before anything of a stranger's is read."""
    program = f"import os, runpy; runpy.run_path({pixels.__file__!r})['confine'](); {deed}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, ends in done.stderr) == (1, True), done.stderr
