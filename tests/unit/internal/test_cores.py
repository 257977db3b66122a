"""Threads that use all cores stay apart, others are left to the system; denormals are zero where asked for."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from internal.cores import usable_cores

TELL = "import os; from internal.cores import *; keep_threads_apart({}); print(os.environ.get('OMP_PROC_BIND', ''))"


@pytest.mark.parametrize(
    ("threads", "bound"), [("None", "close"), ("0", "close"), ("10**6", "close"), ("'4'", "close"), ("-1", "")]
)
def test_who_uses_all_cores_has_them_apart(threads: str, bound: str) -> None:
    command = [sys.executable, "-c", TELL.format(threads)]
    assert subprocess.run(command, check=True, capture_output=True, text=True, env={}).stdout.strip() == bound


def test_there_is_a_core() -> None:
    assert usable_cores() >= 1


@pytest.mark.skipif(platform.machine() != "x86_64" or platform.libc_ver()[0] != "glibc", reason="nothing is flushed")
def test_what_is_denormal_is_zero_on_this_thread_and_those_that_it_starts() -> None:
    tell = """if True:
        import threading
        from internal.cores import flush_denormals

        def denormal(smallest=2.0 ** -1000):
            return smallest * smallest ** 0.05

        def run(work):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

        def here():
            flush_denormals()
            print(denormal() > 0)
            run(lambda: print(denormal() > 0))

        run(here)
        print(denormal() > 0)
    """
    found = subprocess.run([sys.executable, "-c", tell], check=True, capture_output=True, text=True).stdout
    assert found.split() == ["False", "False", "True"]
