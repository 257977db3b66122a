"""/v1/responses: made, continued, looked at and forgotten."""

from __future__ import annotations

from functools import partial
from itertools import compress
from typing import Any, Literal, NoReturn

from fastapi import Request, Response

from api.answers.responses import ResponseAnswer, begun
from api.bodies import typed_items
from api.clients.generate_request import given
from api.clients.responses_request import from_prompt, from_response, server_tools
from api.dependencies import answer_headers, asking, encode, principal_of
from api.errors import ApiError, InvalidRequestError
from api.generated import schemas as s
from api.generated.routes import ResponsesApi
from api.routers.generations import admitted_with_tools
from api.rules import check_prompt, check_response
from api.services.answering import AnswerStream
from api.services.responses import Turn
from api.state import AppState
from api.streaming import EventStream, read_whole

JSON = "application/json"


class Responses(ResponsesApi):
    def __init__(self, state: AppState) -> None:
        self._state = state

    async def create_response(self, request: Request, body: s.ResponseRequest) -> Response:
        check_response(body)
        turn = await self._state.responses.turn(body, principal_of(request).project_id)
        wanted = from_response(body, turn.items, turn.earlier)
        asked, most_calls = server_tools(body.tools), given(body.max_tool_calls, None)
        stream = await admitted_with_tools(
            self._state, request, wanted, asked, "createResponse", body.stream, most_calls
        )
        answer = ResponseAnswer(stream, begun(body, turn, stream))
        if body.stream:
            headers = answer_headers(request) | stream.headers
            finish = partial(self._finish, answer, turn)
            return EventStream(stream, answer, headers, self._state.settings, finish)
        return await self._whole(request, turn, stream, answer)

    async def count_response_input_tokens(self, request: Request, body: s.ResponsePrompt) -> s.InputTokens:
        check_prompt(body)
        who = asking(request, body.model)
        turn = await self._state.responses.turn(body, principal_of(request).project_id)
        prompt = from_prompt(body, turn.items, turn.earlier)
        self._state.tools.server.offer(prompt.chat, server_tools(body.tools))
        tokens = await self._state.tokens.count(prompt, *who, operation="countResponseInputTokens")
        return s.InputTokens(object="response.input_tokens", input_tokens=tokens)

    async def retrieve_response(
        self, request: Request, response_id: str, stream: Literal["false"] | None = None
    ) -> Response:
        found = await self._state.responses.retrieve(principal_of(request).project_id, response_id)
        return Response(found, media_type=JSON)

    async def delete_response(self, request: Request, response_id: str) -> s.ResponseDeleted:
        await self._state.responses.delete(principal_of(request).project_id, response_id)
        return s.ResponseDeleted(id=response_id, object="response", deleted=True)

    async def cancel_response(self, request: Request, response_id: str) -> NoReturn:
        await self._state.responses.retrieve(principal_of(request).project_id, response_id)
        raise InvalidRequestError(
            "Only responses that run in the background can be cancelled, and this one did not. Close the connection of "
            "a response to stop it.",
            param="response_id",
        )

    async def list_response_input_items(
        self,
        request: Request,
        response_id: str,
        limit: int = 20,
        order: Literal["asc", "desc"] = "desc",
        after: str | None = None,
    ) -> s.ResponseItemList:
        project_id = principal_of(request).project_id
        return await self._state.responses.input_items(project_id, response_id, after, order == "asc", limit)

    async def _whole(self, request: Request, turn: Turn, stream: AnswerStream[Any], answer: ResponseAnswer) -> Response:
        stayed = await read_whole(stream, request.receive, answer.delta)
        await self._finish(answer, turn, None)
        if not stayed:
            return Response(status_code=499)  # nobody reads this
        return Response(encode(answer.response), headers=answer_headers(request) | stream.headers, media_type=JSON)

    async def _finish(self, answer: ResponseAnswer, turn: Turn, error: ApiError | None) -> None:
        """All is settled. A response that is to be kept is kept before its client hears of the end."""
        answer.finish(error)
        if answer.response.store:
            await self._state.responses.keep(answer.response, turn)


def tolerate(request: Request, body: Any) -> set[str]:
    """Fills in the `type` that items may leave out, and takes out the tools that Codex CLI cannot be told to leave out:
    their names. Whoever else sends tools of other kinds is told so. Raises InvalidRequestError."""
    typed_items(body)
    if not isinstance(body, dict) or not isinstance(body.get("tools"), list):
        return set()
    codex = of_codex(request)
    kinds = ["function"] if codex else ["function", "mcp"]
    is_other = [isinstance(tool, dict) and tool.get("type", "function") not in kinds for tool in body["tools"]]
    others = list(compress(body["tools"], is_other))
    if others and not codex:
        index = is_other.index(True)
        raise InvalidRequestError(
            f"Unsupported value for 'tools[{index}].type': {str(others[0]['type'])[:60]!r}. Give functions, and run "
            'them yourself, or name tools of this server: {"type": "mcp", "server_label": …, "allowed_tools": […]}.',
            param=f"tools[{index}].type",
            code="unsupported_value",
        )
    body["tools"] = [tool for tool, other in zip(body["tools"], is_other, strict=True) if not other]
    return {f"tools.{tool['type']}" for tool in others}


def of_codex(request: Request) -> bool:
    """Codex CLI says who it is in either of two headers."""
    return any(request.headers.get(name, "").lower().startswith("codex") for name in ("originator", "user-agent"))
