"""The tests of this folder and of sdk/typescript, against a `novai dev` of their own: `make test-clients`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.dev_stack import novai_dev

HERE = Path(__file__).parent
SDK = HERE.parents[1] / "sdk/typescript/tests"
RUNTIMES = ("node_modules/@deno/*", "node_modules/@oven/*/bin")  # beside Node's: where this machine has them
PAGE = "http://app.novai.test"  # the origin of a page in a browser, which may read answers
LIMIT_MS = 300_000  # for one file


def main() -> None:
    node = HERE / "node_modules/.bin/node"  # the SDKs need a newer one than most machines have
    files = sorted(str(file) for folder in (HERE, SDK) for file in folder.glob("*.test.mjs"))
    origins = {"CORS_ORIGINS": PAGE}
    folders = [str(folder) for pattern in RUNTIMES for folder in HERE.glob(pattern)]
    path = os.pathsep.join([*folders, os.environ["PATH"]])
    with novai_dev("--models", str(HERE / "models.yaml"), env=origins) as told:
        command = [str(node), "--test", f"--test-timeout={LIMIT_MS}", *(sys.argv[1:] or files)]
        env = os.environ | told | origins | {"PATH": path, "PYTHON": sys.executable}
        failed = subprocess.run(command, env=env, check=False).returncode
    sys.exit(failed)


if __name__ == "__main__":
    main()
