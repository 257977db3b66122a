"""POST /v1/completions."""

from __future__ import annotations

from fastapi import Request, Response

from api.answers.chunks import includes_usage
from api.answers.completions import CompletionAnswer, CompletionEncoder
from api.clients.completions_request import from_completion
from api.dependencies import answer_headers, encode
from api.generated import schemas as s
from api.generated.routes import CompletionsApi
from api.routers.generations import admitted
from api.rules import check_completion
from api.state import AppState
from api.streaming import EventStream, read_whole


class Completions(CompletionsApi):
    def __init__(self, state: AppState) -> None:
        self._state = state

    async def create_completion(self, request: Request, body: s.CompletionRequest) -> Response:
        prompts = check_completion(body)
        stream = await admitted(self._state, request, from_completion(body, prompts), "createCompletion", body.stream)
        headers = answer_headers(request) | stream.headers
        if body.stream:
            include_usage = includes_usage(body.stream_options)
            return EventStream(stream, CompletionEncoder(stream, include_usage), headers, self._state.settings)
        answer = CompletionAnswer(stream, body)
        if not await read_whole(stream, request.receive, answer.add):
            return Response(status_code=499)  # nobody reads this
        return Response(encode(answer.whole()), headers=headers, media_type="application/json")
