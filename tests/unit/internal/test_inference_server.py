from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_receipts_that_cannot_be_opened_are_one_line(tmp_path: Path) -> None:
    model = '{"name": "m", "kind": "chat", "backend": "scripted"}'
    env = os.environ | {"NOVAI_MODEL": model, "NOVAI_RECEIPTS": str(tmp_path)}
    command = [sys.executable, "-m", "internal.inference_server"]
    run = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr == f"error: NOVAI_RECEIPTS={tmp_path}: cannot be opened: Is a directory\n"
