"""POST /v1/completions."""

from __future__ import annotations

from fastapi import Request, Response

from api.answers.chunks import includes_usage
from api.answers.completions import CompletionAnswer, CompletionEncoder
from api.clients.completions_request import from_completion
from api.dependencies import answer_headers
from api.generated import schemas as s
from api.generated.routes import CompletionsApi
from api.routers.generations import admitted, answered
from api.rules import check_completion
from api.state import AppState
from api.streaming import EventStream


class Completions(CompletionsApi):
    def __init__(self, state: AppState) -> None:
        self._state = state

    async def create_completion(self, request: Request, body: s.CompletionRequest) -> Response:
        prompts = check_completion(body)
        stream = await admitted(self._state, request, from_completion(body, prompts), "createCompletion", body.stream)
        if body.stream:
            headers = answer_headers(request) | stream.headers
            include_usage = includes_usage(body.stream_options)
            return EventStream(stream, CompletionEncoder(stream, include_usage), headers, self._state.settings)
        answer = CompletionAnswer(stream, body)
        return await answered(request, stream, answer.add, answer.whole)
