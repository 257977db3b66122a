"""Settings of the model host, from its environment; `.env.example` shows every one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from internal.config import MOST_S, ConfigError, check_backend, check_listen, http_address

MOST = 1 << 53  # of what is counted here


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
    memory_bytes: int = 0  # that all models together may take; 0: what the machine has
    download_hosts: str = "huggingface.co,*.huggingface.co,*.hf.co"  # comma separated; empty: nothing is downloaded
    download_patience_s: float = 60.0  # a download that got nothing for so long has failed
    hf_endpoint: str = "https://huggingface.co"  # or a mirror of it
    # Read from variables without NOVAI_.
    hf_token: str = field(default="", repr=False)  # of who may read what is gated; told to hf_endpoint only
    # These add to models.yaml, which stays what counts for a name that is in both.
    model_dir: Path | None = None  # every .gguf file, and folder with a config.json, is a model that can be loaded
    default_model: str = ""  # answers for names that nobody knows
    preload_model: str = ""  # is loaded at the start; `true`: the default one
    context_size: int = 0  # tokens, of models in model_dir; 0: the backend decides
    gpu_layers: int | None = None  # of models in model_dir; -1: all
    model_backend: str = "auto"  # of models that name none, one of BACKEND_CHOICES; auto: by the format of their files

    @staticmethod
    def from_env(env: Mapping[str, str] | None = None) -> HostSettings:
        """Raises ConfigError, naming the variable."""
        env = os.environ if env is None else env
        given: dict[str, Any] = {}
        for each in fields(HostSettings):
            name = variable_of(each.name)
            if text := env.get(name, ""):
                given[each.name] = _parse(name, text, PARSERS.get(each.name, str))
        if given.get("preload_model", "").lower() in ("1", "true", "yes", "on"):
            given["preload_model"] = given.get("default_model", "")
        settings = HostSettings(**given)
        check_backend(settings.model_backend)
        check_listen("NOVAI_LISTEN", settings.listen, settings.grpc_token)
        return settings


def variable_of(field: str) -> str:
    return field.upper() if field in PLAIN else f"NOVAI_{field.upper()}"


def _preload(text: str) -> str:
    return "" if text.lower() in ("0", "false", "no", "off") else text


def _seconds(text: str) -> float:
    found = float(text)
    if not 0 <= found <= MOST_S:
        raise ValueError(text)
    return found


def _whole(text: str, least: int = 0) -> int:
    if not least <= (found := int(text)) <= MOST:
        raise ValueError(text)
    return found


def _url(text: str) -> str:
    if http_address(text) is None or not text.isprintable() or " " in text:
        raise ValueError(text)
    return text


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
    "drain_s": _seconds,
    "load_timeout_s": _seconds,
    "load_attempts": _whole,
    "download_patience_s": _seconds,
    "memory_bytes": _whole,
    "model_dir": Path,
    "hf_endpoint": _url,
    "preload_model": _preload,
    "context_size": _whole,
    "gpu_layers": partial(_whole, least=-1),
}
PLAIN = ("hf_token", "model_backend", "model_dir", "default_model", "preload_model", "context_size", "gpu_layers")
EXAMPLES = {
    "hf_endpoint": "a URL such as https://huggingface.co",
    "worker_ports": "a range such as 50061-50160",
    "gpu_layers": "a whole number from -1, which is all",
    **dict.fromkeys(("load_attempts", "memory_bytes", "context_size"), "a whole number from 0"),
}


def _parse(name: str, text: str, parser: Any) -> Any:
    try:
        return parser(text)
    except ValueError:
        wanted = EXAMPLES.get(name.removeprefix("NOVAI_").lower(), f"a number of seconds from 0 to {MOST_S:.0f}")
        raise ConfigError(f"{name}={text!r}: expected {wanted}") from None
