"""An MCP server as a child, spoken to in lines over its stdin and stdout.

The library's own transport joins a line of any length from its pieces, each time anew: ten megabytes take five seconds.
Here a line has a bound; who exceeds it is cut off, and started again by whoever started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage

from internal import child

log = logging.getLogger("novai.tools")

MAX_LINE_BYTES = 4 << 20
PIECE_BYTES = 64 << 10
END_S = 1.0  # from the end of its input, until it is killed

Incoming = MemoryObjectSendStream[SessionMessage | Exception]
Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]


@contextlib.asynccontextmanager
async def started(command: Sequence[str], env: Mapping[str, str]) -> AsyncIterator[Streams]:
    """The transport of an `mcp.Client`. The server sees PATH, HOME and `env`, and dies with this process.

    Raises OSError.
    """
    process = await asyncio.create_subprocess_exec(
        *child.command(list(command)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=get_default_environment() | dict(env),
        limit=MAX_LINE_BYTES,
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None
    said, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, to_say = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as tasks, said, incoming, outgoing, to_say:
        tasks.start_soon(read, process.stdout, said)
        tasks.start_soon(write, process.stdin, to_say)
        try:
            yield incoming, outgoing
        finally:
            incoming.close()
            with anyio.CancelScope(shield=True):
                await end(process)
            tasks.cancel_scope.cancel()


async def read(stdout: asyncio.StreamReader, said: Incoming) -> None:
    """Until the server ends, or says a line that is too long: for the session, it is gone then."""
    async with said:
        try:
            while line := await stdout.readline():
                await said.send(message(line))
        except ValueError:
            log.warning("an MCP server said a line of more than %d bytes", MAX_LINE_BYTES)
        except anyio.BrokenResourceError:  # nobody listens any more
            pass
    while await stdout.read(PIECE_BYTES):  # a process whose output nobody takes does not end
        continue


def message(line: bytes) -> SessionMessage | Exception:
    """What a line says, or what is wrong with it, which the session ignores."""
    try:
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error


async def write(stdin: asyncio.StreamWriter, to_say: MemoryObjectReceiveStream[SessionMessage]) -> None:
    with contextlib.suppress(ConnectionError):
        async for item in to_say:
            stdin.write(item.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
            await stdin.drain()


async def end(process: asyncio.subprocess.Process) -> None:
    """Its input ends; what is left of it and its family after a while is killed."""
    assert process.stdin is not None
    process.stdin.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), END_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
