"""Responses that are kept, so that a later turn can continue from them.

A response belongs to its project; to all others it does not exist. Keeping comes after the settlement and before the
last event: whoever saw the end can retrieve it. When PostgreSQL is away, or slower than `KEEP_WAIT_S`, the answer is
given all the same, says `store` false, and is counted in `novai_responses_not_stored`.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from api import metrics
from api.errors import ContextLengthExceededError, InvalidRequestError, LedgerUnavailableError, NotFoundError
from api.generated import schemas as s
from api.storage import responses as rows
from api.storage.responses import Item, Stored, TooLargeError
from api.storage.session import Database

log = logging.getLogger("novai.responses")

KEEP_WAIT_S = 1.0
HISTORY_BYTES = 8 << 20  # that a request may bring back, pictures mostly; with a body still one message to a worker

PREFIXES: dict[type[msgspec.Struct], str] = {
    s.ResponseInputMessage: "msg_",
    s.ResponseFunctionCallInput: "fc_",
    s.ResponseFunctionCallOutput: "fco_",
    s.ResponseCustomToolCall: "ctc_",
    s.ResponseCustomToolCallOutput: "ctco_",
    s.ResponseServerToolCallInput: "mcp_",
    s.ResponseReasoningInput: "rs_",
}

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(s.ResponseInputItem).decode


def new_id(prefix: str) -> str:
    """The prefix and 128 random bits."""
    return prefix + secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a request asks: `items`, after all that was said `earlier`. References are resolved, every item has an
    id."""

    project_id: str
    previous_id: str | None
    items: Sequence[s.ResponseInputItem]
    earlier: Sequence[s.ResponseInputItem] = field(default=())


class Responses:
    def __init__(self, database: Database, keep_days: int) -> None:
        self._database = database
        self._keep_days = keep_days

    async def turn(self, body: s.ResponsePrompt, project_id: str) -> Turn:
        """Raises InvalidRequestError, ContextLengthExceededError, NotFoundError, LedgerUnavailableError."""
        items = said(body.input) if isinstance(body.input, str) else await self._resolved(body.input, project_id)
        previous_id = body.previous_response_id or None
        if not isinstance(previous_id, str):
            return Turn(project_id, None, named(items))
        return Turn(project_id, previous_id, named(items), await self._earlier(previous_id, project_id))

    async def keep(self, response: s.Response, turn: Turn) -> None:
        """Sets `store` to False when it cannot be kept. Never raises: it is still an answer."""
        stored = Stored(
            response.id,
            turn.project_id,
            turn.previous_id,
            encode(response),
            [Item(str(item.id), encode(item)) for item in turn.items],
            [Item(item.id, encode(sent_back(item))) for item in response.output],
        )
        try:
            await rows.keep(self._database, stored, self._keep_days, KEEP_WAIT_S)
        except LedgerUnavailableError:
            response.store = False
            metrics.RESPONSES_NOT_STORED.inc()
            log.warning("%s is not stored: PostgreSQL is away", response.id)

    async def retrieve(self, project_id: str, response_id: str) -> bytes:
        """Its JSON. Raises NotFoundError, LedgerUnavailableError."""
        found = await rows.read(self._database, project_id, response_id)
        if found is None:
            raise missing(response_id)
        return found

    async def delete(self, project_id: str, response_id: str) -> None:
        """Raises NotFoundError, LedgerUnavailableError."""
        if not await rows.remove(self._database, project_id, response_id):
            raise missing(response_id)

    async def input_items(
        self, project_id: str, response_id: str, after: str | None, ascending: bool, limit: int
    ) -> s.ResponseItemList:
        """A page. Raises NotFoundError, InvalidRequestError (`after`), LedgerUnavailableError."""
        await self.retrieve(project_id, response_id)
        begin = None
        if after is not None and (begin := await rows.position(self._database, response_id, after)) is None:
            raise InvalidRequestError(
                f"'after' names no input item of '{response_id}'. Give the `last_id` of the page before.",
                param="after",
                code="invalid_value",
            )
        found = await rows.page(self._database, response_id, begin, ascending, limit + 1)
        page = found[:limit]
        return s.ResponseItemList(
            object="list",
            data=[decode(item.body) for item in page],
            first_id=page[0].id if page else None,
            last_id=page[-1].id if page else None,
            has_more=len(found) > limit,
        )

    async def _earlier(self, previous_id: str, project_id: str) -> list[s.ResponseInputItem]:
        try:
            found = await rows.history(self._database, project_id, previous_id, HISTORY_BYTES)
        except TooLargeError:
            raise too_long("previous_response_id") from None
        if found is None:
            raise InvalidRequestError(
                f"Previous response with id '{previous_id}' not found: it, or a turn before it, was not stored, was "
                "deleted, or has expired. Send the conversation as `input`.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        return [decode(item) for item in found]

    async def _resolved(self, given: Sequence[s.ResponseInputItem], project_id: str) -> list[s.ResponseInputItem]:
        """The items, each reference replaced by what it names."""
        wanted = {item.id: index for index, item in enumerate(given) if isinstance(item, s.ResponseItemReference)}
        if not wanted:
            return list(given)
        try:
            found = await rows.find(self._database, project_id, list(wanted), HISTORY_BYTES)
        except TooLargeError:
            raise too_long("input") from None
        for item_id, index in wanted.items():
            if item_id not in found:
                raise NotFoundError(
                    f"Item with id '{item_id}' not found. Items are not persisted when `store` is set to false. Send "
                    "the item itself.",
                    param=f"input[{index}].id",
                )
        return [decode(found[item.id]) if isinstance(item, s.ResponseItemReference) else item for item in given]


def said(text: str) -> list[s.ResponseInputItem]:
    return [s.ResponseInputMessage(role="user", content=[s.ResponseInputText(text=text)])]


def named(items: Sequence[s.ResponseInputItem]) -> list[s.ResponseInputItem]:
    """Every item has an id of its own, and content of messages is in parts: as they are listed later."""
    taken: set[str] = set()
    for item in items:
        if not item.id or item.id in taken:
            item.id = new_id(PREFIXES[type(item)])
        taken.add(str(item.id))
        if isinstance(item, s.ResponseInputMessage):
            item.status = item.status or "completed"
            if isinstance(item.content, str):
                item.content = [text_part(item.role, item.content)]
    return list(items)


def text_part(role: str, text: str) -> s.ResponseContentPart:
    if role == "assistant":
        return s.ResponseTextInput(text=text, annotations=[])
    return s.ResponseInputText(text=text)


def sent_back(item: s.ResponseOutputItem) -> s.ResponseInputItem:
    """An item of an answer as a later turn has it: without log probabilities, which no model reads."""
    given: s.ResponseInputItem = msgspec.convert(msgspec.to_builtins(item), s.ResponseInputItem)
    return given


def missing(response_id: str) -> NotFoundError:
    return NotFoundError(f"Response with id '{response_id}' not found.", param="response_id")


def too_long(param: str) -> ContextLengthExceededError:
    return ContextLengthExceededError(
        f"The earlier items of this conversation are more than {HISTORY_BYTES >> 20} MiB, more than a request "
        "takes (context_length_exceeded: prompt is too long). Send what still matters as `input`.",
        param=param,
    )
