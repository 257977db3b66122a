"""Settings of the tool server, from its environment; `.env.example` shows every one."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from internal.config import MOST_S, ConfigError, check_listen


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolServerSettings:
    """Each field is read from the variable NOVAI_TOOLS_<FIELD IN CAPITALS>, the token from NOVAI_GRPC_TOKEN."""

    file: Path = Path("tools.yaml")
    listen: str = "127.0.0.1:50052"
    drain_s: float = 10.0  # how long running calls may take after SIGTERM
    grpc_token: str = ""  # shared secret in `authorization` metadata; empty: none

    @staticmethod
    def from_env(env: Mapping[str, str] | None = None) -> ToolServerSettings:
        """Raises ConfigError, naming the variable."""
        env = os.environ if env is None else env
        default = ToolServerSettings()
        drain = env.get("NOVAI_TOOLS_DRAIN_S", "")
        try:
            drain_s = float(drain or default.drain_s)
        except ValueError:
            drain_s = math.nan
        if not 0 <= drain_s <= MOST_S:
            raise ConfigError(
                f"NOVAI_TOOLS_DRAIN_S={drain!r}: expected a number of seconds from 0 to {MOST_S:.0f}"
            ) from None
        settings = ToolServerSettings(
            file=Path(env.get("NOVAI_TOOLS_FILE", "") or default.file),
            listen=env.get("NOVAI_TOOLS_LISTEN", "") or default.listen,
            drain_s=drain_s,
            grpc_token=env.get("NOVAI_GRPC_TOKEN", ""),
        )
        check_listen("NOVAI_TOOLS_LISTEN", settings.listen, settings.grpc_token)
        return settings
