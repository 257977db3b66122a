"""The development stack as a table: every process, what it needs, how we know that it is ready.

`docker-compose.yml` runs the same processes with the same settings; a test holds the two equal.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from internal.config import ModelConfig
from internal.dev import postgres_server, redis_server
from internal.dev.probes import grpc_serving, http_ok, says
from internal.dev.processes import free_port
from internal.dev.state import Secrets
from internal.dev.supervisor import Service

CREDITS_USD = "1000"  # nobody runs out of it by hand, or with a test suite
DRAIN_S = "5"  # who presses Ctrl-C does not want to wait for half a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSettings:
    host: str
    port: int
    models: Path  # the file of the model host
    state: Path
    secrets: Secrets
    rows: Sequence[ModelConfig] = ()  # of that file
    database_url: str = ""  # empty: a PostgreSQL of our own
    redis_url: str = ""  # empty: a Redis of our own
    tools: Path | None = None  # the file of the tool server; None: there is none


def services(settings: StackSettings) -> list[Service]:
    """The rows, each after those it depends on."""
    postgres_port, redis_port = free_port(), free_port()
    database_url = settings.database_url or postgres_server.url(settings.state / "postgres", postgres_port)
    redis_url = settings.redis_url or redis_server.url(settings.state / "redis", redis_port)
    host_address = f"127.0.0.1:{free_port()}"
    tools_address = f"127.0.0.1:{free_port()}" if settings.tools else ""
    edge = edge_env(settings, database_url, redis_url, host_address, tools_address)
    rows = [
        postgres(settings.state / "postgres", postgres_port),
        redis(settings.state / "redis", redis_port),
        Service(
            name="migrate",
            argv=module("api.admin", "migrate"),
            env=edge,
            after=["postgres"],
            patience_s=24 * 3600.0,  # as long as the tables take: cut off, it would begin anew at every start
            advice="Unless it names a setting: the database may be of another version. Look at DATABASE_URL, or delete "
            "{state}/postgres.",
        ),
        Service(
            name="seed",
            argv=module("api.admin", "seed", "--file", str(settings.state / "seed.json"), *prices_of(settings)),
            env=edge,
            after=["migrate"],
            advice="If keys and database do not match, delete {state}/seed.json and {state}/postgres.",
        ),
        Service(
            name="host",
            argv=module("internal.host"),
            env=host_env(settings, host_address),
            ready=grpc_serving(host_address),
            patience_s=600.0,  # a large model from a slow disk
            advice=f"Check {settings.models}, or name a model: novai dev --model PATH",
        ),
        Service(
            name="tools",
            argv=module("internal.tool_server"),
            env=tools_env(settings, tools_address),
            ready=grpc_serving(tools_address),
            advice=f"Check {settings.tools}, or start without tools: novai dev --tools ''",
        ),
        Service(
            name="api",
            argv=module("api.main"),
            env=edge,
            # Not after the host: it connects to models whenever they are there.
            after=["migrate", "redis"],
            ready=http_ok(settings.host, settings.port, "/readyz"),
            patience_s=600.0,  # it is ready when a model is
            advice="Start with a fresh state to see whether it is the data: novai dev --state /tmp/novai",
        ),
        Service(
            name="worker",
            argv=module("api.worker"),
            env=edge,
            after=["migrate", "redis"],
            ready=says(lambda _pid: True),  # nobody calls it: it takes what there is to do
            advice="Unless it names a setting: it needs what the api needs, and a folder for files, {state}/files.",
        ),
    ]
    without = {"postgres": settings.database_url, "redis": settings.redis_url, "tools": settings.tools is None}
    return [row for row in rows if not without.get(row.name)]


def module(name: str, *arguments: str) -> Sequence[str]:
    return (sys.executable, "-m", name, *arguments)


def prices_of(settings: StackSettings) -> Sequence[str]:
    """The first prices, as the row `seed` takes them, and credit to spend."""
    prices = [
        f"--price={row.name}={price.input}:{price.cached_input or price.input}:{price.output}"
        for row in settings.rows
        if (price := row.price)
    ]
    return [*prices, "--credits", CREDITS_USD, "--tier", "developer"]


def postgres(folder: Path, port: int) -> Service:
    return Service(
        name="postgres",
        argv=module("internal.dev.postgres_server", str(folder), str(port)),
        ready=says(lambda pid: postgres_server.is_ready(folder, pid)),
        stop_signal=postgres_server.STOP_SIGNAL,
        quiet=True,
        advice=f"Use another server with DATABASE_URL=postgresql://…, or delete {folder} (and the data in it).",
    )


def redis(folder: Path, port: int) -> Service:
    return Service(
        name="redis",
        argv=module("internal.dev.redis_server", str(folder), str(port)),
        ready=says(lambda _pid: redis_server.is_ready(folder, port)),
        quiet=True,
        advice="Use another server with REDIS_URL=redis://…",
    )


def edge_env(
    settings: StackSettings, database_url: str, redis_url: str, host_address: str, tools_address: str
) -> Mapping[str, str]:
    """What api, worker and admin read."""
    return {
        "API_HOST": settings.host,
        "API_PORT": str(settings.port),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "INFERENCE_GRPC_HOST": host_address,
        "EMBEDDING_GRPC_HOST": "",  # the one host serves both kinds
        "TOOLS_GRPC_HOST": tools_address,
        "NOVAI_GRPC_TOKEN": settings.secrets.grpc_token,
        "KEY_PEPPER": settings.secrets.key_pepper,
        "FILES_URL": str(settings.state / "files"),
        "AUTH_MODE": "all_except_health",
        "TRUSTED_PROXIES": "",  # nobody is in front
        "DRAIN_S": DRAIN_S,
        "LAME_DUCK_S": "0",
    }


def host_env(settings: StackSettings, address: str) -> Mapping[str, str]:
    return {
        "NOVAI_MODELS": str(settings.models),
        "NOVAI_LISTEN": address,
        "NOVAI_GRPC_TOKEN": settings.secrets.grpc_token,
        "NOVAI_WORKER_HOST": "127.0.0.1",
        "NOVAI_RECEIPTS_FOLDER": str(settings.state / "receipts"),
        "NOVAI_DRAIN_S": DRAIN_S,
        "NOVAI_LOAD_ATTEMPTS": "2",  # say what is wrong instead of trying for ever
    }


def tools_env(settings: StackSettings, address: str) -> Mapping[str, str]:
    return {
        "NOVAI_TOOLS_FILE": str(settings.tools),
        "NOVAI_TOOLS_LISTEN": address,
        "NOVAI_TOOLS_DRAIN_S": DRAIN_S,
        "NOVAI_GRPC_TOKEN": settings.secrets.grpc_token,
    }
