"""`novai dev`: the whole system on this machine, from PostgreSQL to models, with one command."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from internal.config import ConfigError, ModelConfig, ModelsFile, load_models, resolved
from internal.dev.display import Display
from internal.dev.processes import StartError
from internal.dev.stack import StackSettings, services
from internal.dev.state import HERE, check_port, dev_env, load_secrets, locked, write_private
from internal.dev.supervisor import Service, ServiceFailedError, Supervisor
from internal.progress import can_draw

REPOSITORY = Path(__file__).parents[2]
DEFAULT_OPTIONS = {"context_length": 4096, "slots": 16}


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="novai dev", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="of the API (default: 8000)")
    parser.add_argument("--host", default="127.0.0.1", help="address the API listens on (default: 127.0.0.1)")
    parser.add_argument(
        "--model", type=Path, metavar="PATH", help="serve this .gguf file or Hugging Face folder as the chat model"
    )
    parser.add_argument("--models", type=Path, metavar="FILE", help="what to serve (default: models/models.yaml)")
    parser.add_argument("--tools", metavar="FILE", help="tools that models may call; '': none (default: tools.yaml)")
    parser.add_argument("--state", type=Path, default=HERE, help="data, logs, secrets (default: .novai)")
    parser.add_argument("--keep", action="store_true", help="when something fails to start, leave the rest running")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    given = arguments().parse_args(argv)
    state: Path = given.state.absolute()
    try:
        with locked(state):
            settings = stack_settings(given, state)
            sys.exit(asyncio.run(run(services(settings), settings, keep=given.keep)))
    except (StartError, ConfigError) as error:
        sys.exit(f"novai dev: {error}")


def stack_settings(given: argparse.Namespace, state: Path) -> StackSettings:
    """Everything that can be wrong is found here, before a process is started. Raises StartError, ConfigError."""
    check_port(given.host, given.port)
    models = (given.models or default_models()).absolute()
    backend = chosen_backend()
    file = load_models(models, backend)
    if given.model is not None:
        file = with_chat_model(file, chat_model(given.model, backend))
    for row in file.models:
        if row.path and not Path(row.path).exists():
            raise StartError(f"the model {row.name} is not there: {row.path}\nServe another one: --model PATH")
    if given.model is not None:
        models = state / "models.yaml"
        write_private(models, msgspec.json.encode(file).decode())  # JSON is YAML
    return StackSettings(
        host=given.host,
        port=given.port,
        models=models,
        rows=file.models,
        state=state,
        secrets=load_secrets(state),
        database_url=os.environ.get("DATABASE_URL", ""),
        redis_url=os.environ.get("REDIS_URL", ""),
        tools=tools_file(given.tools),
    )


def default_models() -> Path:
    here = Path("models/models.yaml")
    return here if here.exists() else REPOSITORY / here


def tools_file(given: str | None) -> Path | None:
    """The file that is named, or the one that is there. Raises StartError."""
    if given is None:
        return next(
            (path.absolute() for path in (Path("tools.yaml"), REPOSITORY / "tools.yaml") if path.exists()), None
        )
    if given and not Path(given).exists():
        raise StartError(f"there is no file {given}. Name another with --tools, or none: --tools ''")
    return Path(given).absolute() if given else None


def chosen_backend() -> str:
    """Of models that name none, as the model host reads it."""
    return os.environ.get("MODEL_BACKEND") or "auto"


def chat_model(path: Path, backend: str = "auto") -> ModelConfig:
    """Of a .gguf file or a folder. Raises ConfigError."""
    path = path.absolute()
    name = path.name.removesuffix(".gguf")
    row = ModelConfig(name=name, kind="chat", path=str(path), options=DEFAULT_OPTIONS, free=True)
    return resolved(row, path.parent, backend)


def with_chat_model(file: ModelsFile, model: ModelConfig) -> ModelsFile:
    """The file with this model in the place of its chat models, and of what their aliases name."""
    others = [row for row in file.models if row.kind != "chat"]
    kept = {row.name for row in others}
    aliases = {alias: target if target in kept else model.name for alias, target in file.aliases.items()}
    return ModelsFile([model, *others], aliases)


async def run(rows: Sequence[Service], settings: StackSettings, *, keep: bool = False) -> int:
    """Starts, waits for Ctrl-C or SIGTERM, stops. Returns the exit code."""
    logs = settings.state / "logs"
    logs.mkdir(exist_ok=True)
    names = [row.name for row in rows]
    quiet = [row.name for row in rows if row.quiet]
    display = Display(names, quiet, logs, sys.stdout, live=can_draw(sys.stdout))
    supervisor = Supervisor(rows, display.changed, display.heard)
    stop = on_signals(supervisor)
    began = time.monotonic()
    try:
        if not await started(supervisor, display, stop, settings, keep=keep):
            return 1
        if not stop.is_set():
            edge = next((row.env for row in rows if row.name == "api"), {})
            with dev_env(settings.state, base_url(settings), edge) as told:
                display.started()
                display.say(welcome(settings, told["NOVAI_API_KEY"], time.monotonic() - began))
                await stop.wait()
        return 0
    finally:
        display.started()
        display.say("stopping …")
        await supervisor.down()
        display.close()


def on_signals(supervisor: Supervisor) -> asyncio.Event:
    """Set by the first Ctrl-C, SIGTERM or closed terminal; the second one does not wait for anybody."""
    stop = asyncio.Event()

    def received() -> None:
        if stop.is_set():
            supervisor.kill_all()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # `nohup novai dev` stays
            loop.add_signal_handler(number, received)
    return stop


async def started(
    supervisor: Supervisor, display: Display, stop: asyncio.Event, settings: StackSettings, *, keep: bool
) -> bool:
    """Whether everything came up, or we were asked to stop before it had. Says what failed."""
    stopping = asyncio.create_task(stop.wait())
    coming_up = asyncio.create_task(supervisor.up())
    animation = asyncio.create_task(display.animate())
    try:
        await asyncio.wait({stopping, coming_up}, return_when=asyncio.FIRST_COMPLETED)
        if coming_up.done():
            coming_up.result()
        return True
    except ServiceFailedError as error:
        display.started()
        display.say(failure(error, settings.state))
        if keep:
            display.say("The rest keeps running because of --keep. Ctrl-C stops it.")
            await stopping
        return False
    finally:
        for task in (stopping, coming_up, animation):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ServiceFailedError):
            await coming_up


def base_url(settings: StackSettings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 (compared)
    return f"http://{host}:{settings.port}/v1"


def failure(error: ServiceFailedError, state: Path) -> str:
    name = error.service.name
    said = "\n".join(f"  │ {line}" for line in error.last_lines) or "  │ (it wrote nothing)"
    advice = error.service.advice.replace("{state}", str(state))
    return f"\n✗ {name} did not start: {error.reason}\n{said}\n{advice}\nIts whole log: {state}/logs/{name}.log"


def welcome(settings: StackSettings, api_key: str, seconds: float) -> str:
    url = base_url(settings)
    chat = next((row.name for row in settings.rows if row.kind == "chat"), "MODEL")
    return f"""
NovAI is ready ({seconds:.1f} s). Try it:

  curl {url}/chat/completions \\
    -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \\
    -d '{{"model": "{chat}", "messages": [{{"role": "user", "content": "Hello!"}}]}}'

  API docs   {url.removesuffix("/v1")}/docs
  settings   set -a; . {shlex.quote(str(settings.state))}/dev.env
  logs       {settings.state}/logs/
  stop       Ctrl-C
"""
