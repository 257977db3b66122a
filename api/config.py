"""Settings of the edge: built once in the entry point, frozen, passed down. `.env.example` shows every one."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_network
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

AuthMode = Literal["strict", "all_except_health", "off", "auto"]
RateLimitOnFailure = Literal["local", "closed", "open"]

FORM_BYTES = 64 << 10  # of an upload, beside its file
UPLOAD_BYTES_PER_S = 64 << 10  # an upload may take its share of the body timeout, and a second for each of these
# As browsers write it; apps have schemes of their own.
_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^/?#\sA-Z]+")


class SettingsError(Exception):
    """A setting that cannot work. The message names it and says what to write instead."""


@dataclass(frozen=True, slots=True)
class Within:
    """What a number may be, both ends included."""

    least: float
    most: float


_MOST_PORT = 65_535
Port = Annotated[int, Within(1, _MOST_PORT)]
PortOrNone = Annotated[int, Within(0, _MOST_PORT)]
Count = Annotated[int, Within(1, 1 << 53)]
CountOrNone = Annotated[int, Within(0, 1 << 53)]
Seconds = Annotated[float, Within(0.001, 1e9)]
SecondsOrNone = Annotated[float, Within(0, 1e9)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Each field is read from the environment variable of the same name in capitals."""

    database_url: str = "postgresql://novai@127.0.0.1:5432/novai"
    redis_url: str = "redis://127.0.0.1:6379/0"
    # Addresses of model hosts, comma separated; a DNS name stands for all its addresses.
    inference_grpc_host: str = "127.0.0.1:50051"
    embedding_grpc_host: str = ""
    tools_grpc_host: str = ""  # address of the tool server; empty: there are no tools
    novai_grpc_token: str = ""

    api_host: str = "127.0.0.1"
    api_port: Port = 8000
    # Prometheus metrics; 0: none.
    metrics_host: str = "127.0.0.1"
    metrics_port: PortOrNone = 0
    worker_metrics_port: PortOrNone = 0  # api and worker are set by one environment
    auth_mode: AuthMode = "auto"
    trusted_proxies: str = ""  # addresses and networks, comma separated, whose X-Forwarded-For is believed
    # Secret for the digests of API keys; lives outside the database.
    key_pepper: str = ""
    key_cache_ttl_s: SecondsOrNone = 5.0

    # What holds while Redis is away. local: limits divided by the live processes | closed: 503 | open: no limits.
    rate_limit_on_failure: RateLimitOnFailure = "local"
    rate_limit_timeout_s: Seconds = 0.05  # Redis is away when it has not answered for so long

    # How often this process closes what dead processes left open; 0: never, others do.
    ledger_sweep_s: SecondsOrNone = 1.0
    # Of raw usage, whole months before this one; 0: for ever. Sums stay.
    usage_retention_months: Annotated[int, Within(0, 1200)] = 13

    response_retention_days: Annotated[int, Within(1, 36_500)] = 30  # of stored responses, from their creation

    # Where the bytes of files are: a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX.
    files_url: str = ".novai/files"
    file_max_bytes: Count = 200_000_000
    file_max_lines: Count = 50_000  # of a batch's input
    file_max_line_bytes: Count = 1 << 20
    batch_queue_tokens: CountOrNone = 100_000_000  # estimated, of all batches of a project that are not over
    files_quota_bytes: CountOrNone = 10 << 30  # of all files of a project
    files_sweep_s: SecondsOrNone = 60.0  # how often this process removes what has expired; 0: never, others do
    # Hosts that images are fetched from, comma separated; `*.example.com`: all below, `*`: every public one.
    image_url_hosts: str = ""  # empty: none

    tool_rounds: Count = 8  # of one answer: the model is asked so often at most, the last time without tools
    tool_timeout_s: Seconds = 30.0  # of one call
    tool_rounds_timeout_s: SecondsOrNone = 120.0  # after so long the next round is the last one

    max_body_bytes: Count = 8 << 20
    body_timeout_s: Seconds = 30.0
    write_timeout_s: Seconds = 20.0
    keepalive_s: Seconds = 15.0  # longest silence on a stream before a comment line
    first_token_timeout_s: Seconds = 120.0
    inter_token_timeout_s: Seconds = 15.0
    lame_duck_s: SecondsOrNone = 3.0  # after SIGTERM: how long requests are still taken while /readyz says no
    drain_s: SecondsOrNone = 30.0  # and then: how long running ones may take
    max_requests_in_flight: Count = 2048
    cors_origins: str = ""  # comma separated; empty: no cross-origin reading
    db_pool_size: Annotated[int, Within(1, 10_000)] = 8
    db_timeout_s: Seconds = 5.0

    @staticmethod
    def from_env(env: Mapping[str, str] | None = None) -> Settings:
        """Raises SettingsError, naming the variable."""
        env = os.environ if env is None else env
        hints = get_type_hints(Settings, include_extras=True)
        given: dict[str, Any] = {
            f.name: _parse(f.name.upper(), env[f.name.upper()], hints[f.name])
            for f in fields(Settings)
            if f.name.upper() in env
        }
        settings = Settings(**given)
        for name in ("inference_grpc_host", "embedding_grpc_host", "tools_grpc_host"):
            for address in _listed(getattr(settings, name)):
                _check_address(name.upper(), address)
        for name in ("api_host", "metrics_host"):
            _check_host(name.upper(), getattr(settings, name))
        _check_token(settings.novai_grpc_token)
        for host in _listed(settings.image_url_hosts):
            _check_name(host)
        for proxy in settings.proxies:
            _check_network(proxy)
        for origin in settings.origins:
            _check_origin(origin)
        if not settings.key_pepper:
            raise SettingsError(
                "KEY_PEPPER is not set: give 32 random bytes, e.g. `openssl rand -hex 32`, and keep them"
            )
        return settings

    @property
    def auth(self) -> Literal["strict", "all_except_health", "off"]:
        """Where callers need a key. `auto`: only a server bound to loopback may go without."""
        if self.auth_mode == "auto":
            return "off" if self.api_host in ("127.0.0.1", "localhost", "::1") else "all_except_health"
        return self.auth_mode

    @property
    def max_upload_bytes(self) -> int:
        return self.file_max_bytes + FORM_BYTES

    @property
    def max_upload_s(self) -> float:
        """No upload takes longer."""
        return self.body_timeout_s + self.max_upload_bytes / UPLOAD_BYTES_PER_S

    @property
    def model_hosts(self) -> list[str]:
        return _listed(self.inference_grpc_host) + _listed(self.embedding_grpc_host)

    @property
    def proxies(self) -> list[str]:
        return _listed(self.trusted_proxies)

    @property
    def origins(self) -> list[str]:
        """Whose pages may read answers."""
        return _listed(self.cors_origins)


