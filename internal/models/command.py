"""`novai models list|load|unload|download|inspect`: the models of a running installation.

Reads NOVAI_BASE_URL and NOVAI_ADMIN_KEY (a key with the scope `models`), or finds the `novai dev` of this folder.
Without a word it says what models.yaml would serve, for which nothing has to run.

Exit status 0: done. 1: it failed, or was refused. 130: Ctrl-C; what was begun goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from internal.api_client import ApiFailure, server
from internal.config import ConfigError
from internal.dev.command import chosen_backend, default_models
from internal.models.client import Client, Model, OnHost
from internal.models.file import described
from internal.progress import Line, bar, can_draw

POLL_S = 0.2
ADVICE = "Set NOVAI_BASE_URL (it ends with /v1) and NOVAI_ADMIN_KEY, or run `novai dev` in this folder."
CHOICES = ("context_length", "gpu_layers", "slots", "device", "dtype", "pinned", "idle_ttl_s", "host")
WANTED = ("source", "name", "file", "revision", "sha256", "host")
MB = 1e6


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="novai models", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, metavar="FILE", help="without a word: default models/models.yaml")
    parser.set_defaults(run=None)
    words = parser.add_subparsers(metavar="list|load|unload|download|inspect")
    words.add_parser("list", help="every model, and how it is").set_defaults(run=list_models)
    add_load(words.add_parser("load", help="load a model, and wait until it is ready"))
    unload = words.add_parser("unload", help="end a model, and wait until it is gone")
    unload.set_defaults(run=unload_model)
    add_download(words.add_parser("download", help="download a model, and wait until it is there"))
    inspect = words.add_parser("inspect", help="all that is known of a model")
    inspect.set_defaults(run=inspect_model)
    for word in (unload, inspect):
        word.add_argument("model")
    unload.add_argument("--host", help="only on this model host")
    return parser


def add_load(word: argparse.ArgumentParser) -> None:
    word.set_defaults(run=load_model)
    word.add_argument("model")
    word.add_argument("--context", dest="context_length", type=int, metavar="TOKENS", help="of one request")
    word.add_argument("--gpu-layers", type=int, metavar="N", help="-1: all")
    word.add_argument("--slots", type=int, metavar="N", help="requests at the same time")
    word.add_argument("--device", help="cpu, cuda, cuda:1")
    word.add_argument("--dtype", help="auto, float32, float16, bfloat16; encoders on a CPU: int16")
    word.add_argument(
        "--pin", dest="pinned", action=argparse.BooleanOptionalAction, help="nothing unloads it by itself"
    )
    word.add_argument("--idle-ttl", dest="idle_ttl_s", type=float, metavar="S", help="unload after so long without use")
    word.add_argument("--host", help="only on this model host")


def add_download(word: argparse.ArgumentParser) -> None:
    word.set_defaults(run=download_model)
    word.add_argument("source", help="OWNER/REPOSITORY of Hugging Face, or the URL of a GGUF file")
    word.add_argument("--file", help="of the repository, when it has several")
    word.add_argument("--revision", help="of the repository (default: main)")
    word.add_argument("--name", help="of the model")
    word.add_argument("--sha256", help="of the file")
    word.add_argument("--host", help="the model host that keeps it, when there are several")


def main(argv: Sequence[str] | None = None) -> None:
    given = arguments().parse_args(argv)
    line = Line(sys.stderr, can_draw(sys.stderr))
    try:
        if given.run is None:
            print("\n".join(described(given.models or default_models(), chosen_backend())))
            return
        with connected(os.environ) as client:
            sys.exit(given.run(client, given, line))
    except (ApiFailure, ConfigError) as error:
        line.say(f"novai models: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        line.say("Stopped waiting; what was begun goes on.")
        sys.exit(130)


def connected(env: Mapping[str, str]) -> Client:
    """Raises ApiFailure when nobody says where to."""
    try:
        return Client(*server(env, "NOVAI_ADMIN_KEY"))
    except KeyError:
        raise ApiFailure(ADVICE) from None


# ---------------------------------------------------------------- words: each returns the exit status


def list_models(client: Client, _given: argparse.Namespace, _line: Line) -> int:
    for model in client.list():
        for host in model.hosts:
            workers = ", ".join(worker.endpoint for worker in host.workers if worker.endpoint)
            size = f"{host.size_bytes / MB:.0f} MB" if host.size_bytes else "-"
            print(f"{model.id:<32} {host.state:<12} {model.kind:<10} {model.backend:<18} {size:>9}  {workers}".rstrip())
    return 0


def load_model(client: Client, given: argparse.Namespace, line: Line) -> int:
    return waited(client, client.load(given.model, **said(given, CHOICES)), line, given.host, ("ready",))


def unload_model(client: Client, given: argparse.Namespace, line: Line) -> int:
    return waited(client, client.unload(given.model, given.host), line, given.host, ("unloaded",))


def download_model(client: Client, given: argparse.Namespace, line: Line) -> int:
    return waited(client, client.download(**said(given, WANTED)), line, given.host, ("unloaded", "asleep"))


def inspect_model(client: Client, given: argparse.Namespace, _line: Line) -> int:
    model = client.status(given.model)
    print(f"{model.id}: {model.state}, {model.kind}, {model.backend}")
    for host in model.hosts:
        print("\n".join(["", f"on {host.host}: {host.state}", *details(host)]))
    return 0


def details(host: OnHost) -> list[str]:
    rows: list[tuple[str, Any]] = [
        ("error", host.error),
        ("path", host.path),
        ("size", f"{host.size_bytes / MB:.1f} MB" if host.size_bytes else None),
        ("needs", f"{host.needs_bytes / MB:.1f} MB of memory" if host.needs_bytes else None),
        ("pinned", "yes" if host.pinned else None),
        ("idle ttl", f"{host.idle_ttl_s:g} s" if host.idle_ttl_s else None),
    ]
    for worker in host.workers:
        facts = f"{worker.n_ctx} tokens, {worker.slots} slots, {worker.device}, {worker.n_gpu_layers} layers on a GPU"
        used = f"{worker.memory_bytes / MB:.0f} MB, {worker.restarts} restarts"
        rows.append(("worker", f"{worker.endpoint or '-'} {worker.state}: {facts}, {used}"))
    return [f"  {name:<10} {value}" for name, value in rows if value]


# ---------------------------------------------------------------- waiting


def waited(client: Client, model: Model, line: Line, host: str | None, wanted: Sequence[str]) -> int:
    """Shows how it goes, everywhere or on one host, until nothing more happens; whether it came to what was wanted, as
    an exit status."""
    while not (seen := model.on(host)).over:
        line.show(shown(seen), seen.state)
        time.sleep(POLL_S)
        model = client.status(model.id)
    line.say(shown(seen))
    return 0 if seen.state in wanted else 1


def shown(model: Model) -> str:
    host = next(host for host in model.hosts if host.state == model.state)
    parts = [f"{model.id} {model.state}"]
    if host.progress is not None and not model.over:
        parts[0] += f" {bar(host.progress)} {host.progress:.0%}"
    if host.downloaded_bytes is not None:
        total = f" of {host.total_bytes / MB:.0f}" if host.total_bytes else ""
        parts.append(f"{host.downloaded_bytes / MB:.0f}{total} MB")
    parts += [worker.endpoint for worker in host.workers if worker.endpoint and host.state == "ready"]
    parts += [host.error] if host.error else []
    return " · ".join(parts)


def said(given: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(given, name) for name in names if getattr(given, name) is not None}
