"""`novai batch run`: one batch of any number of calls, and files that are whole or not there."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from internal.api_client import ApiFailure, server
from internal.batch import job as jobs
from internal.batch.client import Batch, Client, Counts
from internal.batch.command import arguments, run
from internal.batch.job import JobError
from internal.batch.progress import Progress
from tests.unit.internal.batch.api import Api, serving

LINES = [{"custom_id": name, "method": "POST", "url": "/v1/embeddings", "body": {}} for name in "abc"]


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(Api()) as server:
        yield server


class Caller:
    """Somebody in a folder with an input, who calls the command."""

    def __init__(self, folder: Path, api: Api) -> None:
        self.source, self.output, self.api = folder / "in.jsonl", folder / "out.jsonl", api
        self.errors, self.state = folder / "out.jsonl.errors", folder / "out.jsonl.novai.json"
        self.write(LINES)

    def write(self, lines: list[dict[str, object]]) -> None:
        self.source.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def run(self, *more: str) -> tuple[int, str]:
        """The exit status, and what was said."""
        said = io.StringIO()
        given = arguments().parse_args(["run", str(self.source), "-o", str(self.output), *more])
        env = {"NOVAI_BASE_URL": self.api.url, "NOVAI_API_KEY": "sk-test"}
        return run(given, env, Progress(said, live=False), poll_s=0.01), said.getvalue()

    def names(self) -> set[str]:
        return {path.name for path in self.output.parent.iterdir()}


@pytest.fixture
def caller(tmp_path: Path, api: Api) -> Caller:
    return Caller(tmp_path, api)


def ids(path: Path) -> list[str]:
    return [json.loads(line)["custom_id"] for line in path.read_text().splitlines()]


def test_every_line_is_answered(caller: Caller) -> None:
    status, said = caller.run()
    assert (status, ids(caller.output)) == (0, ["a", "b", "c"])
    assert caller.names() == {"in.jsonl", "out.jsonl", "out.jsonl.novai.json"}
    for part in ("uploading", "validating", "in_progress", "3 of 3 lines answered"):
        assert part in said
    # Called again, it asks for nothing.
    asked = len(caller.api.asked)
    status, said = caller.run()
    assert status == 0 and "done already" in said and len(caller.api.asked) == asked


def test_lines_that_fail_are_in_a_file_of_their_own(caller: Caller) -> None:
    caller.api.failing = frozenset({"b"})
    status, said = caller.run()
    assert (status, ids(caller.output), ids(caller.errors)) == (1, ["a", "c"], ["b"])
    assert "2 of 3 lines answered" in said
    assert caller.run()[0] == 1


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_what_there_is_of_a_batch_that_ended_early_is_kept(caller: Caller, end: str) -> None:
    caller.api.end, caller.api.failing = end, frozenset({"c"})
    status, said = caller.run("--errors", str(caller.output.with_name("others")))
    assert status == 1 and end in said and ids(caller.output) == ["a", "b"]
    assert "others" in caller.names()


def test_a_batch_that_failed_can_be_mended(caller: Caller) -> None:
    caller.api.end = "failed"
    status, said = caller.run()
    assert status == 1 and "line 2: It is wrong." in said and caller.names() == {"in.jsonl"}
    caller.api.end = "completed"
    caller.write(LINES[:2])
    assert caller.run()[0] == 0 and ids(caller.output) == ["a", "b"]


@pytest.mark.parametrize("lost", range(6))
def test_whatever_breaks_it_is_one_file_and_one_batch(caller: Caller, lost: int) -> None:
    """Each request of a run, from the upload to the download, is once made without its answer being heard."""
    caller.api.trouble = [None] * lost + [400]
    with pytest.raises(ApiFailure, match=r"No: 400\."):
        caller.run()
    assert not caller.output.exists()
    assert caller.run()[0] == 0 and ids(caller.output) == ["a", "b", "c"]
    assert (list(caller.api.files), list(caller.api.batches)) == (["file-0", "file-1"], ["batch_0"])
    assert caller.api.asked.count("POST /v1/files") == (2 if lost == 0 else 1)


def test_a_server_that_comes_back_is_waited_for(caller: Caller) -> None:
    caller.api.trouble = [503, "cut", 429]
    status, said = caller.run()
    assert status == 0 and len(caller.api.batches) == 1
    assert said.count("Trying again for 300 s") == 1


@pytest.mark.parametrize("retry_after", ["Wed, 21 Oct 2015 07:28:00 GMT", "soon", "nan", "-1"])
def test_a_proxy_may_say_in_its_own_words_when_to_come_again(caller: Caller, retry_after: str) -> None:
    caller.api.trouble, caller.api.retry_after = [503], retry_after
    assert caller.run()[0] == 0


@pytest.mark.parametrize("before", range(3))
def test_a_page_where_an_answer_should_be_is_told(before: int, caller: Caller) -> None:
    caller.api.trouble = [None] * before + ["page"]
    with pytest.raises(ApiFailure, match="answers '<html>Welcome</html>'"):
        caller.run()


def test_a_proxy_may_compress(caller: Caller) -> None:
    caller.api.packs = True
    assert caller.run()[0] == 0 and ids(caller.output) == ["a", "b", "c"]


def test_what_cannot_be_decompressed_is_asked_for_again(caller: Caller) -> None:
    caller.api.trouble = ["garbled"]
    status, said = caller.run()
    assert status == 0 and "Trying again" in said


def test_failures_of_another_run_are_gone(caller: Caller) -> None:
    caller.errors.write_text("old")
    assert caller.run()[0] == 0
    assert not caller.errors.exists()


def test_answers_of_another_run_are_gone(caller: Caller) -> None:
    caller.output.write_text("old")
    caller.api.failing = frozenset("abc")
    assert caller.run()[0] == 1 and ids(caller.errors) == ["a", "b", "c"]
    assert not caller.output.exists()


def test_what_can_be_read_once_is_refused(caller: Caller) -> None:
    caller.source.unlink()
    os.mkfifo(caller.source)
    with pytest.raises(JobError, match="read more than once"):
        caller.run()
    assert not caller.api.asked


def test_a_download_that_is_cut_leaves_nothing_behind(caller: Caller, tmp_path: Path) -> None:
    caller.api.add(b"whole\n")
    target = tmp_path / "target"
    target.write_bytes(b"before")
    with Client(caller.api.url, "sk-test", print, patience_s=0) as client:
        caller.api.trouble = ["cut"]
        with pytest.raises(ApiFailure):
            client.download("file-0", target)
        assert target.read_bytes() == b"before" and caller.names() == {"in.jsonl", "target"}
        client.download("file-0", target)
    assert target.read_bytes() == b"whole\n"


def test_another_input_is_another_run(caller: Caller) -> None:
    caller.run()
    caller.write(LINES[:1])
    with pytest.raises(JobError, match=r"Choose another output, or delete .*out\.jsonl\.novai\.json"):
        caller.run()


def test_a_batch_that_is_not_there_any_more(caller: Caller) -> None:
    caller.run()
    caller.output.unlink()
    caller.api.batches.clear()
    with pytest.raises(JobError, match=r"No such batch\. Delete"):
        caller.run()


def test_an_output_that_was_lost_is_downloaded_again(caller: Caller) -> None:
    caller.run()
    caller.output.unlink()
    assert caller.run()[0] == 0 and len(caller.api.batches) == 1 and ids(caller.output) == ["a", "b", "c"]


@pytest.mark.parametrize("content", ["", "\n\n", "hello\n", "[1]\n", '{"a": 1}\n'])
def test_an_input_that_is_none_is_told_before_anything_is_sent(caller: Caller, content: str) -> None:
    caller.source.write_text(content)
    with pytest.raises(JobError, match=r"in\.jsonl"):
        caller.run()
    assert caller.api.asked == [] and caller.names() == {"in.jsonl"}


def test_no_file_is_written_over_another(caller: Caller) -> None:
    for output, *more in ((caller.source,), (caller.output, "--errors", str(caller.output))):
        caller.output = output
        with pytest.raises(JobError, match="three files"):
            caller.run(*more)
    caller.output = caller.source.parent
    with pytest.raises(JobError, match="is a folder"):
        caller.run()
    assert ids(caller.source) == ["a", "b", "c"] and caller.api.asked == []


def test_a_folder_that_is_not_there_is_named_before_anything_is_sent(caller: Caller, tmp_path: Path) -> None:
    for more in (
        ["-o", str(tmp_path / "no" / "x")],
        ["--errors", str(tmp_path / "no" / "x")],
        ["--offline", "-o", "no/x"],
    ):
        with pytest.raises(JobError, match=r"no/x cannot be written: there is no folder .*no\. Make it"):
            caller.run(*more)
    assert caller.api.asked == [] and caller.names() == {"in.jsonl"}


def test_a_state_that_is_none(caller: Caller) -> None:
    caller.state.write_text("{")
    with pytest.raises(JobError, match="Delete it"):
        caller.run()


def test_nobody_to_ask(tmp_path: Path, caller: Caller) -> None:
    given = arguments().parse_args(["run", str(caller.source), "-o", str(caller.output), "--model", "x.gguf"])
    with pytest.raises(JobError, match="--offline"):
        run(given, {"NOVAI_BASE_URL": "x", "NOVAI_API_KEY": "x"}, Progress(io.StringIO(), live=False))


@pytest.mark.parametrize("url", ["localhost:8000/v1", "http://localhost:80a/v1", "http://[::1/v1"])
def test_what_is_no_url_is_told_at_once(caller: Caller, url: str) -> None:
    caller.api.url = url
    with pytest.raises(ApiFailure, match=rf"^NOVAI_BASE_URL='{re.escape(url)}' has to begin with http"):
        caller.run()


def test_what_is_no_key_is_told_at_once_and_not_shown(caller: Caller) -> None:
    with pytest.raises(ApiFailure, match=r"^NOVAI_API_KEY has characters that no key has: copy it again\.$"):
        server({"NOVAI_BASE_URL": caller.api.url, "NOVAI_API_KEY": "sk-ü"}, "NOVAI_API_KEY")


# ---------------------------------------------------------------- how far it is


def batch(completed: int, failed: int = 0, total: int = 10, status: str = "in_progress") -> Batch:
    return Batch("batch_1", status, Counts(total, completed, failed))


def test_a_terminal_has_one_line_that_moves() -> None:
    out = io.StringIO()
    progress = Progress(out, live=True)
    for completed in (0, 5, 9):
        progress.show(batch(completed, 1 if completed else 0))
    progress.say("done")
    shown = out.getvalue().split("\r\x1b[K")
    assert "\n" not in "".join(shown[:-1]) and shown[-1] == "done\n"
    assert shown[3] == "in_progress [##############################] 10/10 · 1 failed"


def test_a_file_gets_a_line_when_something_changes() -> None:
    out = io.StringIO()
    progress = Progress(out, live=False)
    for completed in range(9):
        progress.show(batch(completed))
    progress.show(batch(10, status="completed"))
    assert [line.partition(" ")[0] for line in out.getvalue().splitlines()] == ["in_progress", "completed"]


def test_the_state_is_readable_and_whole(caller: Caller) -> None:
    job = jobs.load(caller.output, caller.source)
    jobs.save(caller.output, job)
    assert jobs.load(caller.output, caller.source) == job
    assert caller.names() == {"in.jsonl", "out.jsonl.novai.json"}
