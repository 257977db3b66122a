"""What a file says of itself before anyone decodes it: that it is a picture, and of how many pixels."""

from __future__ import annotations

from collections.abc import Callable
from struct import error, unpack_from

Size = tuple[int, int]

# Markers of a JPEG that say its size. C4, C8 and CC say other things.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
MOST_MARKERS = 4096  # and fill bytes, that are looked at: millions would keep everybody waiting
BARE = frozenset({0x01, 0xFF, *range(0xD0, 0xD9)})  # markers without a segment, and fill bytes


def size_of(file: bytes) -> Size | None:
    """Width and height; None when it is no PNG, JPEG, WebP or GIF."""
    for magic, read in READERS.items():
        if file.startswith(magic):
            try:
                return read(file)
            except (error, IndexError):
                return None
    return None


def png(file: bytes) -> Size | None:
    width, height = unpack_from(">II", file, 16)
    return (width, height) if file[12:16] == b"IHDR" else None


def gif(file: bytes) -> Size:
    width, height = unpack_from("<HH", file, 6)
    return width, height


def jpeg(file: bytes) -> Size | None:
    at = 2
    for _ in range(MOST_MARKERS):
        marker = file[at + 1]
        if file[at] != 0xFF:
            raise IndexError("no marker where one has to be")
        if marker in FRAMES:
            height, width = unpack_from(">HH", file, at + 5)
            return width, height
        at += 1 if marker == 0xFF else 2 if marker in BARE else 2 + unpack_from(">H", file, at + 2)[0]
    return None


def webp(file: bytes) -> Size | None:
    kind = file[8:16]
    if kind == b"WEBPVP8X":
        low, high = unpack_from("<IH", file, 24)
        return 1 + (low & 0xFFFFFF), 1 + (low >> 24 | high << 8)
    if kind == b"WEBPVP8L":
        (bits,) = unpack_from("<I", file, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"WEBPVP8 ":
        width, height = unpack_from("<HH", file, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


READERS: dict[bytes, Callable[[bytes], Size | None]] = {
    b"\x89PNG\r\n\x1a\n": png,
    b"\xff\xd8\xff": jpeg,
    b"GIF87a": gif,
    b"GIF89a": gif,
    b"RIFF": webp,
}
