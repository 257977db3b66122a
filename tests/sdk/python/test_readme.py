"""The README's snippets and the examples, run in order against a running `novai dev`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sdk.python.test_generated import SDK

SNIPPETS = re.findall(r"```python\n(.*?)```", (SDK / "README.md").read_text(), re.DOTALL)


@pytest.mark.timeout(300)
def test_snippets(dev: dict[str, str], tmp_path: Path) -> None:
    script = tmp_path / "readme.py"
    script.write_text("\n".join(SNIPPETS))
    environment = dev | {"PYTHONPATH": str(SDK)}
    done = subprocess.run([sys.executable, str(script)], check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "404 model_not_found req_" in done.stdout
    assert "Ticket(title=" in done.stdout or "priority=" in done.stdout


@pytest.mark.timeout(300)
@pytest.mark.parametrize("example", sorted((SDK / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples(dev: dict[str, str], example: Path) -> None:
    environment = dev | {"PYTHONPATH": str(SDK)}
    done = subprocess.run([sys.executable, str(example)], check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
