"""`novai models`: what models.yaml would serve, and whether its files are there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from internal.config import ConfigError, load_models
from internal.dev.command import chosen_backend, default_models


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="novai models", description=__doc__)
    parser.add_argument("--models", type=Path, metavar="FILE", help="default: models/models.yaml")
    path: Path = parser.parse_args(argv).models or default_models()
    try:
        file = load_models(path, chosen_backend())
    except ConfigError as error:
        sys.exit(f"novai models: {error}")
    for row in file.models:
        where = row.path or "-"
        missing = "" if not row.path or Path(row.path).exists() else "  (not there)"
        print(f"{row.name:<28} {row.kind:<10} {row.backend:<18} {where}{missing}")
    for alias, target in file.aliases.items():
        print(f"{alias:<28} {'alias':<10} {target}")


if __name__ == "__main__":
    main()
