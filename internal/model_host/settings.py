"""Settings of the model host, from its environment; `.env.example` shows every one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from internal.config import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """Each field is read from the variable NOVAI_<FIELD IN CAPITALS>, those of PLAIN without NOVAI_."""

    models: Path = Path("models/models.yaml")
    listen: str = "127.0.0.1:50051"
    grpc_token: str = ""  # shared secret in `authorization` metadata; empty: none
    worker_host: str = "127.0.0.1"  # address that workers bind
    worker_ports: range | None = None  # "50061-50160"; None: whatever is free
    receipts_folder: Path | None = None  # where workers note what they generated; None: a folder of this process's life
    drain_s: float = 30.0  # how long running requests may take after SIGTERM
    load_timeout_s: float = 900.0
    load_attempts: int = 0  # give up when a model failed so often before it was ever ready; 0: never
    model_backend: str = "auto"  # of models that name none, one of BACKEND_CHOICES; auto: by the format of their files

    @staticmethod
    def from_env(env: Mapping[str, str] | None = None) -> HostSettings:
        """Raises ConfigError, naming the variable."""
        env = os.environ if env is None else env
        given: dict[str, Any] = {}
        for field in fields(HostSettings):
            name = variable_of(field.name)
            if text := env.get(name, ""):
                given[field.name] = _parse(name, text, PARSERS.get(field.name, str))
        settings = HostSettings(**given)
        if not settings.grpc_token and not _is_loopback(settings.listen):
            raise ConfigError(
                f"NOVAI_LISTEN={settings.listen} is reachable from other machines and NOVAI_GRPC_TOKEN is not set: "
                "give both sides the same secret, e.g. `openssl rand -hex 32`"
            )
        return settings


def variable_of(field: str) -> str:
    return field.upper() if field in PLAIN else f"NOVAI_{field.upper()}"


def _port_range(text: str) -> range:
    first, _, last = text.partition("-")
    ports = range(int(first), int(last) + 1)
    if not (0 < ports.start < ports.stop <= 65536):
        raise ValueError(text)
    return ports


PARSERS: dict[str, Any] = {
    "models": Path,
    "receipts_folder": Path,
    "worker_ports": _port_range,
    "drain_s": float,
    "load_timeout_s": float,
    "load_attempts": int,
}
PLAIN = ("model_backend",)
EXAMPLES = {"worker_ports": "a range such as 50061-50160", "load_attempts": "a whole number"}


def _parse(name: str, text: str, parser: Any) -> Any:
    try:
        return parser(text)
    except ValueError:
        wanted = EXAMPLES.get(name.removeprefix("NOVAI_").lower(), "a number of seconds")
        raise ConfigError(f"{name}={text!r}: expected {wanted}") from None


def _is_loopback(listen: str) -> bool:
    host = listen.rpartition(":")[0].strip("[]")
    return host in ("127.0.0.1", "localhost", "::1")
