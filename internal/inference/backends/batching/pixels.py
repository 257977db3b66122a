"""From the file of a picture to its pixels, in a process that may come to nothing.

Decoders of pictures are large programs in C that read what strangers send. This one runs with bounds on memory and
processor time, without the worker's environment, for one picture only. What goes wrong in it is one exception here, and
its words are kept from callers: they may say where things are in memory.

The program is this file: `python pixels.py` reads a picture on its standard input and writes width and height, four
bytes each, and three bytes for every pixel.
"""

from __future__ import annotations

import io
import logging
import resource
import struct
import subprocess
import sys
from dataclasses import dataclass

log = logging.getLogger("novai.llamacpp")

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MOST_PIXELS = 50_000_000
SIDE = 2048  # what is longer is scaled down: no projector looks closer
MEMORY_BYTES = 1 << 30  # 50 million pixels with transparency, twice, and the interpreter
CPU_S = 10
TIMEOUT_S = 20.0
SIZE = struct.Struct("<II")


class UndecodableError(Exception):
    """The file is no picture, or decoding it takes more than it may."""


@dataclass(frozen=True, slots=True)
class Pixels:
    width: int
    height: int
    rgb: bytes  # row by row


def decode(file: bytes) -> Pixels:
    """The first frame of a picture, upright, at most `SIDE` on a side, on white where it is transparent.

    Blocks for about a tenth of a second, `TIMEOUT_S` at most. Raises UndecodableError.
    """
    command = [sys.executable, "-I", __file__]
    try:
        made = subprocess.run(command, input=file, capture_output=True, timeout=TIMEOUT_S, env={}, check=True)
    except (subprocess.SubprocessError, OSError) as error:
        log.info("a picture of %d bytes cannot be decoded: %s", len(file), error)
        raise UndecodableError from None
    width, height = SIZE.unpack_from(made.stdout)
    return Pixels(width, height, made.stdout[SIZE.size :])


def confine() -> None:
    """Bounds what this process may take from now on."""
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))


def main() -> None:
    """The program."""
    confine()
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(sys.stdin.buffer.read()), formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            sys.exit("too many pixels")
        image.draft("RGB", (SIDE, SIDE))  # a JPEG need not be decoded at its full size
        if image.mode.startswith("I;16"):  # gray of 16 bits, which is cut off at 255 otherwise, and not scaled
            picture = image.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
        else:
            picture = image.convert("RGBA" if image.has_transparency_data else "RGB")
    picture.thumbnail((SIDE, SIDE))
    ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode == "RGBA":
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    sys.stdout.buffer.write(SIZE.pack(*picture.size) + picture.tobytes())


if __name__ == "__main__":
    main()
