from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from gen import inference_pb2 as pb

from internal.inference import receipts
from internal.inference.backends.base import Generation
from internal.inference.receipts import KEPT_S, Journal, Receipts


class Clock:
    now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


def end(kept: Receipts, request_id: str, completion_tokens: int = 3) -> None:
    generation = Generation(request_id, pb.GenerateRequest())
    kept.opened(generation)
    usage = pb.Usage(prompt_tokens=5, completion_tokens=completion_tokens)
    kept.closed(generation, pb.Event(finished=pb.Finished(usage=usage)))


def known(kept: Receipts, *request_ids: str) -> dict[str, int]:
    return {receipt.request_id: receipt.usage.completion_tokens for receipt in kept.find(request_ids)}


def test_the_next_process_knows_what_ended_and_not_what_was_cut(tmp_path: Path) -> None:
    killed = Receipts(Journal(tmp_path / "a"))
    end(killed, "ended", 7)
    killed.opened(Generation("running", pb.GenerateRequest()))
    following = Receipts(Journal(tmp_path / "a"))  # the other one never closed its file
    end(following, "later")
    assert known(following, "ended", "running", "later") == {"ended": 7, "later": 3}
    assert known(Receipts(Journal(tmp_path / "a")), "ended", "later") == {"ended": 7, "later": 3}


USAGE = pb.Usage(prompt_tokens=5, completion_tokens=3)
ENDS = {
    pb.Receipt.FINISHED: pb.Event(finished=pb.Finished(usage=USAGE)),
    pb.Receipt.CANCELLED: pb.Event(finished=pb.Finished(usage=USAGE, cancelled=True)),
    pb.Receipt.FAILED: pb.Event(failed=pb.Failed(usage=USAGE)),
    pb.Receipt.ABANDONED: pb.Event(finished=pb.Finished(usage=USAGE, cancelled=True)),
}


@pytest.mark.parametrize("state", ENDS, ids=pb.Receipt.State.Name)
def test_a_receipt_says_what_became_of_it(state: pb.Receipt.State.ValueType) -> None:
    kept, generation = Receipts(), Generation("r", pb.GenerateRequest())
    kept.opened(generation)
    generation.abandoned = state == pb.Receipt.ABANDONED
    assert [receipt.state for receipt in kept.find(["r", "unknown"])] == [pb.Receipt.RUNNING]
    kept.closed(generation, ENDS[state])
    assert kept.find(["unknown", "r"]) == [pb.Receipt(request_id="r", state=state, usage=USAGE)]


def test_a_line_that_was_cut_by_the_kill_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a"
    end(Receipts(Journal(path)), "whole")
    end(Receipts(Journal(path)), "torn")
    path.write_bytes(path.read_bytes()[:-9])
    following = Receipts(Journal(path))
    end(following, "next")
    assert known(Receipts(Journal(path)), "whole", "torn", "next") == {"whole": 3, "next": 3}


def test_what_is_old_is_forgotten_on_disk_too(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "a"
    kept = Receipts(Journal(path, clock), clock)
    sizes = []
    for number in range(8):
        end(kept, f"r{number}")
        sizes.append(sum(file.stat().st_size for file in tmp_path.iterdir()))
        clock.now_s += KEPT_S * 0.6
    assert known(kept, *(f"r{number}" for number in range(8))) == {"r6": 3, "r7": 3}
    assert known(Receipts(Journal(path, clock), clock), "r6", "r7") == {"r7": 3}
    assert max(sizes[4:]) <= sizes[3]


def test_the_number_is_bounded_on_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "KEPT_AT_MOST", 10)
    kept = Receipts(Journal(tmp_path / "a"))
    opened = len([*Path("/proc/self/fd").iterdir()])
    for number in range(100):
        end(kept, f"r{number}")
    assert len([*Path("/proc/self/fd").iterdir()]) == opened
    lines = sum(file.read_bytes().count(b"\n") for file in tmp_path.iterdir())
    assert 10 <= lines <= 20
    assert len(known(Receipts(Journal(tmp_path / "a")), *(f"r{number}" for number in range(100)))) == 10


def fill_the_disk_under(path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the listing's own
            if file.readlink() == path:
                os.dup2(full, int(file.name))
    os.close(full)


def test_a_disk_that_takes_nothing_is_no_fault_of_those_who_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Receipts(Journal(tmp_path / "a"))
    fill_the_disk_under(tmp_path / "a")
    for number in range(3):
        end(kept, f"r{number}")
    assert known(kept, "r0", "r1", "r2") == {"r0": 3, "r1": 3, "r2": 3}
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_folder_that_is_gone_costs_what_is_written_meanwhile(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, folder = Clock(), tmp_path / "state"
    folder.mkdir()
    kept = Receipts(Journal(folder / "a", clock), clock)
    end(kept, "before")
    folder.rename(tmp_path / "elsewhere")
    clock.now_s += KEPT_S
    end(kept, "meanwhile")
    folder.mkdir()
    (folder / "a").touch()
    end(kept, "after")
    assert known(kept, "meanwhile", "after") == {"meanwhile": 3, "after": 3}
    assert known(Receipts(Journal(folder / "a", clock), clock), "meanwhile", "after") == {"after": 3}
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


@contextlib.contextmanager
def limited(resource_id: int, most: int) -> Iterator[None]:
    before = resource.getrlimit(resource_id)
    resource.setrlimit(resource_id, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource_id, before)


def test_a_line_for_which_the_disk_had_half_of_the_room_spoils_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Receipts(Journal(tmp_path / "a"))
    end(kept, "before")
    with limited(resource.RLIMIT_FSIZE, (tmp_path / "a").stat().st_size + 9):
        end(kept, "torn")
    end(kept, "after")
    assert known(Receipts(Journal(tmp_path / "a")), "before", "torn", "after") == {"before": 3, "after": 3}
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_a_file_that_could_not_be_opened_is_opened_later(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "a"
    kept = Receipts(Journal(path, clock), clock)
    end(kept, "before")
    clock.now_s += KEPT_S - 1
    end(kept, "late")
    clock.now_s += 1
    with limited(resource.RLIMIT_NOFILE, 3):
        end(kept, "meanwhile")
    end(kept, "after")
    assert known(Receipts(Journal(path, clock), clock), "late", "meanwhile", "after") == {"late": 3, "after": 3}
