"""NOVAI_LOG=info|debug shows calls on stderr. Bodies are never logged, secrets in headers are not shown."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

log = logging.getLogger("novai")
SECRETS = {"authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie", "set-cookie", "proxy-authorization"}


def set_up() -> None:
    level = os.environ.get("NOVAI_LOG", "").upper()
    if level in ("DEBUG", "INFO") and not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("[%(asctime)s %(name)s %(levelname)s] %(message)s"))
        log.addHandler(handler)
        log.setLevel(level)


def shown(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers for the log."""
    return {name: "<redacted>" if name.lower() in SECRETS else value for name, value in headers.items()}
