"""POST /v1/chat/completions."""

from __future__ import annotations

from fastapi import Request, Response

from api.answers.chat import ChoiceCollector, ChunkEncoder, completion_id
from api.answers.chunks import includes_usage, usage_of
from api.clients.generate_request import from_chat
from api.dependencies import answer_headers, encode
from api.generated import schemas as s
from api.generated.routes import ChatApi
from api.routers.generations import admitted
from api.rules import absent, check_chat
from api.services.generation import GenerationStream
from api.state import AppState
from api.streaming import EventStream, read_whole


class Chat(ChatApi):
    def __init__(self, state: AppState) -> None:
        self._state = state

    async def create_chat_completion(self, request: Request, body: s.ChatCompletionRequest) -> Response:
        check_chat(body)
        stream = await admitted(self._state, request, from_chat(body), "createChatCompletion", body.stream)
        if body.stream:
            include_usage = includes_usage(body.stream_options)
            headers = answer_headers(request) | stream.headers
            return EventStream(stream, ChunkEncoder(stream, include_usage), headers, self._state.settings)
        return await self._whole(request, body, stream)

    async def _whole(self, request: Request, body: s.ChatCompletionRequest, stream: GenerationStream) -> Response:
        choices = [ChoiceCollector(index) for index in range(stream.choices)]
        if not await read_whole(stream, request.receive, lambda delta: choices[delta.choice].add(delta)):
            return Response(status_code=499)  # nobody reads this
        completion = s.ChatCompletion(
            id=completion_id(stream.request_id),
            object="chat.completion",
            created=stream.created_s,
            model=stream.model,
            choices=[choice.choice(with_logprobs=body.logprobs is True) for choice in choices],
            usage=usage_of(stream),
            service_tier="default",
            system_fingerprint=None,
        )
        if not absent(body.metadata):
            completion.metadata = body.metadata
        return Response(
            encode(completion), headers=answer_headers(request) | stream.headers, media_type="application/json"
        )
