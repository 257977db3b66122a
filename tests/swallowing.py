"""An address that takes no packets: nothing comes back, as behind a firewall that drops."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

ADDRESS = "127.0.0.2"


@contextlib.contextmanager
def swallowing(port: int) -> Iterator[str]:
    """Its queue of connections is full, and nobody accepts any."""
    with socket.socket() as server, socket.socket() as first:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((ADDRESS, port))
        server.listen(0)
        first.connect((ADDRESS, port))
        yield ADDRESS
