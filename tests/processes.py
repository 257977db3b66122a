"""Programs of ours in processes of their own, for tests that kill them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def program(module: str, env: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m module arguments…`, killed at the end if it has not been before."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, env=os.environ | env, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()
