"""`novai batch run INPUT -o OUTPUT`: every line of INPUT answered in OUTPUT, however often it has to be called.

Reads NOVAI_BASE_URL and NOVAI_API_KEY, or finds the `novai dev` of this folder. What it knows is kept in
OUTPUT.novai.json: called again, it goes on where it was. With --offline it runs a system of its own meanwhile.

Exit status 0: every line was answered. 1: some were not, or it could not be done. 130: Ctrl-C; the batch goes on.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from internal import api_client
from internal.api_client import ApiFailure
from internal.batch import job as jobs
from internal.batch.client import Batch, Client
from internal.batch.job import Job, JobError
from internal.batch.offline import OfflineError, offline
from internal.batch.progress import Progress
from internal.progress import can_draw

POLL_S = 0.5
SLOW_POLL_S = 5.0  # of a batch that takes long
ADVICE = "Set NOVAI_BASE_URL (it ends with /v1) and NOVAI_API_KEY, or run `novai dev` in this folder, or use --offline."


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="novai batch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    run = parser.add_subparsers(required=True, metavar="run").add_parser("run", help="answer every line of a file")
    run.add_argument("input", type=Path, help="JSON Lines, as /v1/batches takes them")
    run.add_argument("-o", "--output", type=Path, required=True, help="the lines that were answered")
    run.add_argument("--errors", type=Path, help="the lines that were not (default: OUTPUT.errors)")
    run.add_argument("--offline", action="store_true", help="on this machine, without a server")
    run.add_argument(
        "--model",
        type=Path,
        metavar="PATH",
        help="with --offline: the chat model, a .gguf file or a Hugging Face folder",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    given = arguments().parse_args(argv)
    progress = Progress(sys.stderr, can_draw(sys.stderr))
    try:
        sys.exit(run(given, os.environ, progress))
    except (ApiFailure, JobError, OfflineError, OSError) as error:
        told = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else error
        progress.say(f"novai batch: {told}")
        sys.exit(1)
    except KeyboardInterrupt:
        progress.say("Stopped waiting. Call the same again to go on.")
        sys.exit(130)


def run(given: argparse.Namespace, env: Mapping[str, str], progress: Progress, poll_s: float = POLL_S) -> int:
    """The exit status. Raises ApiFailure, JobError, OfflineError, OSError."""
    if given.output.is_dir():
        raise JobError(f"{given.output} is a folder. Name a file.")
    given.errors = given.errors or given.output.with_name(given.output.name + ".errors")
    keep_apart(given)
    for path in (given.output, given.errors):
        if not path.parent.is_dir():
            raise JobError(f"{path} cannot be written: there is no folder {path.parent}. Make it, or name another.")
    if given.input.exists() and not given.input.is_file():
        raise JobError(
            f"{given.input} is no file, but a pipe or a folder. It is read more than once: write it to a file."
        )
    job = jobs.load(given.output, given.input)
    if job.exit_status is not None and (given.output.exists() or given.errors.exists()):
        progress.say(f"{given.output} is done already. To run it again, delete {jobs.path_of(given.output)}.")
        return job.exit_status
    with server(given, env, progress) as (base_url, key), Client(base_url, key, progress.say) as client:
        batch = finished(client, started(client, given, job, progress), progress, poll_s)
        status = collect(client, batch, given, progress)
        if batch.status == "failed":  # nothing ran: the input may be mended
            jobs.forget(given.output)
        else:
            job.exit_status = status
            jobs.save(given.output, job)
    return status


def keep_apart(given: argparse.Namespace) -> None:
    """None of the files may be written over another one. Raises JobError."""
    if len({path.resolve() for path in (given.input, given.output, given.errors)}) < 3:
        raise JobError(f"{given.input}, {given.output} and {given.errors} must be three files. Choose another output.")


@contextlib.contextmanager
def server(given: argparse.Namespace, env: Mapping[str, str], progress: Progress) -> Iterator[tuple[str, str]]:
    """Base URL and key. Raises JobError, OfflineError."""
    if given.offline:
        progress.say("starting …")
        with offline(given.output.with_name(given.output.name + ".novai"), given.model) as told:
            yield told
        return
    if given.model is not None:
        raise JobError("--model is for --offline: a server has the models that its lines name.")
    try:
        yield api_client.server(env, "NOVAI_API_KEY")
    except KeyError:
        raise JobError(ADVICE) from None


def started(client: Client, given: argparse.Namespace, job: Job, progress: Progress) -> Batch:
    """The batch of this job. Each step is noted before the next one; one that was not is asked for again."""
    if job.batch_id is not None:
        progress.say(f"going on with {job.batch_id}")
        try:
            return client.batch(job.batch_id)
        except ApiFailure as failure:
            if failure.status != 404:
                raise
            raise JobError(f"{failure} Delete {jobs.path_of(given.output)} to begin anew.") from None
    endpoint = jobs.endpoint(given.input)
    jobs.save(given.output, job)
    if job.file_id is None:
        progress.say(f"uploading {given.input} ({given.input.stat().st_size / 1e6:.1f} MB)")
        job.file_id = client.upload(given.input, f"{job.key}-file")
        jobs.save(given.output, job)
    batch = client.create(job.file_id, endpoint, f"{job.key}-batch")
    job.batch_id = batch.id
    jobs.save(given.output, job)
    progress.say(f"created {batch.id}")
    return batch


def finished(client: Client, batch: Batch, progress: Progress, pause_s: float) -> Batch:
    """Waits for its end."""
    while not batch.over:
        progress.show(batch)
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.02, SLOW_POLL_S)
        batch = client.batch(batch.id)
    progress.show(batch)
    return batch


def collect(client: Client, batch: Batch, given: argparse.Namespace, progress: Progress) -> int:
    """Downloads what there is. The exit status."""
    files = {given.output: batch.output_file_id, given.errors: batch.error_file_id}
    for target, file_id in files.items():
        if file_id is not None:
            client.download(file_id, target)
        elif any(files.values()):
            target.unlink(missing_ok=True)  # of another run
    for fault in batch.errors.data if batch.errors else ():
        progress.say(f"line {fault.line}: {fault.message}" if fault.line else fault.message)
    counts = batch.request_counts
    said = [f"{batch.status}: {counts.completed} of {counts.total} lines answered" if counts.total else batch.status]
    said += [f"in {given.output}"] if batch.output_file_id else []
    said += [f"the others in {given.errors}"] if batch.error_file_id else []
    progress.say(", ".join(said))
    return 0 if batch.status == "completed" and not counts.failed else 1
