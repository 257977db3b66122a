"""`models.yaml` and the settings of the processes behind the edge, read once and frozen."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import SplitResult, urlsplit

import msgspec

T = TypeVar("T")

# The setting MODEL_BACKEND → the backend of chat models that name none; "": by the format of their files.
BACKEND_CHOICES = {"auto": "", "llama-cpp": "llamacpp", "transformers": "transformers"}
MAX_PORT = 65_535
MOST_S = 1e9  # of what is set in seconds

Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 60)]  # the states of models have no room for others


class ConfigError(Exception):
    """A setting that cannot work. The message names the setting and says what to write instead."""


def is_loopback(listen: str) -> bool:
    """Whether only this machine reaches a server that listens there (host:port)."""
    host = listen.rpartition(":")[0].strip("[]")
    return host in ("127.0.0.1", "localhost", "::1")


def check_listen(name: str, listen: str, token: str) -> None:
    """Raises ConfigError for what cannot be listened on, or would be open to other machines."""
    _, colon, port = listen.rpartition(":")
    # The kernel would take the last 16 bits of a greater one.
    if not (colon and port.isascii() and port.isdecimal() and int(port) <= MAX_PORT):
        raise ConfigError(
            f"{name}={listen!r}: expected HOST:PORT, with a port from 0 to {MAX_PORT}; 0: any that is free"
        )
    if not token and not is_loopback(listen):
        raise ConfigError(
            f"{name}={listen} is reachable from other machines and NOVAI_GRPC_TOKEN is not set: give both sides the "
            "same secret, e.g. `openssl rand -hex 32`"
        )
    if not (token.isascii() and token.isprintable()):  # it is sent in a header
        raise ConfigError(
            "NOVAI_GRPC_TOKEN has characters that are not printable ASCII, perhaps a line break at its end. Give both "
            "sides the same secret, e.g. `openssl rand -hex 32`"
        )


class FirstPrice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """USD for a million tokens, as text: `"0.05"`. Set by `novai dev` for a model that has no price yet; from then on,
    and everywhere else, `novai prices set` is what counts."""

    input: str
    output: str
    cached_input: str = ""  # empty: as input


class ModelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One row of `models.yaml`: a model and how it is served."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    kind: Literal["chat", "embedding"]
    backend: str = "auto"  # what computes it; auto: by the format of its files
    path: str = ""  # file or folder, relative to models.yaml; `package:NAME/sub` means inside an installed package
    mmproj: str = ""  # file of the projector of a model that sees, written like `path`
    replicas: Annotated[int, msgspec.Meta(ge=1)] = 1
    created: Count = 0  # unix seconds; 0: the file's own time
    owned_by: str = "novai"
    free: bool = False  # runs without a price; with neither, requests are refused
    price: FirstPrice | None = None
    preload: bool = True  # loaded when the host starts; else for the first request
    pinned: bool = False  # stays loaded, whatever is idle and whatever else wants the memory
    # Unloaded after so long without a request, until the next one; 0: never.
    idle_ttl_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    memory_bytes: Count = 0  # that it takes; 0: estimated from its files
    options: dict[str, Any] = {}  # the backend's own settings; it rejects what it does not know

    def encode(self) -> str:
        """JSON for the environment of the worker process."""
        return msgspec.json.encode(self).decode()

    def options_as(self, kind: type[T]) -> T:
        """The options as a struct of the backend. Raises ConfigError."""
        try:
            return msgspec.convert(self.options, kind)
        except msgspec.ValidationError as error:
            raise ConfigError(f"model {self.name!r}: options: {error}") from None


class ModelsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    models: list[ModelConfig]
    # Other names of the models. `gpt-4*` stands for every name that begins so, `*` for every name that is left.
    aliases: dict[str, str] = {}


def load_models(path: Path, backend: str = "auto") -> ModelsFile:
    """Reads `models.yaml`, with every path made absolute and the backend of every chat model named. Raises ConfigError.

    `backend`: of models that name none, one of BACKEND_CHOICES.
    """
    try:
        parsed = msgspec.yaml.decode(path.read_bytes(), type=ModelsFile)
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file. Write one, or name another: NOVAI_MODELS=FILE, or --models FILE."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path}: {error}") from None
    names = [model.name for model in parsed.models]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{path}: the model name {name!r} is used twice. Use `replicas` to run one model twice.")
    for alias, target in parsed.aliases.items():
        if wrong := fault_of_alias(alias, target, names, parsed.aliases):
            raise ConfigError(f"{path}: aliases: {alias!r}: {wrong}")
    return ModelsFile([resolved(model, path.parent, backend) for model in parsed.models], parsed.aliases)


def resolved(model: ModelConfig, base: Path, backend: str) -> ModelConfig:
    """With absolute paths and a backend's name. Raises ConfigError."""
    path, mmproj = (text and str(resolve_path(text, base)) for text in (model.path, model.mmproj))
    name = backend_of(model.name, path, backend) if (model.kind, model.backend) == ("chat", "auto") else model.backend
    if mmproj and name != "llamacpp":
        raise ConfigError(f"model {model.name!r}: `mmproj` is for the backend llamacpp. Leave it out.")
    return msgspec.structs.replace(model, path=path, mmproj=mmproj, backend=name)


