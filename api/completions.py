"""What a worker generated → the objects of the public contract."""

from __future__ import annotations

from collections.abc import Iterable

from api.clients.session import Delta, TokenLogprob
from api.generated import schemas as s
from api.services.chat import FINISH_NAMES, ChatStream


class ChoiceCollector:
    """One choice of a whole answer, put together from its deltas."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[s.ToolCall] = []
        self._logprobs: list[TokenLogprob] = []
        self._finish: int = 0

    def add(self, delta: Delta) -> None:
        if delta.text:
            self._text.append(delta.text)
        if delta.reasoning:
            self._reasoning.append(delta.reasoning)
        if delta.logprobs:
            self._logprobs.extend(delta.logprobs)
        for part in delta.tool_calls:
            if part.id:
                call = s.FunctionCall(name=part.name, arguments=part.arguments)
                self._calls.append(s.ToolCall(id=part.id, type="function", function=call))
            else:
                self._calls[part.index].function.arguments += part.arguments
        if delta.finish:
            self._finish = delta.finish

    def choice(self, with_logprobs: bool) -> s.Choice:
        text = "".join(self._text)
        message = s.ChatCompletionMessage(
            role="assistant", content=text if text or not self._calls else None, refusal=None, annotations=[]
        )
        if self._reasoning:
            message.reasoning_content = "".join(self._reasoning)
        if self._calls:
            message.tool_calls = self._calls
        return s.Choice(
            index=self._index,
            message=message,
            logprobs=logprobs_of(self._logprobs) if with_logprobs else None,
            finish_reason=FINISH_NAMES.get(self._finish, "stop"),
        )


def usage_of(stream: ChatStream) -> s.CompletionUsage:
    """Details are sub-counts, never extra."""
    usage = stream.usage()
    shown = s.CompletionUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
        prompt_tokens_details=s.PromptTokensDetails(cached_tokens=usage.cached_tokens, audio_tokens=0),
        completion_tokens_details=s.CompletionTokensDetails(
            reasoning_tokens=usage.reasoning_tokens,
            audio_tokens=0,
            accepted_prediction_tokens=0,
            rejected_prediction_tokens=0,
        ),
    )
    if stream.exhausted:
        shown.code = "budget_exhausted"
    return shown


def logprobs_of(tokens: Iterable[TokenLogprob]) -> s.ChoiceLogprobs:
    content = [
        s.TokenLogprob(
            token=text_of(token.token),
            logprob=token.logprob,
            bytes=list(token.token),
            top_logprobs=[
                s.TopLogprob(token=text_of(top.token), logprob=top.logprob, bytes=list(top.token)) for top in token.top
            ],
        )
        for token in tokens
    ]
    return s.ChoiceLogprobs(content=content, refusal=None)


def text_of(token: bytes) -> str:
    return token.decode("utf-8", errors="replace")
