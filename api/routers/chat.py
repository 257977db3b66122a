"""POST /v1/chat/completions."""

from __future__ import annotations

from fastapi import Request, Response

from api.answers.chat import ChatAnswer, ChunkEncoder
from api.answers.chunks import includes_usage
from api.clients.generate_request import from_chat, server_tools
from api.dependencies import answer_headers
from api.generated import schemas as s
from api.generated.routes import ChatApi
from api.routers.generations import admitted_with_tools, answered
from api.rules import check_chat
from api.state import AppState
from api.streaming import EventStream


class Chat(ChatApi):
    def __init__(self, state: AppState) -> None:
        self._state = state

    async def create_chat_completion(self, request: Request, body: s.ChatCompletionRequest) -> Response:
        check_chat(body)
        wanted, asked = from_chat(body), server_tools(body.tools)
        stream = await admitted_with_tools(self._state, request, wanted, asked, "createChatCompletion", body.stream)
        if body.stream:
            include_usage = includes_usage(body.stream_options)
            headers = answer_headers(request) | stream.headers
            return EventStream(stream, ChunkEncoder(stream, include_usage), headers, self._state.settings)
        answer = ChatAnswer(stream, body)
        return await answered(request, stream, answer.add, answer.whole)