def _listed(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _check_address(name: str, text: str) -> None:
    host, _, port = text.rpartition(":")
    if not (host and can_be_host(host) and port.isascii() and port.isdecimal() and 0 < int(port) <= _MOST_PORT):
        raise SettingsError(f"{name}: {text!r} is no address. Expected HOST:PORT, with a port from 1 to {_MOST_PORT}")


def _check_host(name: str, text: str) -> None:
    if not can_be_host(text):
        raise SettingsError(f"{name}={text!r} is no host. Expected an address such as 127.0.0.1 or 0.0.0.0, or a name")


def can_be_host(text: str) -> bool:
    """Whether a resolver would look it up at all."""
    try:
        text.encode("idna")
    except UnicodeError:
        return False
    return not any(map(str.isspace, text))


def _check_token(text: str) -> None:
    """It is sent in a header."""
    if not (text.isascii() and text.isprintable()):
        raise SettingsError(
            "NOVAI_GRPC_TOKEN has characters that are not printable ASCII, perhaps a line break at its end. Give both "
            "sides the same secret, e.g. `openssl rand -hex 32`"
        )


def _check_name(text: str) -> None:
    if "/" in text or any(map(str.isspace, text)):
        raise SettingsError(
            f"IMAGE_URL_HOSTS: {text!r} is no host. Expected names such as example.com or *.example.com, comma "
            "separated; or *"
        )


def _check_network(text: str) -> None:
    try:
        ip_network(text)
    except ValueError as error:
        raise SettingsError(
            f"TRUSTED_PROXIES: {error}. Expected addresses or networks such as 10.0.0.0/8, comma separated"
        ) from None


def _check_origin(text: str) -> None:
    """Browsers compare origins letter by letter: one that they never send would open nothing, and say nothing."""
    if not _ORIGIN.fullmatch(text):
        raise SettingsError(
            f"CORS_ORIGINS: {text!r} is no origin. Expected https://app.example.com or http://localhost:3000, in small "
            "letters and with nothing behind it, comma separated; or *"
        )


def _parse(name: str, text: str, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise SettingsError(f"{name}={text!r}: expected one of {', '.join(get_args(kind))}")
        return text
    if get_origin(kind) is Annotated:
        return _number(name, text, *get_args(kind))
    return text


def _number(name: str, text: str, kind: type[int] | type[float], within: Within) -> float:
    try:
        number = kind(text)
    except ValueError:
        number = math.nan
    if not within.least <= number <= within.most:  # never so for what is no number
        whole = "a whole number" if kind is int else "a number"
        raise SettingsError(f"{name}={text!r}: expected {whole} from {within.least:.16g} to {within.most:.16g}")
    return number
