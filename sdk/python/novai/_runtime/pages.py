"""Answers of `list()`: iterating one goes on to the pages that follow it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Generator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from .errors import APIResponseValidationError, json_of
from .objects import Object, converter

if TYPE_CHECKING:
    import httpx
    from typing_extensions import Self

    from .call import Call

T = TypeVar("T")


class Listing(NamedTuple):
    """How the pages of an operation follow each other: `cursor` is the field that is `after` of the next one."""

    item: Any
    cursor: str | None


class BasePage(Object, Generic[T]):
    """One page; fields of its own beside these are kept."""

    __slots__ = ("_call", "_client", "_listing")
    data: list[T]
    has_more: bool | None
    _client: Any
    _call: Any
    _listing: Listing

    @classmethod
    def read(cls, response: httpx.Response, client: Any, call: Call, listing: Listing) -> Self:
        body = json_of(response)
        if not isinstance(body, dict):
            raise APIResponseValidationError("The answer is not a list.", response=response, body=body)
        convert = converter(listing.item) or (lambda item: item)
        body["data"] = [convert(item) for item in body.get("data") or []]
        page = cls(**body)
        page._request_id = response.headers.get("x-request-id")
        page._client, page._call, page._listing = client, call, listing
        return page

    def has_next_page(self) -> bool:
        return self.next_page_info() is not None

    def next_page_info(self) -> dict[str, str] | None:
        """The query parameters of the next page; None when this is the last one."""
        cursor = self._listing.cursor
        if cursor is None or self.has_more is False or not self.data:
            return None
        after = self.__dict__.get(cursor) or getattr(self.data[-1], "id", None)
        return None if after is None else {"after": after}

    def _next_call(self) -> Call:
        if (info := self.next_page_info()) is None:
            raise ValueError("This is the last page; ask `has_next_page()` first.")
        call: Call = self._call
        return replace(call, extra_query={**(call.extra_query or {}), **info})  # where a first `after` may be, too


class Page(BasePage[T]):
    def get_next_page(self) -> Page[T]:
        page: Page[T] = self._client.page(self._next_call(), *self._listing)
        return page

    def iter_pages(self) -> Iterator[Page[T]]:
        page = self
        yield page
        while page.has_next_page():
            page = page.get_next_page()
            yield page

    def __iter__(self) -> Iterator[T]:
        for page in self.iter_pages():
            yield from page.data


class AsyncPage(BasePage[T]):
    async def get_next_page(self) -> AsyncPage[T]:
        page: AsyncPage[T] = await self._client.page(self._next_call(), *self._listing)
        return page

    async def iter_pages(self) -> AsyncIterator[AsyncPage[T]]:
        page = self
        yield page
        while page.has_next_page():
            page = await page.get_next_page()
            yield page

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.iter_pages():
            for item in page.data:
                yield item


class AsyncPages(Generic[T]):
    """`await` it for the first page, or iterate all items at once."""

    def __init__(self, first: Awaitable[AsyncPage[T]]) -> None:
        self._first = first

    def __await__(self) -> Generator[Any, None, AsyncPage[T]]:
        return self._first.__await__()

    async def __aiter__(self) -> AsyncIterator[T]:
        async for item in await self._first:
            yield item
