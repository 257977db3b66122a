"""`files.wait_for_processing()`: until a file can be used, as programs for other servers expect it."""

# pyright: reportUnknownParameterType=false
# `File` is there where the spec has files.

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .._runtime.polling import Looks

if TYPE_CHECKING:
    from ..types import File  # pyright: ignore

ENDS = {"processed", "error"}
LONGEST_S = 1800.0


def looks(file_id: str, poll_interval: float, max_wait_seconds: float) -> Looks:
    return Looks(f"file {file_id}", max_wait_seconds, first_s=poll_interval, growth=1)


class FilesHelpers:
    retrieve: Any

    def wait_for_processing(
        self, file_id: str, *, poll_interval: float = 5.0, max_wait_seconds: float = LONGEST_S
    ) -> File:
        """The file, when it can be used or has failed; here that is at once. Raises TimeoutError."""
        times = looks(file_id, poll_interval, max_wait_seconds)
        while (file := self.retrieve(file_id)).status not in ENDS:
            time.sleep(times.next_s())
        ended: File = file
        return ended


class AsyncFilesHelpers:
    """As `FilesHelpers`."""

    retrieve: Any

    async def wait_for_processing(
        self, file_id: str, *, poll_interval: float = 5.0, max_wait_seconds: float = LONGEST_S
    ) -> File:
        import asyncio

        times = looks(file_id, poll_interval, max_wait_seconds)
        while (file := await self.retrieve(file_id)).status not in ENDS:  # noqa: ASYNC110  it cannot be awaited
            await asyncio.sleep(times.next_s())
        ended: File = file
        return ended
