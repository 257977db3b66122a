"""A child process on the loop: every line, one ending, no family left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import psutil
import pytest

from internal.process import MAX_LINE, Process, ending

PATIENCE_S = 20.0


async def run(code: str) -> tuple[list[tuple[int, str]], list[int], Process]:
    lines: list[tuple[int, str]] = []
    codes: list[int] = []
    over = asyncio.Event()

    def ended(returncode: int) -> None:
        codes.append(returncode)
        over.set()

    process = await Process.start(
        [sys.executable, "-c", code], os.environ, lambda fd, line: lines.append((fd, line)), ended
    )
    await asyncio.wait_for(over.wait(), PATIENCE_S)
    return lines, codes, process


async def test_lines_come_whole_and_the_end_comes_last() -> None:
    code = (
        "import os; os.write(1, b'a\\r\\nb'); os.write(2, b'\\xffx\\n'); os.write(1, b'c\\nrest'); raise SystemExit(3)"
    )
    lines, codes, process = await run(code)
    assert [line for fd, line in lines if fd == 1] == ["a", "bc", "rest"]
    assert [line for fd, line in lines if fd == 2] == ["\ufffdx"]
    assert codes == [3]
    process.signal(signal.SIGKILL)  # of a process that ended: nothing happens


async def test_a_line_without_end_is_cut_and_not_kept() -> None:
    size = 50 * MAX_LINE
    lines, _, _ = await run(f"print('x' * {size}, end='')")
    assert sum(len(line) for _, line in lines) == size
    assert max(len(line) for _, line in lines) < 20 * MAX_LINE


async def test_a_grandchild_with_our_pipe_does_not_hide_the_end() -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True)"
    lines, codes, _ = await run(code)
    assert codes == [0]
    grandchild = int(lines[0][1])
    # It was killed, not awaited: it is not our child. It is gone, or a zombie until somebody reaps it, a moment later.
    async with asyncio.timeout(PATIENCE_S):
        while psutil.pid_exists(grandchild) and psutil.Process(grandchild).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.01)


async def test_a_program_that_is_not_there_is_an_ending_too() -> None:
    """It is looked for after the fork: what is missing shows in the exit code and on stderr."""
    lines: list[str] = []
    over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    await Process.start(["/nowhere/program"], os.environ, lambda _fd, line: lines.append(line), over.set_result)
    assert await asyncio.wait_for(over, PATIENCE_S) != 0
    assert "/nowhere/program" in lines[-1]


@pytest.mark.parametrize(("code", "words"), [(0, "exited with code 0"), (-9, "killed by SIGKILL"), (-99, "signal 99")])
def test_endings_are_told_in_words(code: int, words: str) -> None:
    assert words in ending(code)
