"""uvicorn's server, which goes on for a while after SIGTERM.

Balancers look at readiness every now and then, and keep connections: whoever stops listening at once refuses what they
send until they have looked, and a POST on a connection that closes under it must not be sent again. So readiness says
no first, answers close their connections, and only then nobody is listened to.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

TICK_S = 0.1


class Server(uvicorn.Server):
    """`on_leaving` is called when SIGTERM has come, `lame_duck_s` before the rest ends. Ctrl-C waits for nothing."""

    def __init__(self, config: uvicorn.Config, lame_duck_s: float, on_leaving: Callable[[], None]) -> None:
        super().__init__(config)
        self._lame_duck_s = lame_duck_s
        self._on_leaving = on_leaving
        self._terminated = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._terminated |= sig == signal.SIGTERM
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_leaving()
        if self._terminated:
            await self._go_on()
        await super().shutdown(sockets)

    async def _go_on(self) -> None:
        self.server_state.default_headers.append((b"connection", b"close"))
        ends_s = asyncio.get_running_loop().time() + self._lame_duck_s
        while not self.force_exit and (left_s := ends_s - asyncio.get_running_loop().time()) > 0:  # noqa: ASYNC110 (uvicorn has a flag, no event)
            await asyncio.sleep(min(left_s, TICK_S))
