"""POST /v1/chat/completions."""

from __future__ import annotations

from fastapi import Request, Response

from api.answers.chat import ChatAnswer, ChunkEncoder
from api.answers.chunks import includes_usage
from api.clients.generate_request import from_chat, server_tools
from api.dependencies import answer_headers, encode
from api.generated import schemas as s
from api.generated.routes import ChatApi
from api.routers.generations import admitted_with_tools
from api.rules import check_chat
from api.state import AppState
from api.streaming import EventStream, read_whole


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
        if not await read_whole(stream, request.receive, answer.add):
            return Response(status_code=499)  # nobody reads this
        headers = answer_headers(request) | stream.headers
        return Response(encode(answer.whole()), headers=headers, media_type="application/json")
