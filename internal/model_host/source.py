"""What a download would fetch: a file behind a URL, or files of a Hugging Face repository.

Names of files come from elsewhere: what is no plain relative path of few parts is never written. Of a folder only what
can do no harm is taken: weights as safetensors, tokenizers, texts, JSON; no pickles, no code.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote, unquote, urlsplit

import msgspec

from internal.model_host.errors import InvalidError, NoSuchModelError
from internal.model_host.web import Web
from outbound.guard import FAILURES

LOOK_S = 30.0
MOST_LISTING_BYTES = 8 << 20
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,200}(/[A-Za-z0-9_][A-Za-z0-9._+-]{0,200}){0,2}")
PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
HARMLESS = (".json", ".txt", ".safetensors", ".model", ".jinja")


@dataclass(frozen=True, slots=True)
class Item:
    """One file."""

    url: str
    path: str  # below the folder of the download
    size: int | None = None  # bytes; None: unknown
    sha256: str = ""  # in hexadecimal, small letters; empty: unknown


@dataclass(frozen=True, slots=True)
class Plan:
    name: str  # of the model
    items: Sequence[Item]
    is_folder: bool

    @property
    def size(self) -> int:
        """Bytes; 0 when the source does not say of a file."""
        sizes = [item.size for item in self.items if item.size is not None]
        return sum(sizes) if len(sizes) == len(self.items) else 0


class Large(msgspec.Struct):
    """What a repository knows of a file that is kept apart."""

    oid: str  # SHA-256


class Entry(msgspec.Struct):
    type: str
    path: str
    size: Annotated[int, msgspec.Meta(ge=0)] | None = None
    lfs: Large | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """As DownloadRequest of the proto; empty: not said."""

    source: str
    name: str = ""
    file: str = ""
    revision: str = ""
    sha256: str = ""


async def plan(web: Web, hf_endpoint: str, wanted: Wanted) -> Plan:
    """Asks the source what it has. Raises InvalidError, NoSuchModelError."""
    if wanted.name and not NAME.fullmatch(wanted.name):
        raise InvalidError("expected letters, digits, dots, dashes and underscores.", "name")
    try:
        async with asyncio.timeout(LOOK_S):
            if REPOSITORY.fullmatch(wanted.source):
                return await _of_repository(web, hf_endpoint.rstrip("/"), wanted)
            return await _of_url(web, wanted)
    except FAILURES as error:  # TimeoutError is an OSError
        raise InvalidError(f"it cannot be reached ({type(error).__name__}).", "source") from None


async def _of_url(web: Web, wanted: Wanted) -> Plan:
    file = unquote(urlsplit(wanted.source).path.rpartition("/")[2])
    if not (file.endswith(".gguf") and PATH.fullmatch(file)):
        raise InvalidError("expected OWNER/REPOSITORY, or the URL of a file that ends in .gguf.", "source")
    async with web.open(wanted.source) as response:
        _check_found(response.status_code, wanted.source)
        size = int(response.headers.get("content-length", "0")) or None
    return _of_file(wanted, Item(wanted.source, file, size, wanted.sha256.lower()))


async def _of_repository(web: Web, endpoint: str, wanted: Wanted) -> Plan:
    revision = wanted.revision or "main"
    listing = f"{endpoint}/api/models/{wanted.source}/tree/{quote(revision, '')}?recursive=true"
    async with web.open(listing) as response:
        _check_found(response.status_code, wanted.source)
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > MOST_LISTING_BYTES:
                raise InvalidError("the repository has too many files.", "source")
    entries = [entry for entry in msgspec.json.decode(body, type=list[Entry]) if entry.type == "file"]
    base = f"{endpoint}/{wanted.source}/resolve/{quote(revision, '')}/"
    chosen = _chosen(entries, wanted)
    items = [Item(base + quote(e.path), e.path, e.size, e.lfs.oid.lower() if e.lfs is not None else "") for e in chosen]
    if len(items) == 1 and items[0].path.endswith(".gguf"):
        item = items[0]
        file = item.path.rpartition("/")[2]
        return _of_file(wanted, Item(item.url, file, item.size, wanted.sha256.lower() or item.sha256))
    if wanted.sha256:
        raise InvalidError("it is of a single file. Leave it out: the repository says those of its own.", "sha256")
    return Plan(wanted.name or wanted.source.partition("/")[2], items, is_folder=True)


def _chosen(entries: Sequence[Entry], wanted: Wanted) -> list[Entry]:
    """The file that is named, the only GGUF file, or what transformers reads. Raises InvalidError."""
    files = {entry.path: entry for entry in entries if PATH.fullmatch(entry.path)}
    ggufs = [path for path in files if path.endswith(".gguf")]
    if wanted.file or ggufs:
        file = wanted.file or (ggufs[0] if len(ggufs) == 1 else "")
        if file not in ggufs:
            raise InvalidError(f"name one of: {', '.join(sorted(ggufs)[:20]) or 'none'}.", "file")
        if PART.search(file):
            raise InvalidError("it is split into parts. Choose another one, or merge it elsewhere.", "file")
        return [files[file]]
    taken = [entry for path, entry in files.items() if path.endswith(HARMLESS)]
    if "config.json" not in files or not any(entry.path.endswith(".safetensors") for entry in taken):
        raise InvalidError("the repository has no GGUF file, and no config.json with safetensors.", "source")
    return taken


def _of_file(wanted: Wanted, item: Item) -> Plan:
    name = wanted.name or item.path.removesuffix(".gguf")
    if not NAME.fullmatch(name):
        raise InvalidError(
            "choose one: that of the file has other characters than letters, digits, ., - and _.", "name"
        )
    return Plan(name, [item], is_folder=False)


def _check_found(status: int, source: str) -> None:
    if status in (401, 403, 404):
        raise NoSuchModelError(
            f"{source} is not there, or needs a token that may read it: HF_TOKEN (it answered {status}).", "source"
        )
    if status != 200:
        raise InvalidError(f"it answered {status}.", "source")
