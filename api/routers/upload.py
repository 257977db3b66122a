"""A file on its way in: multipart/form-data, taken apart as it comes. Nothing of it is kept here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.dependencies import converted
from api.errors import InvalidRequestError, UnsupportedContentTypeError
from api.generated import schemas as s

FILE = "file"
FIELDS = {field.encode_name: field.type for field in msgspec.structs.fields(s.FileUpload)}
SECONDS, ANCHOR = "expires_after[seconds]", "expires_after[anchor]"
MOST_PARTS = 32
MOST_FIELD_BYTES = 1024
MOST_NAME_CHARS = 255
UNNAMED = "upload"  # as the SDKs call content without a name
PLAIN = (b"", b"binary", b"8bit", b"7bit")


class Upload:
    """Implements `services.files.Coming`. Its fields are checked as soon as they are there, by the spec."""

    def __init__(self, request: Request) -> None:
        """Raises UnsupportedContentTypeError, InvalidRequestError."""
        self.filename = ""
        self.ignored: set[str] = set()
        self._fields: dict[str, Any] = {}
        self._body = request.stream()
        self._parser = parser_of(request.headers.get("content-type", ""), self)
        self._headers: dict[bytes, bytes] = {}
        self._header = b""
        self._value = b""
        self._parts = 0
        self._part: str | None = None  # the name of the one that comes
        self._text = b""  # of a field
        self._content: list[bytes] = []  # of the file, since it was last asked for
        self._over = False

    @property
    def purpose(self) -> str:
        return str(self._fields.get("purpose", ""))

    @property
    def expires_after_s(self) -> int | None:
        return self._fields.get(SECONDS)

    async def begin(self) -> None:
        """Reads up to the file: most of what can be wrong is wrong before it. Raises what `chunks` does."""
        while FILE not in self._fields and await self._read():
            pass

    async def chunks(self) -> AsyncIterator[bytes]:
        """The file's bytes. The rest of the form has been read when they end.

        Raises InvalidRequestError, ClientDisconnect, and what the body limit raises.
        """
        more = True
        while more:
            content, self._content = self._content, []
            for piece in content:
                yield piece
            more = await self._read()
        if ANCHOR in self._fields and SECONDS not in self._fields:
            raise lacking(SECONDS)

    async def _read(self) -> bool:
        """One piece of the body; False when there is no more, and all that has to be there was."""
        try:
            piece = await anext(self._body, None)
            if piece is not None:
                self._parser.write(piece)
                return True
        except FormParserError as error:
            raise malformed(str(error).rstrip(".")) from None
        if not self._over:
            raise malformed("it ends before its last boundary")
        for name in (FILE, "purpose"):
            if name not in self._fields:
                raise lacking(name)
        return False

    # ---- what the parser says

    def on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise malformed(f"it has more than {MOST_PARTS} parts")
        self._headers, self._text = {}, b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def on_headers_finished(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition"))
        if kind != b"form-data" or b"name" not in options:
            raise malformed("a part has no Content-Disposition: form-data with a name")
        if self._headers.get(b"content-transfer-encoding", b"").strip().lower() not in PLAIN:
            raise malformed("a part is encoded; send its bytes as they are")
        self._part = options[b"name"].decode(errors="replace")
        if self._part in self._fields:
            raise InvalidRequestError(
                f"'{self._part}' is given more than once. Send one request for each file.", param=self._part
            )
        if self._part == FILE:
            self._fields[FILE] = True
            self.filename = sanitised(options.get(b"filename", b"").decode(errors="replace"))

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part == FILE:
            self._content.append(data[start:end])
        elif self._part in FIELDS:
            self._text += data[start:end]
            if len(self._text) > MOST_FIELD_BYTES:
                raise InvalidRequestError(f"'{self._part}' is longer than {MOST_FIELD_BYTES} bytes.", param=self._part)

    def on_part_end(self) -> None:
        assert self._part is not None
        if self._part in FIELDS and self._part != FILE:
            self._fields[self._part] = checked(self._part, self._text)
        elif self._part != FILE:
            self.ignored.add(self._part)

    def on_end(self) -> None:
        self._over = True


EVENTS = (
    *("on_part_begin", "on_header_field", "on_header_value", "on_header_end", "on_headers_finished", "on_part_data"),
    *("on_part_end", "on_end"),
)


def parser_of(content_type: str, upload: Upload) -> MultipartParser:
    """Raises UnsupportedContentTypeError, InvalidRequestError."""
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise UnsupportedContentTypeError(
            f"Content-Type is {content_type[:80]!r}: send the file as multipart/form-data, with `purpose` and `file`."
        )
    if not options.get(b"boundary"):
        raise malformed("its Content-Type names no boundary")
    callbacks: dict[str, Callable[..., None]] = {name: getattr(upload, name) for name in EVENTS}
    try:
        return MultipartParser(options[b"boundary"], callbacks)  # type: ignore[arg-type]
    except FormParserError as error:
        raise malformed(str(error)) from None


def checked(name: str, text: bytes) -> Any:
    """A field as the spec has it. Raises InvalidRequestError."""
    return converted(text.decode(errors="replace"), name, FIELDS[name])


def sanitised(name: str) -> str:
    """The name alone, without folders, and without characters that are not seen or change how others are."""
    name = re.split(r"[/\\]", name)[-1]
    seen = "".join(char for char in name if unicodedata.category(char)[0] != "C").strip()
    return seen[:MOST_NAME_CHARS] if seen.strip(".") else UNNAMED


def malformed(what: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"We could not parse the multipart body of your request: {what}. Most HTTP clients make one from a form with "
        "`purpose` and `file`.",
        code="invalid_multipart",
    )


def lacking(name: str) -> InvalidRequestError:
    return InvalidRequestError(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