def backend_of(model: str, path: str, choice: str) -> str:
    """The backend that was chosen for the model, or else that of its files' format. Raises ConfigError."""
    check_backend(choice)
    if chosen := BACKEND_CHOICES[choice]:
        return chosen
    found = backend_by_form(path)
    if found == "llamacpp" or (path and (Path(path) / "config.json").is_file()):
        return found
    raise ConfigError(
        f"model {model!r}: `path` is neither a .gguf file nor a folder with a config.json: {path or 'empty'}. "
        "Correct it, or name the `backend`."
    )


def check_backend(choice: str) -> None:
    """Raises ConfigError."""
    if choice not in BACKEND_CHOICES:
        raise ConfigError(f"MODEL_BACKEND={choice!r}: expected one of {', '.join(BACKEND_CHOICES)}")


def backend_by_form(path: str) -> str:
    """What computes a .gguf file, or else a folder as Hugging Face has them; not whether it is one."""
    return "llamacpp" if path.endswith(".gguf") else "transformers"


def fault_of_alias(alias: str, target: str, models: Collection[str], aliases: Collection[str]) -> str:
    """What is wrong with an alias, or an empty string."""
    if alias in models:
        return "a model has this name. Give the alias another one."
    if not alias or "*" in alias[:-1]:
        return "expected a name, or the beginning of names and one `*` at its end."
    if target in aliases:
        return f"{target!r} is an alias, too. Name the model itself."
    if target not in models:
        return f"there is no model {target!r}. Name one of: {', '.join(models)}."
    if not (target.isascii() and target.isprintable()):
        return f"{target!r} cannot be told in a header. Models with aliases have names in ASCII."
    return ""


def resolve_path(text: str, base: Path) -> Path:
    """Where a model's files are. Raises ConfigError when `package:` names nothing that is installed."""
    if not text.startswith("package:"):
        return (base / text).resolve()
    package, _, rest = text.removeprefix("package:").partition("/")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # a dotted name whose first part is not there, or no name
        spec = None
    if spec is None or spec.origin is None:
        raise ConfigError(f"the package {package!r} is not installed: pip install {package.replace('_', '-')}")
    return Path(spec.origin).parent / rest


class WorkerSettings(msgspec.Struct, frozen=True):
    """What the host hands to a worker process through its environment."""

    model: ModelConfig
    listen: str  # host:port
    token: str = ""  # shared secret expected in `authorization` metadata; empty: none
    drain_s: float = 30.0
    receipts: Path | None = None  # the journal that one process of a replica leaves to the next; None: none

    @staticmethod
    def from_env() -> WorkerSettings:
        env = os.environ
        try:
            model = msgspec.json.decode(env["NOVAI_MODEL"], type=ModelConfig)
        except KeyError:
            raise ConfigError("NOVAI_MODEL is not set: a worker is started by the model host") from None
        except msgspec.MsgspecError as error:
            raise ConfigError(f"NOVAI_MODEL: {error}") from None
        return WorkerSettings(
            model=model,
            listen=env.get("NOVAI_LISTEN", "127.0.0.1:0"),
            token=env.get("NOVAI_GRPC_TOKEN", ""),
            drain_s=float(env.get("NOVAI_DRAIN_S", "30")),
            receipts=Path(env["NOVAI_RECEIPTS"]) if env.get("NOVAI_RECEIPTS") else None,
        )


def http_address(text: str) -> SplitResult | None:
    """The parts of a URL that can be asked; None of what is none."""
    try:
        url = urlsplit(text)
        is_address = bool(url.hostname and url.hostname.encode("idna") and url.port != 0)
    except ValueError:  # of a host or a port that can be none; UnicodeError is one
        return None
    return url if is_address and url.scheme in ("http", "https") else None
