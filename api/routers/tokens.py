"""What texts are to a model: POST /v1/chat/completions/input_tokens, /v1/tokenize, /v1/detokenize."""

from __future__ import annotations

from fastapi import Request

from api.clients.generate_request import from_chat, server_tools
from api.clients.tokenize_request import from_tokenize
from api.dependencies import asking
from api.generated import schemas as s
from api.generated.routes import TokensApi
from api.rules import check_chat, check_tokenize
from api.state import AppState


class Tokens(TokensApi):
    def __init__(self, state: AppState) -> None:
        self._state = state

    async def count_chat_tokens(self, request: Request, body: s.ChatCompletionRequest) -> s.InputTokens:
        check_chat(body)
        wanted = from_chat(body)
        self._state.tools.server.offer(wanted.chat, server_tools(body.tools))
        tokens = await self._state.tokens.count(wanted, *asking(request, body.model), operation="countChatTokens")
        return s.InputTokens(object="response.input_tokens", input_tokens=tokens)

    async def tokenize(self, request: Request, body: s.TokenizeRequest) -> s.TokenizeResponse:
        check_tokenize(body)
        wanted = from_tokenize(body)
        self._state.tools.server.offer(wanted.chat, server_tools(body.tools))
        found, model = await self._state.tokens.tokenize(wanted, *asking(request, body.model))
        pieces = [piece.decode("utf-8", "replace") for piece in found.pieces] if body.return_token_strs else None
        return s.TokenizeResponse(
            count=len(found.tokens),
            max_model_len=model.context_length,
            tokens=list(found.tokens),
            token_strs=pieces,
        )

    async def detokenize(self, request: Request, body: s.DetokenizeRequest) -> s.DetokenizeResponse:
        text = await self._state.tokens.detokenize(body.model, body.tokens, *asking(request, body.model))
        return s.DetokenizeResponse(prompt=text)
