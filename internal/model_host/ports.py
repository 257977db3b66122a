"""Ports for workers. A restarted worker gets another one, so that an old connection cannot meet a stranger."""

from __future__ import annotations

import contextlib
import socket


class NoFreePortError(Exception):
    """Every port of NOVAI_WORKER_PORTS is taken."""


class Ports:
    """Hands out ports in a circle, so that one just left comes back last."""

    def __init__(self, host: str, ports: range | None) -> None:
        self._host = host
        self._ports = ports
        self._next = 0

    def take(self) -> int:
        """0 when no range is set: the worker binds whatever is free and says which."""
        if self._ports is None:
            return 0
        for _ in self._ports:
            port = self._ports[self._next % len(self._ports)]
            self._next += 1
            if is_free(self._host, port):
                return port
        raise NoFreePortError(f"no free port in {self._ports.start}-{self._ports.stop - 1}: widen NOVAI_WORKER_PORTS")


def is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind((host, port))
            return True
    return False
