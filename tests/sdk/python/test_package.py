"""The package as its users get it."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.sdk.python.test_generated import SDK, package

__all__ = ["package"]
IMPORTS = {
    "novai": "from novai import NovAI; NovAI(api_key='k')",
    "openai": "from openai import OpenAI; OpenAI(api_key='k')",
}
BUILD = "import setuptools.build_meta as b, sys; getattr(b, f'build_{sys.argv[1]}')(sys.argv[2])"


def test_sdist_and_wheel(package: Path, tmp_path: Path) -> None:
    for kind in ("sdist", "wheel"):
        command = [sys.executable, "-c", BUILD, kind, str(tmp_path)]
        subprocess.run(command, check=True, cwd=package, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
        wheel.extractall(tmp_path / "installed")
    source = {str(path.relative_to(SDK)) for path in (SDK / "novai").rglob("*.py")} | {"novai/py.typed"}
    assert source == {name for name in names if name.startswith("novai/")}
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        inside = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert source | {"README.md", "pyproject.toml"} <= inside
    check = "import novai; print(novai.__file__, novai.__version__, novai.params, novai.types)"
    said = subprocess.check_output([sys.executable, "-c", check], cwd=tmp_path / "installed", text=True)
    assert str(tmp_path) in said


def test_versions_agree() -> None:
    versions = {
        re.search(r'^version = "(.+)"', (SDK / "pyproject.toml").read_text(), re.MULTILINE),
        re.search(r'^VERSION = "(.+)"', (SDK / "novai" / "_client.py").read_text(), re.MULTILINE),
    }
    assert len({found and found[1] for found in versions}) == 1


@pytest.mark.timeout(120)
def test_it_imports_in_half_the_time_of_openai() -> None:
    """Medians of alternating runs, interpreter start taken off."""

    def cpu_s(code: str) -> float:
        timed = f"import time; began = time.process_time(); {code}; print(time.process_time() - began)"
        return float(subprocess.run([sys.executable, "-c", timed], check=True, capture_output=True, text=True).stdout)

    times: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(5):
        for name, code in IMPORTS.items():
            times[name].append(cpu_s(f"import sys; sys.path.insert(0, {str(SDK)!r}); {code}"))
    assert statistics.median(times["novai"]) <= 0.5 * statistics.median(times["openai"])
