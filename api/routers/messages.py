"""POST /v1/messages and /v1/messages/count_tokens, in Anthropic's form."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from fastapi import Request, Response

from api.answers.messages import MessageAnswer, MessageEncoder
from api.clients.messages_request import from_count, from_message
from api.dependencies import answer_headers, asking
from api.generated import schemas as s
from api.generated.routes import MessagesApi
from api.routers.generations import admitted, answered
from api.rules import check_message_request
from api.state import AppState
from api.streaming import EventStream

Body = TypeVar("Body", s.MessageRequest, s.MessageCountRequest)
Made = TypeVar("Made")

MANY_MESSAGES = 2048  # more are made into a worker's request on a thread: Anthropic's form has room for 100 000


class Messages(MessagesApi):
    def __init__(self, state: AppState) -> None:
        self._state = state

    async def create_message(self, request: Request, body: s.MessageRequest) -> Response:
        check_message_request(body)
        stream = await admitted(self._state, request, await _made(from_message, body), "createMessage", body.stream)
        if body.stream:
            headers = answer_headers(request) | stream.headers
            return EventStream(stream, MessageEncoder(stream, body), headers, self._state.settings)
        answer = MessageAnswer(stream, body)
        return await answered(request, stream, answer.add, answer.whole)

    async def count_message_tokens(self, request: Request, body: s.MessageCountRequest) -> s.MessageTokens:
        check_message_request(body)
        tokens = await self._state.tokens.count(
            await _made(from_count, body), *asking(request, body.model), operation="countMessageTokens"
        )
        return s.MessageTokens(input_tokens=tokens)


async def _made(make: Callable[[Body], Made], body: Body) -> Made:
    return make(body) if len(body.messages) <= MANY_MESSAGES else await asyncio.to_thread(make, body)
