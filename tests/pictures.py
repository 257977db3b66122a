"""Pictures for tests, made as they are needed."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import Any

from PIL import Image


def picture(color: str = "red", size: tuple[int, int] = (40, 30), form: str = "PNG", **more: Any) -> bytes:
    """The file of a picture of one color."""
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, form, **more)
    return file.getvalue()


def data_url(file: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(file).decode()}"


def bomb(side: int) -> bytes:
    """A PNG of side x side black pixels that is small as a file: 50 000 of them are 2.4 MB, and 7.5 GB of pixels."""
    packer = zlib.compressobj(1)
    row = bytes(1 + side // 8)
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(chunk, (b"IHDR", b"IDAT", b"IEND"), (head, pixels, b"")))


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
