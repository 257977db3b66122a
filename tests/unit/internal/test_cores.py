"""Threads that use all cores stay apart, others are left to the system; denormals are zero where asked for."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

from internal.cores import usable_cores

TELL = """if True:
    import json, os
    from internal.cores import keep_threads_apart

    keep_threads_apart({})
    print(json.dumps([os.environ.get(name) for name in ("OMP_PROC_BIND", "OMP_PLACES")]))
"""


def told(threads: str, **environment: str) -> list[str | None]:
    command = [sys.executable, "-c", TELL.format(threads)]
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    variables: list[str | None] = json.loads(found)
    return variables


@pytest.mark.skipif(sys.platform != "linux", reason="cores have no names")
@pytest.mark.parametrize("threads", ["None", "0", "10**6", "'4'"])
def test_who_uses_all_cores_has_them_apart_from_the_last_one_on(threads: str) -> None:
    cores = sorted(os.sched_getaffinity(0), reverse=True)
    assert told(threads) == ["close", ",".join(f"{{{core}}}" for core in cores)]


def test_who_uses_fewer_is_left_alone() -> None:
    assert told("-1") == [None, None]


def test_what_an_operator_has_set_stays() -> None:
    assert told("None", OMP_PROC_BIND="spread", OMP_PLACES="sockets") == ["spread", "sockets"]


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


@pytest.mark.skipif(sys.platform != "linux" or usable_cores() < 2, reason="there is nothing to share out")
@pytest.mark.parametrize(("bound", "expected"), [("close", [[0], [1], [0]]), ("", [[0, 1]] * 3)])
def test_a_team_stays_on_its_cores_where_threads_are_kept_apart(bound: str, expected: list[list[int]]) -> None:
    """Numbers of cores that a thread may use: one of a team of one; those of a team of two."""
    tell = """if True:
        import os, sys, threading
        from internal.cores import Team

        usable = sorted(os.sched_getaffinity(0))[:2]
        os.sched_setaffinity(0, usable)

        def numbers():
            return [usable.index(core) for core in sorted(os.sched_getaffinity(0))]

        def run(work):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

        def alone():
            Team("alone", range(1, 2)).stay()
            print(numbers())

        def of_two():
            team = Team("of-two", range(2))
            there, placed = threading.Barrier(2), threading.Barrier(2)
            found = {}

            def helper():
                there.wait()
                placed.wait()
                found[1] = numbers()

            thread = threading.Thread(target=helper)
            thread.start()
            there.wait()
            team.stay()
            placed.wait()
            thread.join()
            print(numbers())
            print(found[1])

        run(alone)
        run(of_two)
    """
    environment = {"OMP_PROC_BIND": bound} if bound else {}
    command = [sys.executable, "-c", tell]
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    assert [json.loads(line) for line in found.splitlines()] == expected
