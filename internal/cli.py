"""`novai WORD …`: each word is a module, started by name. Nothing heavy is imported here: help answers at once."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    module: str
    what: str
    serves: bool = False  # and takes no arguments: it is set by the environment


ADMIN = "api.admin"  # which is told the word, too
WORDS = {
    "dev": Word("internal.dev", "run the whole system on this machine"),
    "keys": Word(ADMIN, "create, list, rotate and revoke API keys"),
    "projects": Word(ADMIN, "create, list and archive projects"),
    "organisations": Word(ADMIN, "create and list organisations"),
    "limits": Word(ADMIN, "show and change the rate limits of projects and keys"),
    "tiers": Word(ADMIN, "show and change the rate limits that projects have by default"),
    "prices": Word(ADMIN, "show and set what tokens cost"),
    "credits": Word(ADMIN, "add and show prepaid credits"),
    "budgets": Word(ADMIN, "set, show and clear budgets of projects and keys"),
    "ledger": Word(ADMIN, "verify the books"),
    "audit": Word(ADMIN, "show who changed what"),
    "batch": Word("internal.batch", "answer every line of a file, on a server or offline"),
    "models": Word("internal.models", "list, load, unload, download and inspect models"),
    "migrate": Word(ADMIN, "bring the database to this version"),
    "api": Word("api.main", "run one process of the API", serves=True),
    "worker": Word("api.worker", "run one process that runs batches", serves=True),
    "host": Word("internal.host", "run the model host of this machine", serves=True),
    "tools": Word("internal.tool_server", "run the server of tools that models may call", serves=True),
}


READ_ENOUGH = 141  # the exit status of a shell's command whose output nobody reads
INTERRUPTED = 130  # and of one that Ctrl-C ended


def main() -> None:
    try:
        try:
            obey()
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:  # before the word itself listens for it: imports take a second
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is flushed at the end
        sys.exit(READ_ENOUGH)


def obey() -> None:
    word, *rest = sys.argv[1:] or ["--help"]
    if word in ("-h", "--help", "help"):
        print(usage())
    elif word in ("-V", "--version"):
        print(f"novai {version()}")
    elif word in WORDS:
        run(word, rest)
    else:
        sys.exit(f"novai: unknown word {word!r}\n\n{usage()}")


def run(word: str, rest: list[str]) -> None:
    row = WORDS[word]
    if row.serves:
        told = f"{row.what}. Its settings are variables of the environment: see .env.example."
        argparse.ArgumentParser(f"novai {word}", description=told).parse_args(rest)
    if row.module == ADMIN:
        if not {"-h", "--help"} & {*rest}:
            find_dev_stack()
        rest = [word, *rest]
    sys.argv = [f"novai {word}", *rest]
    runpy.run_module(row.module, run_name="__main__", alter_sys=False)


def find_dev_stack() -> None:
    """Administration without DATABASE_URL means the `novai dev` that runs in this folder."""
    from internal.dev.state import ADMIN_ENV, HERE, read_env

    if os.environ.get("DATABASE_URL"):
        return
    if (found := read_env(HERE, ADMIN_ENV)) is None:
        sys.exit(
            "error: no `novai dev` runs in this folder. Start it, or set DATABASE_URL and KEY_PEPPER to those of the "
            "installation."
        )
    os.environ |= found


def usage() -> str:
    lines = [f"  {word:<14} {row.what}" for word, row in WORDS.items()]
    return "\n".join(["usage: novai WORD …", "", *lines, "", "novai WORD --help tells more about one of them."])


def version() -> str:
    from importlib.metadata import version as installed

    return installed("novai-server")


if __name__ == "__main__":
    main()
