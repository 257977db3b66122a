"""What httpx raises → what this package raises. The one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .errors import APIConnectionError, APITimeoutError

if TYPE_CHECKING:
    import httpx


@contextmanager
def translated(request: httpx.Request) -> Iterator[None]:
    import httpx

    try:
        yield
    except httpx.TimeoutException as error:
        raise APITimeoutError(request=request) from error
    except httpx.RequestError as error:
        raise APIConnectionError(f"Connection error: {error}", request=request) from error
