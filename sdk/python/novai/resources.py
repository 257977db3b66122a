# Generated from openapi/spec.yaml by `make sdk`. Do not edit.

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, overload

from . import types
from ._runtime.call import Call
from ._runtime.client import AsyncClient, SyncClient
from ._runtime.encoding import FileInput, path
from ._runtime.omit import Omit, omit
from ._runtime.pages import AsyncPages, Page
from ._runtime.resource import Resource
from ._runtime.responses import BinaryResponse, async_raw, async_streamed, raw, streamed
from ._runtime.streaming import AsyncStream, Stream
from .helpers.batches import AsyncBatchesHelpers, BatchesHelpers
from .helpers.chat__completions import AsyncChatCompletionsHelpers, ChatCompletionsHelpers
from .helpers.embeddings import AsyncEmbeddingsHelpers, EmbeddingsHelpers
from .helpers.files import AsyncFilesHelpers, FilesHelpers
from .helpers.messages import AsyncMessagesHelpers, MessagesHelpers
from .helpers.responses import AsyncResponsesHelpers, ResponsesHelpers

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from . import params
    from ._runtime.call import RequestOptions


class ChatCompletionsInputTokens(Resource[SyncClient]):
    """`client.chat.completions.input_tokens`"""

    @cached_property
    def with_raw_response(self) -> ChatCompletionsInputTokensWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return ChatCompletionsInputTokensWithRawResponse(ChatCompletionsInputTokens(self._raw()))

    @cached_property
    def with_streaming_response(self) -> ChatCompletionsInputTokensWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return ChatCompletionsInputTokensWithStreamingResponse(ChatCompletionsInputTokens(self._streamed()))

    def count(
        self,
        *,
        model: str,
        messages: Sequence[params.ChatMessage],
        stream: bool | None | Omit = omit,
        stream_options: params.StreamOptions | None | Omit = omit,
        max_completion_tokens: int | None | Omit = omit,
        max_tokens: int | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        min_p: float | None | Omit = omit,
        repetition_penalty: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        logit_bias: params.LogitBias | None | Omit = omit,
        seed: int | None | Omit = omit,
        stop: str | Sequence[str] | None | Omit = omit,
        stop_token_ids: Sequence[int] | None | Omit = omit,
        ignore_eos: bool | None | Omit = omit,
        min_tokens: int | None | Omit = omit,
        n: int | None | Omit = omit,
        logprobs: bool | None | Omit = omit,
        top_logprobs: int | None | Omit = omit,
        tools: Sequence[params.Tool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        response_format: params.ResponseFormat | None | Omit = omit,
        structured_outputs: params.StructuredOutputs | None | Omit = omit,
        reasoning_effort: params.ReasoningEffort | None | Omit = omit,
        chat_template_kwargs: params.ChatTemplateKwargs | None | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        modalities: Sequence[Literal["text"]] | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        store: bool | None | Omit = omit,
        user: str | None | Omit = omit,
        safety_identifier: str | None | Omit = omit,
        prompt_cache_key: str | None | Omit = omit,
        prompt_cache_retention: str | None | Omit = omit,
        prompt_cache_options: dict[str, Any] | None | Omit = omit,
        verbosity: str | None | Omit = omit,
        prediction: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.InputTokens:
        """Count the tokens of a chat completion's prompt.

        Tokens of the prompt as the model would see it, tools and template included. Nothing is
        generated and nothing is charged; it counts as a request for the rate limits.

        Args:
            model: The model's id or an alias, as `GET /v1/models` lists them. The answer says the id.
            messages: The conversation so far.
            stream: Send the answer as server-sent events while it is generated.
            stream_options: Only with `stream`.
            max_completion_tokens: Tokens generated at most. Without it, as many as the context leaves.
            max_tokens: The older name; `max_completion_tokens` wins when both are given.
            temperature: 0 always takes the likeliest token.
            top_p: Nucleus sampling. 0 means the smallest nucleus, the likeliest token.
            top_k: Sample among the k likeliest tokens. 0 or -1 is off, the default.
            min_p: Drop tokens less likely than this share of the likeliest one's probability.
            repetition_penalty: Above 1 makes tokens that occurred less likely. 1 is off, the default.
            logit_bias: Added to the logits of single tokens, by token id.
            seed: The same seed and request give the same answer, as far as the hardware allows.
            stop: The answer ends before the first of these texts.
            ignore_eos: Go on past the model's own end, up to the token limit.
            n: How many answers. The prompt is computed and counted once.
            logprobs: Log-probabilities of the tokens under the model's own distribution: before penalties,
                biases, temperature and whatever constrains the output.
            top_logprobs: Needs `logprobs`.
            tools: What the model may call. Calls of a tool with `strict` match its parameters; those of
                others are as good as the model, unless `tool_choice` asks for calls.
            tool_choice: Binding: with `required`, or one tool named, nothing but calls is generated; with
                `allowed_tools` no other tool can be called. `auto` where tools are given.
            parallel_tool_calls: Whether an answer may hold several calls, 16 at most where calls are enforced; else one
                at most.
            response_format: What the answer must be. JSON is enforced while it is generated: with no white space but
                one blank behind a comma or colon where the model writes it, and valid whenever
                `finish_reason` is `stop`. With `tools` the model may still call one of them instead.
                Reasoning comes before it and is free.
            structured_outputs: More forms of an answer, enforced as `response_format` is. Not together with that.
            reasoning_effort: Models with levels of reasoning take `low`, `medium` and `high`; models that can be told
                whether to reason do not with `none`, and do with all others. What a model cannot do is
                refused.
            metadata: Accepted. It comes back in the answer, unless that is streamed, and is stored nowhere.
            service_tier: Accepted. All requests run in the tier `default`.
            store: Accepted. Completions are not stored.
            user: Accepted; recorded nowhere.
            safety_identifier: Accepted; recorded nowhere.
            prompt_cache_key: Accepted. Prompts that begin alike share what was computed in any case.
            prompt_cache_retention: Accepted; what was computed is kept while there is room.
            prompt_cache_options: Accepted, as `prompt_cache_key` is.
            verbosity: Accepted; ask for a length in the prompt.
            prediction: Accepted; it speeds nothing up here.
        """
        call = Call(
            "POST",
            "/v1/chat/completions/input_tokens",
            body={
                "model": model,
                "messages": messages,
                "stream": stream,
                "stream_options": stream_options,
                "max_completion_tokens": max_completion_tokens,
                "max_tokens": max_tokens,
                "temperature": temperature,
                "top_p": top_p,
                "top_k": top_k,
                "min_p": min_p,
                "repetition_penalty": repetition_penalty,
                "presence_penalty": presence_penalty,
                "frequency_penalty": frequency_penalty,
                "logit_bias": logit_bias,
                "seed": seed,
                "stop": stop,
                "stop_token_ids": stop_token_ids,
                "ignore_eos": ignore_eos,
                "min_tokens": min_tokens,
                "n": n,
                "logprobs": logprobs,
                "top_logprobs": top_logprobs,
                "tools": tools,
                "tool_choice": tool_choice,
                "parallel_tool_calls": parallel_tool_calls,
                "response_format": response_format,
                "structured_outputs": structured_outputs,
                "reasoning_effort": reasoning_effort,
                "chat_template_kwargs": chat_template_kwargs,
                "metadata": metadata,
                "modalities": modalities,
                "service_tier": service_tier,
                "store": store,
                "user": user,
                "safety_identifier": safety_identifier,
                "prompt_cache_key": prompt_cache_key,
                "prompt_cache_retention": prompt_cache_retention,
                "prompt_cache_options": prompt_cache_options,
                "verbosity": verbosity,
                "prediction": prediction,
            },
            **options,
        )
        return self._client.request(call, types.InputTokens)


class ChatCompletionsInputTokensWithRawResponse:
    def __init__(self, resource: ChatCompletionsInputTokens) -> None:
        self.count = raw(resource.count)


class ChatCompletionsInputTokensWithStreamingResponse:
    def __init__(self, resource: ChatCompletionsInputTokens) -> None:
        self.count = streamed(resource.count)


class AsyncChatCompletionsInputTokens(Resource[AsyncClient]):
    """`client.chat.completions.input_tokens`"""

    @cached_property
    def with_raw_response(self) -> AsyncChatCompletionsInputTokensWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncChatCompletionsInputTokensWithRawResponse(AsyncChatCompletionsInputTokens(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncChatCompletionsInputTokensWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncChatCompletionsInputTokensWithStreamingResponse(AsyncChatCompletionsInputTokens(self._streamed()))

    async def count(
        self,
        *,
        model: str,
        messages: Sequence[params.ChatMessage],
        stream: bool | None | Omit = omit,
        stream_options: params.StreamOptions | None | Omit = omit,
        max_completion_tokens: int | None | Omit = omit,
        max_tokens: int | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        min_p: float | None | Omit = omit,
        repetition_penalty: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        logit_bias: params.LogitBias | None | Omit = omit,
        seed: int | None | Omit = omit,
        stop: str | Sequence[str] | None | Omit = omit,
        stop_token_ids: Sequence[int] | None | Omit = omit,
        ignore_eos: bool | None | Omit = omit,
        min_tokens: int | None | Omit = omit,
        n: int | None | Omit = omit,
        logprobs: bool | None | Omit = omit,
        top_logprobs: int | None | Omit = omit,
        tools: Sequence[params.Tool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        response_format: params.ResponseFormat | None | Omit = omit,
        structured_outputs: params.StructuredOutputs | None | Omit = omit,
        reasoning_effort: params.ReasoningEffort | None | Omit = omit,
        chat_template_kwargs: params.ChatTemplateKwargs | None | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        modalities: Sequence[Literal["text"]] | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        store: bool | None | Omit = omit,
        user: str | None | Omit = omit,
        safety_identifier: str | None | Omit = omit,
        prompt_cache_key: str | None | Omit = omit,
        prompt_cache_retention: str | None | Omit = omit,
        prompt_cache_options: dict[str, Any] | None | Omit = omit,
        verbosity: str | None | Omit = omit,
        prediction: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.InputTokens:
        """Count the tokens of a chat completion's prompt.

        Tokens of the prompt as the model would see it, tools and template included. Nothing is
        generated and nothing is charged; it counts as a request for the rate limits.

        Args:
            model: The model's id or an alias, as `GET /v1/models` lists them. The answer says the id.
            messages: The conversation so far.
            stream: Send the answer as server-sent events while it is generated.
            stream_options: Only with `stream`.
            max_completion_tokens: Tokens generated at most. Without it, as many as the context leaves.
            max_tokens: The older name; `max_completion_tokens` wins when both are given.
            temperature: 0 always takes the likeliest token.
            top_p: Nucleus sampling. 0 means the smallest nucleus, the likeliest token.
            top_k: Sample among the k likeliest tokens. 0 or -1 is off, the default.
            min_p: Drop tokens less likely than this share of the likeliest one's probability.
            repetition_penalty: Above 1 makes tokens that occurred less likely. 1 is off, the default.
            logit_bias: Added to the logits of single tokens, by token id.
            seed: The same seed and request give the same answer, as far as the hardware allows.
            stop: The answer ends before the first of these texts.
            ignore_eos: Go on past the model's own end, up to the token limit.
            n: How many answers. The prompt is computed and counted once.
            logprobs: Log-probabilities of the tokens under the model's own distribution: before penalties,
                biases, temperature and whatever constrains the output.
            top_logprobs: Needs `logprobs`.
            tools: What the model may call. Calls of a tool with `strict` match its parameters; those of
                others are as good as the model, unless `tool_choice` asks for calls.
            tool_choice: Binding: with `required`, or one tool named, nothing but calls is generated; with
                `allowed_tools` no other tool can be called. `auto` where tools are given.
            parallel_tool_calls: Whether an answer may hold several calls, 16 at most where calls are enforced; else one
                at most.
            response_format: What the answer must be. JSON is enforced while it is generated: with no white space but
                one blank behind a comma or colon where the model writes it, and valid whenever
                `finish_reason` is `stop`. With `tools` the model may still call one of them instead.
                Reasoning comes before it and is free.
            structured_outputs: More forms of an answer, enforced as `response_format` is. Not together with that.
            reasoning_effort: Models with levels of reasoning take `low`, `medium` and `high`; models that can be told
                whether to reason do not with `none`, and do with all others. What a model cannot do is
                refused.
            metadata: Accepted. It comes back in the answer, unless that is streamed, and is stored nowhere.
            service_tier: Accepted. All requests run in the tier `default`.
            store: Accepted. Completions are not stored.
            user: Accepted; recorded nowhere.
            safety_identifier: Accepted; recorded nowhere.
            prompt_cache_key: Accepted. Prompts that begin alike share what was computed in any case.
            prompt_cache_retention: Accepted; what was computed is kept while there is room.
            prompt_cache_options: Accepted, as `prompt_cache_key` is.
            verbosity: Accepted; ask for a length in the prompt.
            prediction: Accepted; it speeds nothing up here.
        """
        call = Call(
            "POST",
            "/v1/chat/completions/input_tokens",
            body={
                "model": model,
                "messages": messages,
                "stream": stream,
                "stream_options": stream_options,
                "max_completion_tokens": max_completion_tokens,
                "max_tokens": max_tokens,
                "temperature": temperature,
                "top_p": top_p,
                "top_k": top_k,
                "min_p": min_p,
                "repetition_penalty": repetition_penalty,
                "presence_penalty": presence_penalty,
                "frequency_penalty": frequency_penalty,
                "logit_bias": logit_bias,
                "seed": seed,
                "stop": stop,
                "stop_token_ids": stop_token_ids,
                "ignore_eos": ignore_eos,
                "min_tokens": min_tokens,
                "n": n,
                "logprobs": logprobs,
                "top_logprobs": top_logprobs,
                "tools": tools,
                "tool_choice": tool_choice,
                "parallel_tool_calls": parallel_tool_calls,
                "response_format": response_format,
                "structured_outputs": structured_outputs,
                "reasoning_effort": reasoning_effort,
                "chat_template_kwargs": chat_template_kwargs,
                "metadata": metadata,
                "modalities": modalities,
                "service_tier": service_tier,
                "store": store,
                "user": user,
                "safety_identifier": safety_identifier,
                "prompt_cache_key": prompt_cache_key,
                "prompt_cache_retention": prompt_cache_retention,
                "prompt_cache_options": prompt_cache_options,
                "verbosity": verbosity,
                "prediction": prediction,
            },
            **options,
        )
        return await self._client.request(call, types.InputTokens)


class AsyncChatCompletionsInputTokensWithRawResponse:
    def __init__(self, resource: AsyncChatCompletionsInputTokens) -> None:
        self.count = async_raw(resource.count)


class AsyncChatCompletionsInputTokensWithStreamingResponse:
    def __init__(self, resource: AsyncChatCompletionsInputTokens) -> None:
        self.count = async_streamed(resource.count)


class ChatCompletions(ChatCompletionsHelpers, Resource[SyncClient]):
    """`client.chat.completions`"""

    @cached_property
    def input_tokens(self) -> ChatCompletionsInputTokens:
        return ChatCompletionsInputTokens(self._client)

    @cached_property
    def with_raw_response(self) -> ChatCompletionsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return ChatCompletionsWithRawResponse(ChatCompletions(self._raw()))

    @cached_property
    def with_streaming_response(self) -> ChatCompletionsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return ChatCompletionsWithStreamingResponse(ChatCompletions(self._streamed()))

    @overload
    def create(
        self,
        *,
        model: str,
        messages: Sequence[params.ChatMessage],
        stream: Literal[False] | None | Omit = omit,
        stream_options: params.StreamOptions | None | Omit = omit,
        max_completion_tokens: int | None | Omit = omit,
        max_tokens: int | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        min_p: float | None | Omit = omit,
        repetition_penalty: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        logit_bias: params.LogitBias | None | Omit = omit,
        seed: int | None | Omit = omit,
        stop: str | Sequence[str] | None | Omit = omit,
        stop_token_ids: Sequence[int] | None | Omit = omit,
        ignore_eos: bool | None | Omit = omit,
        min_tokens: int | None | Omit = omit,
        n: int | None | Omit = omit,
        logprobs: bool | None | Omit = omit,
        top_logprobs: int | None | Omit = omit,
        tools: Sequence[params.Tool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        response_format: params.ResponseFormat | None | Omit = omit,
        structured_outputs: params.StructuredOutputs | None | Omit = omit,
        reasoning_effort: params.ReasoningEffort | None | Omit = omit,
        chat_template_kwargs: params.ChatTemplateKwargs | None | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        modalities: Sequence[Literal["text"]] | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        store: bool | None | Omit = omit,
        user: str | None | Omit = omit,
        safety_identifier: str | None | Omit = omit,
        prompt_cache_key: str | None | Omit = omit,
        prompt_cache_retention: str | None | Omit = omit,
        prompt_cache_options: dict[str, Any] | None | Omit = omit,
        verbosity: str | None | Omit = omit,
        prediction: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.ChatCompletion: ...

    @overload
    def create(
        self,
        *,
        model: str,
        messages: Sequence[params.ChatMessage],
        stream: Literal[True],
        stream_options: params.StreamOptions | None | Omit = omit,
        max_completion_tokens: int | None | Omit = omit,
        max_tokens: int | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        min_p: float | None | Omit = omit,
        repetition_penalty: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        logit_bias: params.LogitBias | None | Omit = omit,
        seed: int | None | Omit = omit,
        stop: str | Sequence[str] | None | Omit = omit,
        stop_token_ids: Sequence[int] | None | Omit = omit,
        ignore_eos: bool | None | Omit = omit,
        min_tokens: int | None | Omit = omit,
        n: int | None | Omit = omit,
        logprobs: bool | None | Omit = omit,
        top_logprobs: int | None | Omit = omit,
        tools: Sequence[params.Tool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        response_format: params.ResponseFormat | None | Omit = omit,
        structured_outputs: params.StructuredOutputs | None | Omit = omit,
        reasoning_effort: params.ReasoningEffort | None | Omit = omit,
        chat_template_kwargs: params.ChatTemplateKwargs | None | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        modalities: Sequence[Literal["text"]] | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        store: bool | None | Omit = omit,
        user: str | None | Omit = omit,
        safety_identifier: str | None | Omit = omit,
        prompt_cache_key: str | None | Omit = omit,
        prompt_cache_retention: str | None | Omit = omit,
        prompt_cache_options: dict[str, Any] | None | Omit = omit,
        verbosity: str | None | Omit = omit,
        prediction: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Stream[types.ChatCompletionChunk]: ...

    @overload
    def create(
        self,
        *,
        model: str,
        messages: Sequence[params.ChatMessage],
        stream: bool | None | Omit,
        stream_options: params.StreamOptions | None | Omit = omit,
        max_completion_tokens: int | None | Omit = omit,
        max_tokens: int | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        min_p: float | None | Omit = omit,
        repetition_penalty: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        logit_bias: params.LogitBias | None | Omit = omit,
        seed: int | None | Omit = omit,
        stop: str | Sequence[str] | None | Omit = omit,
        stop_token_ids: Sequence[int] | None | Omit = omit,
        ignore_eos: bool | None | Omit = omit,
        min_tokens: int | None | Omit = omit,
        n: int | None | Omit = omit,
        logprobs: bool | None | Omit = omit,
        top_logprobs: int | None | Omit = omit,
        tools: Sequence[params.Tool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        response_format: params.ResponseFormat | None | Omit = omit,
        structured_outputs: params.StructuredOutputs | None | Omit = omit,
        reasoning_effort: params.ReasoningEffort | None | Omit = omit,
        chat_template_kwargs: params.ChatTemplateKwargs | None | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        modalities: Sequence[Literal["text"]] | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        store: bool | None | Omit = omit,
        user: str | None | Omit = omit,
        safety_identifier: str | None | Omit = omit,
        prompt_cache_key: str | None | Omit = omit,
        prompt_cache_retention: str | None | Omit = omit,
        prompt_cache_options: dict[str, Any] | None | Omit = omit,
        verbosity: str | None | Omit = omit,
        prediction: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.ChatCompletion | Stream[types.ChatCompletionChunk]: ...

    def create(
        self,
        *,
        model: str,
        messages: Sequence[params.ChatMessage],
        stream: bool | None | Omit = omit,
        stream_options: params.StreamOptions | None | Omit = omit,
        max_completion_tokens: int | None | Omit = omit,
        max_tokens: int | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        min_p: float | None | Omit = omit,
        repetition_penalty: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        logit_bias: params.LogitBias | None | Omit = omit,
        seed: int | None | Omit = omit,
        stop: str | Sequence[str] | None | Omit = omit,
        stop_token_ids: Sequence[int] | None | Omit = omit,
        ignore_eos: bool | None | Omit = omit,
        min_tokens: int | None | Omit = omit,
        n: int | None | Omit = omit,
        logprobs: bool | None | Omit = omit,
        top_logprobs: int | None | Omit = omit,
        tools: Sequence[params.Tool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        response_format: params.ResponseFormat | None | Omit = omit,
        structured_outputs: params.StructuredOutputs | None | Omit = omit,
        reasoning_effort: params.ReasoningEffort | None | Omit = omit,
        chat_template_kwargs: params.ChatTemplateKwargs | None | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        modalities: Sequence[Literal["text"]] | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        store: bool | None | Omit = omit,
        user: str | None | Omit = omit,
        safety_identifier: str | None | Omit = omit,
        prompt_cache_key: str | None | Omit = omit,
        prompt_cache_retention: str | None | Omit = omit,
        prompt_cache_options: dict[str, Any] | None | Omit = omit,
        verbosity: str | None | Omit = omit,
        prediction: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """Create a chat completion.

        Answers a conversation. With `stream: true` the answer arrives as server-sent events
        while it is generated, one `ChatCompletionChunk` each, then `data: [DONE]`. Until the
        model has accepted the request every failure is an HTTP status; after that a failure is
        one event `data: {"error": …}` and the stream ends.

        When the client leaves, generation stops at once; what was generated until then is
        recorded.

        Tools of the type `novai_tool` are run by this server (`ServerTool`): the model is asked
        again with their results, until it answers. `usage` is the sum of these rounds; each is
        admitted, limited and charged as a request of its own, the n-th under the id of this one
        and `-n`.

        Args:
            model: The model's id or an alias, as `GET /v1/models` lists them. The answer says the id.
            messages: The conversation so far.
            stream_options: Only with `stream`.
            max_completion_tokens: Tokens generated at most. Without it, as many as the context leaves.
            max_tokens: The older name; `max_completion_tokens` wins when both are given.
            temperature: 0 always takes the likeliest token.
            top_p: Nucleus sampling. 0 means the smallest nucleus, the likeliest token.
            top_k: Sample among the k likeliest tokens. 0 or -1 is off, the default.
            min_p: Drop tokens less likely than this share of the likeliest one's probability.
            repetition_penalty: Above 1 makes tokens that occurred less likely. 1 is off, the default.
            logit_bias: Added to the logits of single tokens, by token id.
            seed: The same seed and request give the same answer, as far as the hardware allows.
            stop: The answer ends before the first of these texts.
            ignore_eos: Go on past the model's own end, up to the token limit.
            n: How many answers. The prompt is computed and counted once.
            logprobs: Log-probabilities of the tokens under the model's own distribution: before penalties,
                biases, temperature and whatever constrains the output.
            top_logprobs: Needs `logprobs`.
            tools: What the model may call. Calls of a tool with `strict` match its parameters; those of
                others are as good as the model, unless `tool_choice` asks for calls.
            tool_choice: Binding: with `required`, or one tool named, nothing but calls is generated; with
                `allowed_tools` no other tool can be called. `auto` where tools are given.
            parallel_tool_calls: Whether an answer may hold several calls, 16 at most where calls are enforced; else one
                at most.
            response_format: What the answer must be. JSON is enforced while it is generated: with no white space but
                one blank behind a comma or colon where the model writes it, and valid whenever
                `finish_reason` is `stop`. With `tools` the model may still call one of them instead.
                Reasoning comes before it and is free.
            structured_outputs: More forms of an answer, enforced as `response_format` is. Not together with that.
            reasoning_effort: Models with levels of reasoning take `low`, `medium` and `high`; models that can be told
                whether to reason do not with `none`, and do with all others. What a model cannot do is
                refused.
            metadata: Accepted. It comes back in the answer, unless that is streamed, and is stored nowhere.
            service_tier: Accepted. All requests run in the tier `default`.
            store: Accepted. Completions are not stored.
            user: Accepted; recorded nowhere.
            safety_identifier: Accepted; recorded nowhere.
            prompt_cache_key: Accepted. Prompts that begin alike share what was computed in any case.
            prompt_cache_retention: Accepted; what was computed is kept while there is room.
            prompt_cache_options: Accepted, as `prompt_cache_key` is.
            verbosity: Accepted; ask for a length in the prompt.
            prediction: Accepted; it speeds nothing up here.
        """
        call = Call(
            "POST",
            "/v1/chat/completions",
            body={
                "model": model,
                "messages": messages,
                "stream": stream,
                "stream_options": stream_options,
                "max_completion_tokens": max_completion_tokens,
                "max_tokens": max_tokens,
                "temperature": temperature,
                "top_p": top_p,
                "top_k": top_k,
                "min_p": min_p,
                "repetition_penalty": repetition_penalty,
                "presence_penalty": presence_penalty,
                "frequency_penalty": frequency_penalty,
                "logit_bias": logit_bias,
                "seed": seed,
                "stop": stop,
                "stop_token_ids": stop_token_ids,
                "ignore_eos": ignore_eos,
                "min_tokens": min_tokens,
                "n": n,
                "logprobs": logprobs,
                "top_logprobs": top_logprobs,
                "tools": tools,
                "tool_choice": tool_choice,
                "parallel_tool_calls": parallel_tool_calls,
                "response_format": response_format,
                "structured_outputs": structured_outputs,
                "reasoning_effort": reasoning_effort,
                "chat_template_kwargs": chat_template_kwargs,
                "metadata": metadata,
                "modalities": modalities,
                "service_tier": service_tier,
                "store": store,
                "user": user,
                "safety_identifier": safety_identifier,
                "prompt_cache_key": prompt_cache_key,
                "prompt_cache_retention": prompt_cache_retention,
                "prompt_cache_options": prompt_cache_options,
                "verbosity": verbosity,
                "prediction": prediction,
            },
            **options,
        )
        if stream:
            return self._client.stream(call, types.ChatCompletionChunk)
        return self._client.request(*self._asked(call, types.ChatCompletion))


class ChatCompletionsWithRawResponse:
    def __init__(self, resource: ChatCompletions) -> None:
        self.create = raw(resource.create)


class ChatCompletionsWithStreamingResponse:
    def __init__(self, resource: ChatCompletions) -> None:
        self.create = streamed(resource.create)


class AsyncChatCompletions(AsyncChatCompletionsHelpers, Resource[AsyncClient]):
    """`client.chat.completions`"""

    @cached_property
    def input_tokens(self) -> AsyncChatCompletionsInputTokens:
        return AsyncChatCompletionsInputTokens(self._client)

    @cached_property
    def with_raw_response(self) -> AsyncChatCompletionsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncChatCompletionsWithRawResponse(AsyncChatCompletions(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncChatCompletionsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncChatCompletionsWithStreamingResponse(AsyncChatCompletions(self._streamed()))

    @overload
    async def create(
        self,
        *,
        model: str,
        messages: Sequence[params.ChatMessage],
        stream: Literal[False] | None | Omit = omit,
        stream_options: params.StreamOptions | None | Omit = omit,
        max_completion_tokens: int | None | Omit = omit,
        max_tokens: int | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        min_p: float | None | Omit = omit,
        repetition_penalty: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        logit_bias: params.LogitBias | None | Omit = omit,
        seed: int | None | Omit = omit,
        stop: str | Sequence[str] | None | Omit = omit,
        stop_token_ids: Sequence[int] | None | Omit = omit,
        ignore_eos: bool | None | Omit = omit,
        min_tokens: int | None | Omit = omit,
        n: int | None | Omit = omit,
        logprobs: bool | None | Omit = omit,
        top_logprobs: int | None | Omit = omit,
        tools: Sequence[params.Tool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        response_format: params.ResponseFormat | None | Omit = omit,
        structured_outputs: params.StructuredOutputs | None | Omit = omit,
        reasoning_effort: params.ReasoningEffort | None | Omit = omit,
        chat_template_kwargs: params.ChatTemplateKwargs | None | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        modalities: Sequence[Literal["text"]] | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        store: bool | None | Omit = omit,
        user: str | None | Omit = omit,
        safety_identifier: str | None | Omit = omit,
        prompt_cache_key: str | None | Omit = omit,
        prompt_cache_retention: str | None | Omit = omit,
        prompt_cache_options: dict[str, Any] | None | Omit = omit,
        verbosity: str | None | Omit = omit,
        prediction: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.ChatCompletion: ...

    @overload
    async def create(
        self,
        *,
        model: str,
        messages: Sequence[params.ChatMessage],
        stream: Literal[True],
        stream_options: params.StreamOptions | None | Omit = omit,
        max_completion_tokens: int | None | Omit = omit,
        max_tokens: int | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        min_p: float | None | Omit = omit,
        repetition_penalty: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        logit_bias: params.LogitBias | None | Omit = omit,
        seed: int | None | Omit = omit,
        stop: str | Sequence[str] | None | Omit = omit,
        stop_token_ids: Sequence[int] | None | Omit = omit,
        ignore_eos: bool | None | Omit = omit,
        min_tokens: int | None | Omit = omit,
        n: int | None | Omit = omit,
        logprobs: bool | None | Omit = omit,
        top_logprobs: int | None | Omit = omit,
        tools: Sequence[params.Tool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        response_format: params.ResponseFormat | None | Omit = omit,
        structured_outputs: params.StructuredOutputs | None | Omit = omit,
        reasoning_effort: params.ReasoningEffort | None | Omit = omit,
        chat_template_kwargs: params.ChatTemplateKwargs | None | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        modalities: Sequence[Literal["text"]] | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        store: bool | None | Omit = omit,
        user: str | None | Omit = omit,
        safety_identifier: str | None | Omit = omit,
        prompt_cache_key: str | None | Omit = omit,
        prompt_cache_retention: str | None | Omit = omit,
        prompt_cache_options: dict[str, Any] | None | Omit = omit,
        verbosity: str | None | Omit = omit,
        prediction: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> AsyncStream[types.ChatCompletionChunk]: ...

    @overload
    async def create(
        self,
        *,
        model: str,
        messages: Sequence[params.ChatMessage],
        stream: bool | None | Omit,
        stream_options: params.StreamOptions | None | Omit = omit,
        max_completion_tokens: int | None | Omit = omit,
        max_tokens: int | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        min_p: float | None | Omit = omit,
        repetition_penalty: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        logit_bias: params.LogitBias | None | Omit = omit,
        seed: int | None | Omit = omit,
        stop: str | Sequence[str] | None | Omit = omit,
        stop_token_ids: Sequence[int] | None | Omit = omit,
        ignore_eos: bool | None | Omit = omit,
        min_tokens: int | None | Omit = omit,
        n: int | None | Omit = omit,
        logprobs: bool | None | Omit = omit,
        top_logprobs: int | None | Omit = omit,
        tools: Sequence[params.Tool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        response_format: params.ResponseFormat | None | Omit = omit,
        structured_outputs: params.StructuredOutputs | None | Omit = omit,
        reasoning_effort: params.ReasoningEffort | None | Omit = omit,
        chat_template_kwargs: params.ChatTemplateKwargs | None | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        modalities: Sequence[Literal["text"]] | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        store: bool | None | Omit = omit,
        user: str | None | Omit = omit,
        safety_identifier: str | None | Omit = omit,
        prompt_cache_key: str | None | Omit = omit,
        prompt_cache_retention: str | None | Omit = omit,
        prompt_cache_options: dict[str, Any] | None | Omit = omit,
        verbosity: str | None | Omit = omit,
        prediction: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.ChatCompletion | AsyncStream[types.ChatCompletionChunk]: ...

    async def create(
        self,
        *,
        model: str,
        messages: Sequence[params.ChatMessage],
        stream: bool | None | Omit = omit,
        stream_options: params.StreamOptions | None | Omit = omit,
        max_completion_tokens: int | None | Omit = omit,
        max_tokens: int | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        min_p: float | None | Omit = omit,
        repetition_penalty: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        logit_bias: params.LogitBias | None | Omit = omit,
        seed: int | None | Omit = omit,
        stop: str | Sequence[str] | None | Omit = omit,
        stop_token_ids: Sequence[int] | None | Omit = omit,
        ignore_eos: bool | None | Omit = omit,
        min_tokens: int | None | Omit = omit,
        n: int | None | Omit = omit,
        logprobs: bool | None | Omit = omit,
        top_logprobs: int | None | Omit = omit,
        tools: Sequence[params.Tool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        response_format: params.ResponseFormat | None | Omit = omit,
        structured_outputs: params.StructuredOutputs | None | Omit = omit,
        reasoning_effort: params.ReasoningEffort | None | Omit = omit,
        chat_template_kwargs: params.ChatTemplateKwargs | None | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        modalities: Sequence[Literal["text"]] | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        store: bool | None | Omit = omit,
        user: str | None | Omit = omit,
        safety_identifier: str | None | Omit = omit,
        prompt_cache_key: str | None | Omit = omit,
        prompt_cache_retention: str | None | Omit = omit,
        prompt_cache_options: dict[str, Any] | None | Omit = omit,
        verbosity: str | None | Omit = omit,
        prediction: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """Create a chat completion.

        Answers a conversation. With `stream: true` the answer arrives as server-sent events
        while it is generated, one `ChatCompletionChunk` each, then `data: [DONE]`. Until the
        model has accepted the request every failure is an HTTP status; after that a failure is
        one event `data: {"error": …}` and the stream ends.

        When the client leaves, generation stops at once; what was generated until then is
        recorded.

        Tools of the type `novai_tool` are run by this server (`ServerTool`): the model is asked
        again with their results, until it answers. `usage` is the sum of these rounds; each is
        admitted, limited and charged as a request of its own, the n-th under the id of this one
        and `-n`.

        Args:
            model: The model's id or an alias, as `GET /v1/models` lists them. The answer says the id.
            messages: The conversation so far.
            stream_options: Only with `stream`.
            max_completion_tokens: Tokens generated at most. Without it, as many as the context leaves.
            max_tokens: The older name; `max_completion_tokens` wins when both are given.
            temperature: 0 always takes the likeliest token.
            top_p: Nucleus sampling. 0 means the smallest nucleus, the likeliest token.
            top_k: Sample among the k likeliest tokens. 0 or -1 is off, the default.
            min_p: Drop tokens less likely than this share of the likeliest one's probability.
            repetition_penalty: Above 1 makes tokens that occurred less likely. 1 is off, the default.
            logit_bias: Added to the logits of single tokens, by token id.
            seed: The same seed and request give the same answer, as far as the hardware allows.
            stop: The answer ends before the first of these texts.
            ignore_eos: Go on past the model's own end, up to the token limit.
            n: How many answers. The prompt is computed and counted once.
            logprobs: Log-probabilities of the tokens under the model's own distribution: before penalties,
                biases, temperature and whatever constrains the output.
            top_logprobs: Needs `logprobs`.
            tools: What the model may call. Calls of a tool with `strict` match its parameters; those of
                others are as good as the model, unless `tool_choice` asks for calls.
            tool_choice: Binding: with `required`, or one tool named, nothing but calls is generated; with
                `allowed_tools` no other tool can be called. `auto` where tools are given.
            parallel_tool_calls: Whether an answer may hold several calls, 16 at most where calls are enforced; else one
                at most.
            response_format: What the answer must be. JSON is enforced while it is generated: with no white space but
                one blank behind a comma or colon where the model writes it, and valid whenever
                `finish_reason` is `stop`. With `tools` the model may still call one of them instead.
                Reasoning comes before it and is free.
            structured_outputs: More forms of an answer, enforced as `response_format` is. Not together with that.
            reasoning_effort: Models with levels of reasoning take `low`, `medium` and `high`; models that can be told
                whether to reason do not with `none`, and do with all others. What a model cannot do is
                refused.
            metadata: Accepted. It comes back in the answer, unless that is streamed, and is stored nowhere.
            service_tier: Accepted. All requests run in the tier `default`.
            store: Accepted. Completions are not stored.
            user: Accepted; recorded nowhere.
            safety_identifier: Accepted; recorded nowhere.
            prompt_cache_key: Accepted. Prompts that begin alike share what was computed in any case.
            prompt_cache_retention: Accepted; what was computed is kept while there is room.
            prompt_cache_options: Accepted, as `prompt_cache_key` is.
            verbosity: Accepted; ask for a length in the prompt.
            prediction: Accepted; it speeds nothing up here.
        """
        call = Call(
            "POST",
            "/v1/chat/completions",
            body={
                "model": model,
                "messages": messages,
                "stream": stream,
                "stream_options": stream_options,
                "max_completion_tokens": max_completion_tokens,
                "max_tokens": max_tokens,
                "temperature": temperature,
                "top_p": top_p,
                "top_k": top_k,
                "min_p": min_p,
                "repetition_penalty": repetition_penalty,
                "presence_penalty": presence_penalty,
                "frequency_penalty": frequency_penalty,
                "logit_bias": logit_bias,
                "seed": seed,
                "stop": stop,
                "stop_token_ids": stop_token_ids,
                "ignore_eos": ignore_eos,
                "min_tokens": min_tokens,
                "n": n,
                "logprobs": logprobs,
                "top_logprobs": top_logprobs,
                "tools": tools,
                "tool_choice": tool_choice,
                "parallel_tool_calls": parallel_tool_calls,
                "response_format": response_format,
                "structured_outputs": structured_outputs,
                "reasoning_effort": reasoning_effort,
                "chat_template_kwargs": chat_template_kwargs,
                "metadata": metadata,
                "modalities": modalities,
                "service_tier": service_tier,
                "store": store,
                "user": user,
                "safety_identifier": safety_identifier,
                "prompt_cache_key": prompt_cache_key,
                "prompt_cache_retention": prompt_cache_retention,
                "prompt_cache_options": prompt_cache_options,
                "verbosity": verbosity,
                "prediction": prediction,
            },
            **options,
        )
        if stream:
            return await self._client.stream(call, types.ChatCompletionChunk)
        return await self._client.request(*self._asked(call, types.ChatCompletion))


class AsyncChatCompletionsWithRawResponse:
    def __init__(self, resource: AsyncChatCompletions) -> None:
        self.create = async_raw(resource.create)


class AsyncChatCompletionsWithStreamingResponse:
    def __init__(self, resource: AsyncChatCompletions) -> None:
        self.create = async_streamed(resource.create)


class ResponsesInputTokens(Resource[SyncClient]):
    """`client.responses.input_tokens`"""

    @cached_property
    def with_raw_response(self) -> ResponsesInputTokensWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return ResponsesInputTokensWithRawResponse(ResponsesInputTokens(self._raw()))

    @cached_property
    def with_streaming_response(self) -> ResponsesInputTokensWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return ResponsesInputTokensWithStreamingResponse(ResponsesInputTokens(self._streamed()))

    def count(
        self,
        *,
        model: str,
        input: str | Sequence[params.ResponseInputItem],
        instructions: str | None | Omit = omit,
        previous_response_id: str | None | Omit = omit,
        tools: Sequence[params.ResponseTool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ResponseToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        text: params.ResponseTextConfig | None | Omit = omit,
        reasoning: params.ResponseReasoningConfig | None | Omit = omit,
        truncation: Literal["disabled"] | None | Omit = omit,
        conversation: None | Omit = omit,
        prompt: None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.InputTokens:
        """Count the tokens of an input.

        As the model would see it, history, instructions and tools included. Free, but a request
        to the limits.

        Args:
            model: The model's id, as `GET /v1/models` lists it.
            input: What the user says, or items of a conversation.
            instructions: Said before everything else. Those of earlier turns are not carried over.
            previous_response_id: Continue from this response, which must have been stored.
            truncation: `auto` is refused: an input that is too long is an error here, never cut.
            conversation: Refused: use `previous_response_id`.
            prompt: Refused: there are no stored prompts.
        """
        call = Call(
            "POST",
            "/v1/responses/input_tokens",
            body={
                "model": model,
                "input": input,
                "instructions": instructions,
                "previous_response_id": previous_response_id,
                "tools": tools,
                "tool_choice": tool_choice,
                "parallel_tool_calls": parallel_tool_calls,
                "text": text,
                "reasoning": reasoning,
                "truncation": truncation,
                "conversation": conversation,
                "prompt": prompt,
            },
            **options,
        )
        return self._client.request(call, types.InputTokens)


class ResponsesInputTokensWithRawResponse:
    def __init__(self, resource: ResponsesInputTokens) -> None:
        self.count = raw(resource.count)


class ResponsesInputTokensWithStreamingResponse:
    def __init__(self, resource: ResponsesInputTokens) -> None:
        self.count = streamed(resource.count)


class AsyncResponsesInputTokens(Resource[AsyncClient]):
    """`client.responses.input_tokens`"""

    @cached_property
    def with_raw_response(self) -> AsyncResponsesInputTokensWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncResponsesInputTokensWithRawResponse(AsyncResponsesInputTokens(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncResponsesInputTokensWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncResponsesInputTokensWithStreamingResponse(AsyncResponsesInputTokens(self._streamed()))

    async def count(
        self,
        *,
        model: str,
        input: str | Sequence[params.ResponseInputItem],
        instructions: str | None | Omit = omit,
        previous_response_id: str | None | Omit = omit,
        tools: Sequence[params.ResponseTool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ResponseToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        text: params.ResponseTextConfig | None | Omit = omit,
        reasoning: params.ResponseReasoningConfig | None | Omit = omit,
        truncation: Literal["disabled"] | None | Omit = omit,
        conversation: None | Omit = omit,
        prompt: None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.InputTokens:
        """Count the tokens of an input.

        As the model would see it, history, instructions and tools included. Free, but a request
        to the limits.

        Args:
            model: The model's id, as `GET /v1/models` lists it.
            input: What the user says, or items of a conversation.
            instructions: Said before everything else. Those of earlier turns are not carried over.
            previous_response_id: Continue from this response, which must have been stored.
            truncation: `auto` is refused: an input that is too long is an error here, never cut.
            conversation: Refused: use `previous_response_id`.
            prompt: Refused: there are no stored prompts.
        """
        call = Call(
            "POST",
            "/v1/responses/input_tokens",
            body={
                "model": model,
                "input": input,
                "instructions": instructions,
                "previous_response_id": previous_response_id,
                "tools": tools,
                "tool_choice": tool_choice,
                "parallel_tool_calls": parallel_tool_calls,
                "text": text,
                "reasoning": reasoning,
                "truncation": truncation,
                "conversation": conversation,
                "prompt": prompt,
            },
            **options,
        )
        return await self._client.request(call, types.InputTokens)


class AsyncResponsesInputTokensWithRawResponse:
    def __init__(self, resource: AsyncResponsesInputTokens) -> None:
        self.count = async_raw(resource.count)


class AsyncResponsesInputTokensWithStreamingResponse:
    def __init__(self, resource: AsyncResponsesInputTokens) -> None:
        self.count = async_streamed(resource.count)


class ResponsesInputItems(Resource[SyncClient]):
    """`client.responses.input_items`"""

    @cached_property
    def with_raw_response(self) -> ResponsesInputItemsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return ResponsesInputItemsWithRawResponse(ResponsesInputItems(self._raw()))

    @cached_property
    def with_streaming_response(self) -> ResponsesInputItemsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return ResponsesInputItemsWithStreamingResponse(ResponsesInputItems(self._streamed()))

    def list(
        self,
        response_id: str,
        *,
        limit: int | Omit = omit,
        order: Literal["asc", "desc"] | Omit = omit,
        after: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Page[types.ResponseInputItem]:
        """List the input of a response.

        The items of its own request; those of earlier turns belong to `previous_response_id`.
        An `item_reference` is listed as the item it stood for.

        Args:
            limit: Items at most.
            order: `asc`: as they were sent; `desc`: the last one first.
            after: The page begins after the item with this id: `last_id` of the page before.
        """
        call = Call(
            "GET",
            path("/v1/responses/{response_id}/input_items", response_id=response_id),
            query={
                "limit": limit,
                "order": order,
                "after": after,
            },
            **options,
        )
        return self._client.page(call, types.ResponseInputItem, "last_id")


class ResponsesInputItemsWithRawResponse:
    def __init__(self, resource: ResponsesInputItems) -> None:
        self.list = raw(resource.list)


class ResponsesInputItemsWithStreamingResponse:
    def __init__(self, resource: ResponsesInputItems) -> None:
        self.list = streamed(resource.list)


class AsyncResponsesInputItems(Resource[AsyncClient]):
    """`client.responses.input_items`"""

    @cached_property
    def with_raw_response(self) -> AsyncResponsesInputItemsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncResponsesInputItemsWithRawResponse(AsyncResponsesInputItems(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncResponsesInputItemsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncResponsesInputItemsWithStreamingResponse(AsyncResponsesInputItems(self._streamed()))

    def list(
        self,
        response_id: str,
        *,
        limit: int | Omit = omit,
        order: Literal["asc", "desc"] | Omit = omit,
        after: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> AsyncPages[types.ResponseInputItem]:
        """List the input of a response.

        The items of its own request; those of earlier turns belong to `previous_response_id`.
        An `item_reference` is listed as the item it stood for.

        Args:
            limit: Items at most.
            order: `asc`: as they were sent; `desc`: the last one first.
            after: The page begins after the item with this id: `last_id` of the page before.
        """
        call = Call(
            "GET",
            path("/v1/responses/{response_id}/input_items", response_id=response_id),
            query={
                "limit": limit,
                "order": order,
                "after": after,
            },
            **options,
        )
        return self._client.page(call, types.ResponseInputItem, "last_id")


class AsyncResponsesInputItemsWithRawResponse:
    def __init__(self, resource: AsyncResponsesInputItems) -> None:
        self.list = async_raw(resource.list)


class AsyncResponsesInputItemsWithStreamingResponse:
    def __init__(self, resource: AsyncResponsesInputItems) -> None:
        self.list = async_streamed(resource.list)


class UsageRequests(Resource[SyncClient]):
    """`client.usage.requests`"""

    @cached_property
    def with_raw_response(self) -> UsageRequestsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return UsageRequestsWithRawResponse(UsageRequests(self._raw()))

    @cached_property
    def with_streaming_response(self) -> UsageRequestsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return UsageRequestsWithStreamingResponse(UsageRequests(self._streamed()))

    def retrieve(
        self,
        request_id: str,
        **options: Unpack[RequestOptions],
    ) -> types.RequestUsage:
        """Explain the bill of a request.

        What one request used and cost, and why: `request_id` is the `x-request-id` of its
        answer. Requests of projects that the key cannot see do not exist for it (404), nor do
        those that were refused before anything was held.

        """
        call = Call(
            "GET",
            path("/v1/usage/requests/{request_id}", request_id=request_id),
            **options,
        )
        return self._client.request(call, types.RequestUsage)


class UsageRequestsWithRawResponse:
    def __init__(self, resource: UsageRequests) -> None:
        self.retrieve = raw(resource.retrieve)


class UsageRequestsWithStreamingResponse:
    def __init__(self, resource: UsageRequests) -> None:
        self.retrieve = streamed(resource.retrieve)


class AsyncUsageRequests(Resource[AsyncClient]):
    """`client.usage.requests`"""

    @cached_property
    def with_raw_response(self) -> AsyncUsageRequestsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncUsageRequestsWithRawResponse(AsyncUsageRequests(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncUsageRequestsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncUsageRequestsWithStreamingResponse(AsyncUsageRequests(self._streamed()))

    async def retrieve(
        self,
        request_id: str,
        **options: Unpack[RequestOptions],
    ) -> types.RequestUsage:
        """Explain the bill of a request.

        What one request used and cost, and why: `request_id` is the `x-request-id` of its
        answer. Requests of projects that the key cannot see do not exist for it (404), nor do
        those that were refused before anything was held.

        """
        call = Call(
            "GET",
            path("/v1/usage/requests/{request_id}", request_id=request_id),
            **options,
        )
        return await self._client.request(call, types.RequestUsage)


class AsyncUsageRequestsWithRawResponse:
    def __init__(self, resource: AsyncUsageRequests) -> None:
        self.retrieve = async_raw(resource.retrieve)


class AsyncUsageRequestsWithStreamingResponse:
    def __init__(self, resource: AsyncUsageRequests) -> None:
        self.retrieve = async_streamed(resource.retrieve)


class AdminProjects(Resource[SyncClient]):
    """`client.admin.projects`"""

    @cached_property
    def with_raw_response(self) -> AdminProjectsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AdminProjectsWithRawResponse(AdminProjects(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AdminProjectsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AdminProjectsWithStreamingResponse(AdminProjects(self._streamed()))

    def list(
        self,
        **options: Unpack[RequestOptions],
    ) -> Page[types.AdminProject]:
        """List projects."""
        call = Call(
            "GET",
            "/admin/v1/projects",
            **options,
        )
        return self._client.page(call, types.AdminProject, None)

    def create(
        self,
        *,
        name: str,
        **options: Unpack[RequestOptions],
    ) -> types.AdminProject:
        """Create a project.

        Its name may stand in paths, so it has no `/` and is neither `.` nor `..` (400).

        Args:
            name: Without white space around it.
        """
        call = Call(
            "POST",
            "/admin/v1/projects",
            body={
                "name": name,
            },
            **options,
        )
        return self._client.request(call, types.AdminProject)

    def archive(
        self,
        project: str,
        **options: Unpack[RequestOptions],
    ) -> types.AdminProject:
        """Archive a project.

        Its keys stop working within a second; its usage stays. A key cannot archive its own
        project.

        """
        call = Call(
            "POST",
            path("/admin/v1/projects/{project}/archive", project=project),
            **options,
        )
        return self._client.request(call, types.AdminProject)

    def assign_tier(
        self,
        project: str,
        *,
        tier: str,
        **options: Unpack[RequestOptions],
    ) -> types.AdminProject:
        """Give a project another tier.

        Args:
            tier: Without white space around it.
        """
        call = Call(
            "PUT",
            path("/admin/v1/projects/{project}/tier", project=project),
            body={
                "tier": tier,
            },
            **options,
        )
        return self._client.request(call, types.AdminProject)


class AdminProjectsWithRawResponse:
    def __init__(self, resource: AdminProjects) -> None:
        self.list = raw(resource.list)
        self.create = raw(resource.create)
        self.archive = raw(resource.archive)
        self.assign_tier = raw(resource.assign_tier)


class AdminProjectsWithStreamingResponse:
    def __init__(self, resource: AdminProjects) -> None:
        self.list = streamed(resource.list)
        self.create = streamed(resource.create)
        self.archive = streamed(resource.archive)
        self.assign_tier = streamed(resource.assign_tier)


class AsyncAdminProjects(Resource[AsyncClient]):
    """`client.admin.projects`"""

    @cached_property
    def with_raw_response(self) -> AsyncAdminProjectsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncAdminProjectsWithRawResponse(AsyncAdminProjects(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncAdminProjectsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncAdminProjectsWithStreamingResponse(AsyncAdminProjects(self._streamed()))

    def list(
        self,
        **options: Unpack[RequestOptions],
    ) -> AsyncPages[types.AdminProject]:
        """List projects."""
        call = Call(
            "GET",
            "/admin/v1/projects",
            **options,
        )
        return self._client.page(call, types.AdminProject, None)

    async def create(
        self,
        *,
        name: str,
        **options: Unpack[RequestOptions],
    ) -> types.AdminProject:
        """Create a project.

        Its name may stand in paths, so it has no `/` and is neither `.` nor `..` (400).

        Args:
            name: Without white space around it.
        """
        call = Call(
            "POST",
            "/admin/v1/projects",
            body={
                "name": name,
            },
            **options,
        )
        return await self._client.request(call, types.AdminProject)

    async def archive(
        self,
        project: str,
        **options: Unpack[RequestOptions],
    ) -> types.AdminProject:
        """Archive a project.

        Its keys stop working within a second; its usage stays. A key cannot archive its own
        project.

        """
        call = Call(
            "POST",
            path("/admin/v1/projects/{project}/archive", project=project),
            **options,
        )
        return await self._client.request(call, types.AdminProject)

    async def assign_tier(
        self,
        project: str,
        *,
        tier: str,
        **options: Unpack[RequestOptions],
    ) -> types.AdminProject:
        """Give a project another tier.

        Args:
            tier: Without white space around it.
        """
        call = Call(
            "PUT",
            path("/admin/v1/projects/{project}/tier", project=project),
            body={
                "tier": tier,
            },
            **options,
        )
        return await self._client.request(call, types.AdminProject)


class AsyncAdminProjectsWithRawResponse:
    def __init__(self, resource: AsyncAdminProjects) -> None:
        self.list = async_raw(resource.list)
        self.create = async_raw(resource.create)
        self.archive = async_raw(resource.archive)
        self.assign_tier = async_raw(resource.assign_tier)


class AsyncAdminProjectsWithStreamingResponse:
    def __init__(self, resource: AsyncAdminProjects) -> None:
        self.list = async_streamed(resource.list)
        self.create = async_streamed(resource.create)
        self.archive = async_streamed(resource.archive)
        self.assign_tier = async_streamed(resource.assign_tier)


class AdminKeys(Resource[SyncClient]):
    """`client.admin.keys`"""

    @cached_property
    def with_raw_response(self) -> AdminKeysWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AdminKeysWithRawResponse(AdminKeys(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AdminKeysWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AdminKeysWithStreamingResponse(AdminKeys(self._streamed()))

    def list(
        self,
        *,
        project: str | Omit = omit,
        after: str | Omit = omit,
        limit: int | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Page[types.AdminKey]:
        """List API keys.

        Args:
            project: Id or name.
            after: The page begins after the key with this id: `last_id` of the page before.
            limit: Keys at most. Absent: all there are.
        """
        call = Call(
            "GET",
            "/admin/v1/keys",
            query={
                "project": project,
                "after": after,
                "limit": limit,
            },
            **options,
        )
        return self._client.page(call, types.AdminKey, "last_id")

    def create(
        self,
        *,
        project: str,
        name: str,
        scopes: Sequence[params.KeyScope] | Omit = omit,
        models: Sequence[params.ModelName] | None | Omit = omit,
        expires_in_s: int | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.AdminNewKey:
        """Create an API key.

        A key with the scope `models`, whose reach is the installation, is made and rotated only
        by keys that have it.

        Args:
            project: Id or name.
            name: Without white space around it.
            scopes: `inference` and `usage` when absent.
            models: Null or absent: every model.
            expires_in_s: Null or absent: never.
        """
        call = Call(
            "POST",
            "/admin/v1/keys",
            body={
                "project": project,
                "name": name,
                "scopes": scopes,
                "models": models,
                "expires_in_s": expires_in_s,
            },
            **options,
        )
        return self._client.request(call, types.AdminNewKey)

    def revoke(
        self,
        key_id: str,
        **options: Unpack[RequestOptions],
    ) -> types.AdminKey:
        """Revoke an API key.

        In force everywhere within a second.

        """
        call = Call(
            "POST",
            path("/admin/v1/keys/{key_id}/revoke", key_id=key_id),
            **options,
        )
        return self._client.request(call, types.AdminKey)

    def rotate(
        self,
        key_id: str,
        *,
        overlap_s: int,
        **options: Unpack[RequestOptions],
    ) -> types.AdminNewKey:
        """Rotate an API key.

        Makes a successor with the same scopes, models and limits, and the same term from now on
        where the key has one. Both share the key's budgets and its rate limits. The old key is
        `rotated`: it works for `overlap_s` seconds more but not beyond its own `expires_at`,
        with 0 for no more than a second, and can be revoked before that. Only an active key can
        be rotated (409).

        Args:
            overlap_s: How long the old key goes on working.
        """
        call = Call(
            "POST",
            path("/admin/v1/keys/{key_id}/rotate", key_id=key_id),
            body={
                "overlap_s": overlap_s,
            },
            **options,
        )
        return self._client.request(call, types.AdminNewKey)


class AdminKeysWithRawResponse:
    def __init__(self, resource: AdminKeys) -> None:
        self.list = raw(resource.list)
        self.create = raw(resource.create)
        self.revoke = raw(resource.revoke)
        self.rotate = raw(resource.rotate)


class AdminKeysWithStreamingResponse:
    def __init__(self, resource: AdminKeys) -> None:
        self.list = streamed(resource.list)
        self.create = streamed(resource.create)
        self.revoke = streamed(resource.revoke)
        self.rotate = streamed(resource.rotate)


class AsyncAdminKeys(Resource[AsyncClient]):
    """`client.admin.keys`"""

    @cached_property
    def with_raw_response(self) -> AsyncAdminKeysWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncAdminKeysWithRawResponse(AsyncAdminKeys(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncAdminKeysWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncAdminKeysWithStreamingResponse(AsyncAdminKeys(self._streamed()))

    def list(
        self,
        *,
        project: str | Omit = omit,
        after: str | Omit = omit,
        limit: int | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> AsyncPages[types.AdminKey]:
        """List API keys.

        Args:
            project: Id or name.
            after: The page begins after the key with this id: `last_id` of the page before.
            limit: Keys at most. Absent: all there are.
        """
        call = Call(
            "GET",
            "/admin/v1/keys",
            query={
                "project": project,
                "after": after,
                "limit": limit,
            },
            **options,
        )
        return self._client.page(call, types.AdminKey, "last_id")

    async def create(
        self,
        *,
        project: str,
        name: str,
        scopes: Sequence[params.KeyScope] | Omit = omit,
        models: Sequence[params.ModelName] | None | Omit = omit,
        expires_in_s: int | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.AdminNewKey:
        """Create an API key.

        A key with the scope `models`, whose reach is the installation, is made and rotated only
        by keys that have it.

        Args:
            project: Id or name.
            name: Without white space around it.
            scopes: `inference` and `usage` when absent.
            models: Null or absent: every model.
            expires_in_s: Null or absent: never.
        """
        call = Call(
            "POST",
            "/admin/v1/keys",
            body={
                "project": project,
                "name": name,
                "scopes": scopes,
                "models": models,
                "expires_in_s": expires_in_s,
            },
            **options,
        )
        return await self._client.request(call, types.AdminNewKey)

    async def revoke(
        self,
        key_id: str,
        **options: Unpack[RequestOptions],
    ) -> types.AdminKey:
        """Revoke an API key.

        In force everywhere within a second.

        """
        call = Call(
            "POST",
            path("/admin/v1/keys/{key_id}/revoke", key_id=key_id),
            **options,
        )
        return await self._client.request(call, types.AdminKey)

    async def rotate(
        self,
        key_id: str,
        *,
        overlap_s: int,
        **options: Unpack[RequestOptions],
    ) -> types.AdminNewKey:
        """Rotate an API key.

        Makes a successor with the same scopes, models and limits, and the same term from now on
        where the key has one. Both share the key's budgets and its rate limits. The old key is
        `rotated`: it works for `overlap_s` seconds more but not beyond its own `expires_at`,
        with 0 for no more than a second, and can be revoked before that. Only an active key can
        be rotated (409).

        Args:
            overlap_s: How long the old key goes on working.
        """
        call = Call(
            "POST",
            path("/admin/v1/keys/{key_id}/rotate", key_id=key_id),
            body={
                "overlap_s": overlap_s,
            },
            **options,
        )
        return await self._client.request(call, types.AdminNewKey)


class AsyncAdminKeysWithRawResponse:
    def __init__(self, resource: AsyncAdminKeys) -> None:
        self.list = async_raw(resource.list)
        self.create = async_raw(resource.create)
        self.revoke = async_raw(resource.revoke)
        self.rotate = async_raw(resource.rotate)


class AsyncAdminKeysWithStreamingResponse:
    def __init__(self, resource: AsyncAdminKeys) -> None:
        self.list = async_streamed(resource.list)
        self.create = async_streamed(resource.create)
        self.revoke = async_streamed(resource.revoke)
        self.rotate = async_streamed(resource.rotate)


class AdminPrices(Resource[SyncClient]):
    """`client.admin.prices`"""

    @cached_property
    def with_raw_response(self) -> AdminPricesWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AdminPricesWithRawResponse(AdminPrices(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AdminPricesWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AdminPricesWithStreamingResponse(AdminPrices(self._streamed()))

    def list(
        self,
        **options: Unpack[RequestOptions],
    ) -> Page[types.AdminPrice]:
        """List prices."""
        call = Call(
            "GET",
            "/admin/v1/prices",
            **options,
        )
        return self._client.page(call, types.AdminPrice, None)

    def set(
        self,
        *,
        model: str,
        input_usd_per_mtok: float,
        cached_usd_per_mtok: float,
        output_usd_per_mtok: float,
        batch_percent: int | Omit = omit,
        valid_from: int | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.AdminPrice:
        """Set a model's price.

        A price is never changed: this adds a version, in force within a second or from
        `valid_from` on. Requests pay the price that was in force when they began.

        Args:
            input_usd_per_mtok: With at most nine decimals.
            cached_usd_per_mtok: Not more than other input.
            output_usd_per_mtok: With at most nine decimals.
            batch_percent: What lines of batches cost of it.
            valid_from: Unix seconds. Null or absent: now.
        """
        call = Call(
            "POST",
            "/admin/v1/prices",
            body={
                "model": model,
                "input_usd_per_mtok": input_usd_per_mtok,
                "cached_usd_per_mtok": cached_usd_per_mtok,
                "output_usd_per_mtok": output_usd_per_mtok,
                "batch_percent": batch_percent,
                "valid_from": valid_from,
            },
            **options,
        )
        return self._client.request(call, types.AdminPrice)


class AdminPricesWithRawResponse:
    def __init__(self, resource: AdminPrices) -> None:
        self.list = raw(resource.list)
        self.set = raw(resource.set)


class AdminPricesWithStreamingResponse:
    def __init__(self, resource: AdminPrices) -> None:
        self.list = streamed(resource.list)
        self.set = streamed(resource.set)


class AsyncAdminPrices(Resource[AsyncClient]):
    """`client.admin.prices`"""

    @cached_property
    def with_raw_response(self) -> AsyncAdminPricesWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncAdminPricesWithRawResponse(AsyncAdminPrices(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncAdminPricesWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncAdminPricesWithStreamingResponse(AsyncAdminPrices(self._streamed()))

    def list(
        self,
        **options: Unpack[RequestOptions],
    ) -> AsyncPages[types.AdminPrice]:
        """List prices."""
        call = Call(
            "GET",
            "/admin/v1/prices",
            **options,
        )
        return self._client.page(call, types.AdminPrice, None)

    async def set(
        self,
        *,
        model: str,
        input_usd_per_mtok: float,
        cached_usd_per_mtok: float,
        output_usd_per_mtok: float,
        batch_percent: int | Omit = omit,
        valid_from: int | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.AdminPrice:
        """Set a model's price.

        A price is never changed: this adds a version, in force within a second or from
        `valid_from` on. Requests pay the price that was in force when they began.

        Args:
            input_usd_per_mtok: With at most nine decimals.
            cached_usd_per_mtok: Not more than other input.
            output_usd_per_mtok: With at most nine decimals.
            batch_percent: What lines of batches cost of it.
            valid_from: Unix seconds. Null or absent: now.
        """
        call = Call(
            "POST",
            "/admin/v1/prices",
            body={
                "model": model,
                "input_usd_per_mtok": input_usd_per_mtok,
                "cached_usd_per_mtok": cached_usd_per_mtok,
                "output_usd_per_mtok": output_usd_per_mtok,
                "batch_percent": batch_percent,
                "valid_from": valid_from,
            },
            **options,
        )
        return await self._client.request(call, types.AdminPrice)


class AsyncAdminPricesWithRawResponse:
    def __init__(self, resource: AsyncAdminPrices) -> None:
        self.list = async_raw(resource.list)
        self.set = async_raw(resource.set)


class AsyncAdminPricesWithStreamingResponse:
    def __init__(self, resource: AsyncAdminPrices) -> None:
        self.list = async_streamed(resource.list)
        self.set = async_streamed(resource.set)


class AdminBudgets(Resource[SyncClient]):
    """`client.admin.budgets`"""

    @cached_property
    def with_raw_response(self) -> AdminBudgetsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AdminBudgetsWithRawResponse(AdminBudgets(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AdminBudgetsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AdminBudgetsWithStreamingResponse(AdminBudgets(self._streamed()))

    def list(
        self,
        *,
        project: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Page[types.Budget]:
        """List budgets.

        Args:
            project: Id or name.
        """
        call = Call(
            "GET",
            "/admin/v1/budgets",
            query={
                "project": project,
            },
            **options,
        )
        return self._client.page(call, types.Budget, None)

    def set(
        self,
        *,
        kind: params.BudgetKind,
        limit_usd: float,
        project: str | Omit = omit,
        key_id: str | Omit = omit,
        alert_percents: Sequence[int] | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Budget:
        """Set a budget.

        Of a project or of one key. Binds from the next request on; a budget below what is spent
        lets nothing more through.

        Args:
            project: Id or name. This or `key_id`.
            key_id: Of this key alone.
            limit_usd: With at most nine decimals.
            alert_percents: At which parts of it an alert is written. 50, 80 and 100 when absent.
        """
        call = Call(
            "PUT",
            "/admin/v1/budgets",
            body={
                "project": project,
                "key_id": key_id,
                "kind": kind,
                "limit_usd": limit_usd,
                "alert_percents": alert_percents,
            },
            **options,
        )
        return self._client.request(call, types.Budget)

    def clear(
        self,
        *,
        project: str | Omit = omit,
        key_id: str | Omit = omit,
        kind: Literal["month", "total"] | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.AdminCleared:
        """Remove a budget.

        Args:
            project: Id or name.
            key_id: Of this key alone, instead of a project.
            kind: Without it, both.
        """
        call = Call(
            "DELETE",
            "/admin/v1/budgets",
            query={
                "project": project,
                "key_id": key_id,
                "kind": kind,
            },
            **options,
        )
        return self._client.request(call, types.AdminCleared)


class AdminBudgetsWithRawResponse:
    def __init__(self, resource: AdminBudgets) -> None:
        self.list = raw(resource.list)
        self.set = raw(resource.set)
        self.clear = raw(resource.clear)


class AdminBudgetsWithStreamingResponse:
    def __init__(self, resource: AdminBudgets) -> None:
        self.list = streamed(resource.list)
        self.set = streamed(resource.set)
        self.clear = streamed(resource.clear)


class AsyncAdminBudgets(Resource[AsyncClient]):
    """`client.admin.budgets`"""

    @cached_property
    def with_raw_response(self) -> AsyncAdminBudgetsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncAdminBudgetsWithRawResponse(AsyncAdminBudgets(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncAdminBudgetsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncAdminBudgetsWithStreamingResponse(AsyncAdminBudgets(self._streamed()))

    def list(
        self,
        *,
        project: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> AsyncPages[types.Budget]:
        """List budgets.

        Args:
            project: Id or name.
        """
        call = Call(
            "GET",
            "/admin/v1/budgets",
            query={
                "project": project,
            },
            **options,
        )
        return self._client.page(call, types.Budget, None)

    async def set(
        self,
        *,
        kind: params.BudgetKind,
        limit_usd: float,
        project: str | Omit = omit,
        key_id: str | Omit = omit,
        alert_percents: Sequence[int] | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Budget:
        """Set a budget.

        Of a project or of one key. Binds from the next request on; a budget below what is spent
        lets nothing more through.

        Args:
            project: Id or name. This or `key_id`.
            key_id: Of this key alone.
            limit_usd: With at most nine decimals.
            alert_percents: At which parts of it an alert is written. 50, 80 and 100 when absent.
        """
        call = Call(
            "PUT",
            "/admin/v1/budgets",
            body={
                "project": project,
                "key_id": key_id,
                "kind": kind,
                "limit_usd": limit_usd,
                "alert_percents": alert_percents,
            },
            **options,
        )
        return await self._client.request(call, types.Budget)

    async def clear(
        self,
        *,
        project: str | Omit = omit,
        key_id: str | Omit = omit,
        kind: Literal["month", "total"] | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.AdminCleared:
        """Remove a budget.

        Args:
            project: Id or name.
            key_id: Of this key alone, instead of a project.
            kind: Without it, both.
        """
        call = Call(
            "DELETE",
            "/admin/v1/budgets",
            query={
                "project": project,
                "key_id": key_id,
                "kind": kind,
            },
            **options,
        )
        return await self._client.request(call, types.AdminCleared)


class AsyncAdminBudgetsWithRawResponse:
    def __init__(self, resource: AsyncAdminBudgets) -> None:
        self.list = async_raw(resource.list)
        self.set = async_raw(resource.set)
        self.clear = async_raw(resource.clear)


class AsyncAdminBudgetsWithStreamingResponse:
    def __init__(self, resource: AsyncAdminBudgets) -> None:
        self.list = async_streamed(resource.list)
        self.set = async_streamed(resource.set)
        self.clear = async_streamed(resource.clear)


class AdminCredits(Resource[SyncClient]):
    """`client.admin.credits`"""

    @cached_property
    def with_raw_response(self) -> AdminCreditsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AdminCreditsWithRawResponse(AdminCredits(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AdminCreditsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AdminCreditsWithStreamingResponse(AdminCredits(self._streamed()))

    def list(
        self,
        *,
        project: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Page[types.Budget]:
        """Show credits.

        Args:
            project: Id or name.
        """
        call = Call(
            "GET",
            "/admin/v1/credits",
            query={
                "project": project,
            },
            **options,
        )
        return self._client.page(call, types.Budget, None)

    def add(
        self,
        *,
        project: str,
        amount_usd: float,
        id: str | Omit = omit,
        alert_percents: Sequence[int] | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Budget:
        """Grant credits.

        The first credit makes a project prepaid. With an `id` of yours a retry adds nothing a
        second time (409).

        Args:
            project: Id or name.
            amount_usd: With at most nine decimals.
            id: Yours, of the project. What was granted under it before is not granted again.
            alert_percents: At which parts of it an alert is written. 50, 80 and 100 when absent.
        """
        call = Call(
            "POST",
            "/admin/v1/credits",
            body={
                "project": project,
                "amount_usd": amount_usd,
                "id": id,
                "alert_percents": alert_percents,
            },
            **options,
        )
        return self._client.request(call, types.Budget)


class AdminCreditsWithRawResponse:
    def __init__(self, resource: AdminCredits) -> None:
        self.list = raw(resource.list)
        self.add = raw(resource.add)


class AdminCreditsWithStreamingResponse:
    def __init__(self, resource: AdminCredits) -> None:
        self.list = streamed(resource.list)
        self.add = streamed(resource.add)


class AsyncAdminCredits(Resource[AsyncClient]):
    """`client.admin.credits`"""

    @cached_property
    def with_raw_response(self) -> AsyncAdminCreditsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncAdminCreditsWithRawResponse(AsyncAdminCredits(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncAdminCreditsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncAdminCreditsWithStreamingResponse(AsyncAdminCredits(self._streamed()))

    def list(
        self,
        *,
        project: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> AsyncPages[types.Budget]:
        """Show credits.

        Args:
            project: Id or name.
        """
        call = Call(
            "GET",
            "/admin/v1/credits",
            query={
                "project": project,
            },
            **options,
        )
        return self._client.page(call, types.Budget, None)

    async def add(
        self,
        *,
        project: str,
        amount_usd: float,
        id: str | Omit = omit,
        alert_percents: Sequence[int] | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Budget:
        """Grant credits.

        The first credit makes a project prepaid. With an `id` of yours a retry adds nothing a
        second time (409).

        Args:
            project: Id or name.
            amount_usd: With at most nine decimals.
            id: Yours, of the project. What was granted under it before is not granted again.
            alert_percents: At which parts of it an alert is written. 50, 80 and 100 when absent.
        """
        call = Call(
            "POST",
            "/admin/v1/credits",
            body={
                "project": project,
                "amount_usd": amount_usd,
                "id": id,
                "alert_percents": alert_percents,
            },
            **options,
        )
        return await self._client.request(call, types.Budget)


class AsyncAdminCreditsWithRawResponse:
    def __init__(self, resource: AsyncAdminCredits) -> None:
        self.list = async_raw(resource.list)
        self.add = async_raw(resource.add)


class AsyncAdminCreditsWithStreamingResponse:
    def __init__(self, resource: AsyncAdminCredits) -> None:
        self.list = async_streamed(resource.list)
        self.add = async_streamed(resource.add)


class AdminLimits(Resource[SyncClient]):
    """`client.admin.limits`"""

    @cached_property
    def with_raw_response(self) -> AdminLimitsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AdminLimitsWithRawResponse(AdminLimits(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AdminLimitsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AdminLimitsWithStreamingResponse(AdminLimits(self._streamed()))

    def list(
        self,
        *,
        project: str | Omit = omit,
        key_id: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Page[types.AdminLimit]:
        """Show limits.

        Args:
            project: Id or name.
            key_id: Of this key alone, instead of a project.
        """
        call = Call(
            "GET",
            "/admin/v1/limits",
            query={
                "project": project,
                "key_id": key_id,
            },
            **options,
        )
        return self._client.page(call, types.AdminLimit, None)

    def set(
        self,
        *,
        limits: Sequence[params.AdminLimitRule],
        project: str | Omit = omit,
        key_id: str | Omit = omit,
        scope: params.LimitScope | Omit = omit,
        model: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.AdminLimitList:
        """Set limits.

        They override the tier's; others stay as they are. In force within a second.

        Args:
            project: Id or name. This or `key_id`.
            key_id: Of this key alone.
        """
        call = Call(
            "PUT",
            "/admin/v1/limits",
            body={
                "project": project,
                "key_id": key_id,
                "scope": scope,
                "model": model,
                "limits": limits,
            },
            **options,
        )
        return self._client.request(call, types.AdminLimitList)

    def clear(
        self,
        *,
        project: str | Omit = omit,
        key_id: str | Omit = omit,
        scope: Literal["project", "key", "model"] | Omit = omit,
        model: str | Omit = omit,
        name: Literal[
            "requests_per_minute", "tokens_per_minute", "requests_per_day", "tokens_per_day", "concurrent_requests"
        ]
        | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.AdminLimitList:
        """Clear limits.

        Takes away what the project or key itself says; the tier's limits are in force again.

        Args:
            project: Id or name.
            key_id: Of this key alone, instead of a project.
            scope: As in `PUT`: `project` by default, `key` for limits of a key.
            model: Whose limits, with the scope `model`.
            name: Only this limit. Without it, all of the scope.
        """
        call = Call(
            "DELETE",
            "/admin/v1/limits",
            query={
                "project": project,
                "key_id": key_id,
                "scope": scope,
                "model": model,
                "name": name,
            },
            **options,
        )
        return self._client.request(call, types.AdminLimitList)


class AdminLimitsWithRawResponse:
    def __init__(self, resource: AdminLimits) -> None:
        self.list = raw(resource.list)
        self.set = raw(resource.set)
        self.clear = raw(resource.clear)


class AdminLimitsWithStreamingResponse:
    def __init__(self, resource: AdminLimits) -> None:
        self.list = streamed(resource.list)
        self.set = streamed(resource.set)
        self.clear = streamed(resource.clear)


class AsyncAdminLimits(Resource[AsyncClient]):
    """`client.admin.limits`"""

    @cached_property
    def with_raw_response(self) -> AsyncAdminLimitsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncAdminLimitsWithRawResponse(AsyncAdminLimits(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncAdminLimitsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncAdminLimitsWithStreamingResponse(AsyncAdminLimits(self._streamed()))

    def list(
        self,
        *,
        project: str | Omit = omit,
        key_id: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> AsyncPages[types.AdminLimit]:
        """Show limits.

        Args:
            project: Id or name.
            key_id: Of this key alone, instead of a project.
        """
        call = Call(
            "GET",
            "/admin/v1/limits",
            query={
                "project": project,
                "key_id": key_id,
            },
            **options,
        )
        return self._client.page(call, types.AdminLimit, None)

    async def set(
        self,
        *,
        limits: Sequence[params.AdminLimitRule],
        project: str | Omit = omit,
        key_id: str | Omit = omit,
        scope: params.LimitScope | Omit = omit,
        model: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.AdminLimitList:
        """Set limits.

        They override the tier's; others stay as they are. In force within a second.

        Args:
            project: Id or name. This or `key_id`.
            key_id: Of this key alone.
        """
        call = Call(
            "PUT",
            "/admin/v1/limits",
            body={
                "project": project,
                "key_id": key_id,
                "scope": scope,
                "model": model,
                "limits": limits,
            },
            **options,
        )
        return await self._client.request(call, types.AdminLimitList)

    async def clear(
        self,
        *,
        project: str | Omit = omit,
        key_id: str | Omit = omit,
        scope: Literal["project", "key", "model"] | Omit = omit,
        model: str | Omit = omit,
        name: Literal[
            "requests_per_minute", "tokens_per_minute", "requests_per_day", "tokens_per_day", "concurrent_requests"
        ]
        | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.AdminLimitList:
        """Clear limits.

        Takes away what the project or key itself says; the tier's limits are in force again.

        Args:
            project: Id or name.
            key_id: Of this key alone, instead of a project.
            scope: As in `PUT`: `project` by default, `key` for limits of a key.
            model: Whose limits, with the scope `model`.
            name: Only this limit. Without it, all of the scope.
        """
        call = Call(
            "DELETE",
            "/admin/v1/limits",
            query={
                "project": project,
                "key_id": key_id,
                "scope": scope,
                "model": model,
                "name": name,
            },
            **options,
        )
        return await self._client.request(call, types.AdminLimitList)


class AsyncAdminLimitsWithRawResponse:
    def __init__(self, resource: AsyncAdminLimits) -> None:
        self.list = async_raw(resource.list)
        self.set = async_raw(resource.set)
        self.clear = async_raw(resource.clear)


class AsyncAdminLimitsWithStreamingResponse:
    def __init__(self, resource: AsyncAdminLimits) -> None:
        self.list = async_streamed(resource.list)
        self.set = async_streamed(resource.set)
        self.clear = async_streamed(resource.clear)


class AdminTiers(Resource[SyncClient]):
    """`client.admin.tiers`"""

    @cached_property
    def with_raw_response(self) -> AdminTiersWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AdminTiersWithRawResponse(AdminTiers(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AdminTiersWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AdminTiersWithStreamingResponse(AdminTiers(self._streamed()))

    def list(
        self,
        **options: Unpack[RequestOptions],
    ) -> Page[types.AdminTier]:
        """List tiers."""
        call = Call(
            "GET",
            "/admin/v1/tiers",
            **options,
        )
        return self._client.page(call, types.AdminTier, None)

    def set(
        self,
        tier: str,
        *,
        limits: Sequence[params.AdminLimitRule],
        scope: params.LimitScope | Omit = omit,
        model: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.AdminTier:
        """Change a tier, or make one."""
        call = Call(
            "PUT",
            path("/admin/v1/tiers/{tier}", tier=tier),
            body={
                "scope": scope,
                "model": model,
                "limits": limits,
            },
            **options,
        )
        return self._client.request(call, types.AdminTier)


class AdminTiersWithRawResponse:
    def __init__(self, resource: AdminTiers) -> None:
        self.list = raw(resource.list)
        self.set = raw(resource.set)


class AdminTiersWithStreamingResponse:
    def __init__(self, resource: AdminTiers) -> None:
        self.list = streamed(resource.list)
        self.set = streamed(resource.set)


class AsyncAdminTiers(Resource[AsyncClient]):
    """`client.admin.tiers`"""

    @cached_property
    def with_raw_response(self) -> AsyncAdminTiersWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncAdminTiersWithRawResponse(AsyncAdminTiers(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncAdminTiersWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncAdminTiersWithStreamingResponse(AsyncAdminTiers(self._streamed()))

    def list(
        self,
        **options: Unpack[RequestOptions],
    ) -> AsyncPages[types.AdminTier]:
        """List tiers."""
        call = Call(
            "GET",
            "/admin/v1/tiers",
            **options,
        )
        return self._client.page(call, types.AdminTier, None)

    async def set(
        self,
        tier: str,
        *,
        limits: Sequence[params.AdminLimitRule],
        scope: params.LimitScope | Omit = omit,
        model: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.AdminTier:
        """Change a tier, or make one."""
        call = Call(
            "PUT",
            path("/admin/v1/tiers/{tier}", tier=tier),
            body={
                "scope": scope,
                "model": model,
                "limits": limits,
            },
            **options,
        )
        return await self._client.request(call, types.AdminTier)


class AsyncAdminTiersWithRawResponse:
    def __init__(self, resource: AsyncAdminTiers) -> None:
        self.list = async_raw(resource.list)
        self.set = async_raw(resource.set)


class AsyncAdminTiersWithStreamingResponse:
    def __init__(self, resource: AsyncAdminTiers) -> None:
        self.list = async_streamed(resource.list)
        self.set = async_streamed(resource.set)


class AdminAudit(Resource[SyncClient]):
    """`client.admin.audit`"""

    @cached_property
    def with_raw_response(self) -> AdminAuditWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AdminAuditWithRawResponse(AdminAudit(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AdminAuditWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AdminAuditWithStreamingResponse(AdminAudit(self._streamed()))

    def list(
        self,
        *,
        limit: int | Omit = omit,
        after: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Page[types.AuditEntry]:
        """List changes.

        Who changed what, and when: of the organisation, and of prices and tiers. Never a
        secret.

        Args:
            limit: Rows at most.
            after: `next_after` of the page before.
        """
        call = Call(
            "GET",
            "/admin/v1/audit",
            query={
                "limit": limit,
                "after": after,
            },
            **options,
        )
        return self._client.page(call, types.AuditEntry, "next_after")


class AdminAuditWithRawResponse:
    def __init__(self, resource: AdminAudit) -> None:
        self.list = raw(resource.list)


class AdminAuditWithStreamingResponse:
    def __init__(self, resource: AdminAudit) -> None:
        self.list = streamed(resource.list)


class AsyncAdminAudit(Resource[AsyncClient]):
    """`client.admin.audit`"""

    @cached_property
    def with_raw_response(self) -> AsyncAdminAuditWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncAdminAuditWithRawResponse(AsyncAdminAudit(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncAdminAuditWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncAdminAuditWithStreamingResponse(AsyncAdminAudit(self._streamed()))

    def list(
        self,
        *,
        limit: int | Omit = omit,
        after: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> AsyncPages[types.AuditEntry]:
        """List changes.

        Who changed what, and when: of the organisation, and of prices and tiers. Never a
        secret.

        Args:
            limit: Rows at most.
            after: `next_after` of the page before.
        """
        call = Call(
            "GET",
            "/admin/v1/audit",
            query={
                "limit": limit,
                "after": after,
            },
            **options,
        )
        return self._client.page(call, types.AuditEntry, "next_after")


class AsyncAdminAuditWithRawResponse:
    def __init__(self, resource: AsyncAdminAudit) -> None:
        self.list = async_raw(resource.list)


class AsyncAdminAuditWithStreamingResponse:
    def __init__(self, resource: AsyncAdminAudit) -> None:
        self.list = async_streamed(resource.list)


class AdminModels(Resource[SyncClient]):
    """`client.admin.models`"""

    @cached_property
    def with_raw_response(self) -> AdminModelsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AdminModelsWithRawResponse(AdminModels(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AdminModelsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AdminModelsWithStreamingResponse(AdminModels(self._streamed()))

    def list(
        self,
        **options: Unpack[RequestOptions],
    ) -> Page[types.AdminModel]:
        """List what could run.

        Every model that a model host knows: rows of `models.yaml`, and what is in `MODEL_DIR`;
        loaded or not.

        """
        call = Call(
            "GET",
            "/admin/v1/models",
            **options,
        )
        return self._client.page(call, types.AdminModel, None)

    def download(
        self,
        *,
        source: str,
        name: str | None | Omit = omit,
        file: str | None | Omit = omit,
        revision: str | None | Omit = omit,
        sha256: str | None | Omit = omit,
        host: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.AdminModel:
        """Download a model.

        Into `MODEL_DIR` of a model host, from a Hugging Face repository or a URL whose host is
        one of `NOVAI_DOWNLOAD_HOSTS`. The answer comes when the source was found, is allowed
        and fits on the disk. What breaks off goes on by itself; a download that failed goes on
        where it was when it is asked for again. When it is complete and its checksum is right
        the model can be loaded. Unloading it ends the download.

        Args:
            source: `OWNER/REPOSITORY` of Hugging Face, or the URL of a GGUF file.
            name: Of the model; else that of its file or repository.
            file: Of the repository; else its only GGUF file, or all that transformers reads.
            revision: Of the repository.
            sha256: Of a single file. Those of a repository are checked by what it says itself.
            host: The model host that keeps it. Needed when there are several.
        """
        call = Call(
            "POST",
            "/admin/v1/models/download",
            body={
                "source": source,
                "name": name,
                "file": file,
                "revision": revision,
                "sha256": sha256,
                "host": host,
            },
            **options,
        )
        return self._client.request(call, types.AdminModel)

    def load(
        self,
        model: str,
        *,
        context_length: int | None | Omit = omit,
        gpu_layers: int | None | Omit = omit,
        slots: int | None | Omit = omit,
        device: str | None | Omit = omit,
        dtype: Literal["auto", "float32", "float16", "bfloat16"] | None | Omit = omit,
        pinned: bool | None | Omit = omit,
        idle_ttl_s: float | None | Omit = omit,
        host: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.AdminModel:
        """Load a model.

        On every host that has it, or on the named one. The answer comes when the load has
        begun; `status` says how it goes. What is left out is as configured. A model that is
        loaded the same way already only takes the new `pinned` and `idle_ttl_s`; one that is
        loaded otherwise, or is being unloaded, gets 409. So does one that does not fit into
        memory (`insufficient_room`) after idle models that are not pinned have made room. A
        model that cannot be loaded is `failed`, and says why.

        Args:
            context_length: Tokens of one request.
            gpu_layers: -1: all.
            slots: Requests that run at the same time.
            pinned: Neither idleness nor another model's need unloads it.
            idle_ttl_s: It is put to sleep after so long without a request, until the next one; 0: never.
            host: Only on this model host.
        """
        call = Call(
            "POST",
            path("/admin/v1/models/{model}/load", model=model),
            body={
                "context_length": context_length,
                "gpu_layers": gpu_layers,
                "slots": slots,
                "device": device,
                "dtype": dtype,
                "pinned": pinned,
                "idle_ttl_s": idle_ttl_s,
                "host": host,
            },
            **options,
        )
        return self._client.request(call, types.AdminModel)

    def unload(
        self,
        model: str,
        *,
        host: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.AdminModel:
        """Unload a model.

        On every host that has it, or on the named one. Requests that run have `NOVAI_DRAIN_S`
        to end; new ones get 404, or go to hosts that still have it. A load or a download under
        way is ended.

        Args:
            host: Only on this model host.
        """
        call = Call(
            "POST",
            path("/admin/v1/models/{model}/unload", model=model),
            query={
                "host": host,
            },
            **options,
        )
        return self._client.request(call, types.AdminModel)

    def status(
        self,
        model: str,
        **options: Unpack[RequestOptions],
    ) -> types.AdminModel:
        """How a model is."""
        call = Call(
            "GET",
            path("/admin/v1/models/{model}/status", model=model),
            **options,
        )
        return self._client.request(call, types.AdminModel)

    def endpoint(
        self,
        model: str,
        **options: Unpack[RequestOptions],
    ) -> types.AdminModelEndpoint:
        """Where a model is.

        Addresses of the workers that are ready, which speak `proto/inference.proto` or
        `proto/embedding.proto`, and the path that callers use.

        """
        call = Call(
            "GET",
            path("/admin/v1/models/{model}/endpoint", model=model),
            **options,
        )
        return self._client.request(call, types.AdminModelEndpoint)


class AdminModelsWithRawResponse:
    def __init__(self, resource: AdminModels) -> None:
        self.list = raw(resource.list)
        self.download = raw(resource.download)
        self.load = raw(resource.load)
        self.unload = raw(resource.unload)
        self.status = raw(resource.status)
        self.endpoint = raw(resource.endpoint)


class AdminModelsWithStreamingResponse:
    def __init__(self, resource: AdminModels) -> None:
        self.list = streamed(resource.list)
        self.download = streamed(resource.download)
        self.load = streamed(resource.load)
        self.unload = streamed(resource.unload)
        self.status = streamed(resource.status)
        self.endpoint = streamed(resource.endpoint)


class AsyncAdminModels(Resource[AsyncClient]):
    """`client.admin.models`"""

    @cached_property
    def with_raw_response(self) -> AsyncAdminModelsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncAdminModelsWithRawResponse(AsyncAdminModels(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncAdminModelsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncAdminModelsWithStreamingResponse(AsyncAdminModels(self._streamed()))

    def list(
        self,
        **options: Unpack[RequestOptions],
    ) -> AsyncPages[types.AdminModel]:
        """List what could run.

        Every model that a model host knows: rows of `models.yaml`, and what is in `MODEL_DIR`;
        loaded or not.

        """
        call = Call(
            "GET",
            "/admin/v1/models",
            **options,
        )
        return self._client.page(call, types.AdminModel, None)

    async def download(
        self,
        *,
        source: str,
        name: str | None | Omit = omit,
        file: str | None | Omit = omit,
        revision: str | None | Omit = omit,
        sha256: str | None | Omit = omit,
        host: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.AdminModel:
        """Download a model.

        Into `MODEL_DIR` of a model host, from a Hugging Face repository or a URL whose host is
        one of `NOVAI_DOWNLOAD_HOSTS`. The answer comes when the source was found, is allowed
        and fits on the disk. What breaks off goes on by itself; a download that failed goes on
        where it was when it is asked for again. When it is complete and its checksum is right
        the model can be loaded. Unloading it ends the download.

        Args:
            source: `OWNER/REPOSITORY` of Hugging Face, or the URL of a GGUF file.
            name: Of the model; else that of its file or repository.
            file: Of the repository; else its only GGUF file, or all that transformers reads.
            revision: Of the repository.
            sha256: Of a single file. Those of a repository are checked by what it says itself.
            host: The model host that keeps it. Needed when there are several.
        """
        call = Call(
            "POST",
            "/admin/v1/models/download",
            body={
                "source": source,
                "name": name,
                "file": file,
                "revision": revision,
                "sha256": sha256,
                "host": host,
            },
            **options,
        )
        return await self._client.request(call, types.AdminModel)

    async def load(
        self,
        model: str,
        *,
        context_length: int | None | Omit = omit,
        gpu_layers: int | None | Omit = omit,
        slots: int | None | Omit = omit,
        device: str | None | Omit = omit,
        dtype: Literal["auto", "float32", "float16", "bfloat16"] | None | Omit = omit,
        pinned: bool | None | Omit = omit,
        idle_ttl_s: float | None | Omit = omit,
        host: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.AdminModel:
        """Load a model.

        On every host that has it, or on the named one. The answer comes when the load has
        begun; `status` says how it goes. What is left out is as configured. A model that is
        loaded the same way already only takes the new `pinned` and `idle_ttl_s`; one that is
        loaded otherwise, or is being unloaded, gets 409. So does one that does not fit into
        memory (`insufficient_room`) after idle models that are not pinned have made room. A
        model that cannot be loaded is `failed`, and says why.

        Args:
            context_length: Tokens of one request.
            gpu_layers: -1: all.
            slots: Requests that run at the same time.
            pinned: Neither idleness nor another model's need unloads it.
            idle_ttl_s: It is put to sleep after so long without a request, until the next one; 0: never.
            host: Only on this model host.
        """
        call = Call(
            "POST",
            path("/admin/v1/models/{model}/load", model=model),
            body={
                "context_length": context_length,
                "gpu_layers": gpu_layers,
                "slots": slots,
                "device": device,
                "dtype": dtype,
                "pinned": pinned,
                "idle_ttl_s": idle_ttl_s,
                "host": host,
            },
            **options,
        )
        return await self._client.request(call, types.AdminModel)

    async def unload(
        self,
        model: str,
        *,
        host: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.AdminModel:
        """Unload a model.

        On every host that has it, or on the named one. Requests that run have `NOVAI_DRAIN_S`
        to end; new ones get 404, or go to hosts that still have it. A load or a download under
        way is ended.

        Args:
            host: Only on this model host.
        """
        call = Call(
            "POST",
            path("/admin/v1/models/{model}/unload", model=model),
            query={
                "host": host,
            },
            **options,
        )
        return await self._client.request(call, types.AdminModel)

    async def status(
        self,
        model: str,
        **options: Unpack[RequestOptions],
    ) -> types.AdminModel:
        """How a model is."""
        call = Call(
            "GET",
            path("/admin/v1/models/{model}/status", model=model),
            **options,
        )
        return await self._client.request(call, types.AdminModel)

    async def endpoint(
        self,
        model: str,
        **options: Unpack[RequestOptions],
    ) -> types.AdminModelEndpoint:
        """Where a model is.

        Addresses of the workers that are ready, which speak `proto/inference.proto` or
        `proto/embedding.proto`, and the path that callers use.

        """
        call = Call(
            "GET",
            path("/admin/v1/models/{model}/endpoint", model=model),
            **options,
        )
        return await self._client.request(call, types.AdminModelEndpoint)


class AsyncAdminModelsWithRawResponse:
    def __init__(self, resource: AsyncAdminModels) -> None:
        self.list = async_raw(resource.list)
        self.download = async_raw(resource.download)
        self.load = async_raw(resource.load)
        self.unload = async_raw(resource.unload)
        self.status = async_raw(resource.status)
        self.endpoint = async_raw(resource.endpoint)


class AsyncAdminModelsWithStreamingResponse:
    def __init__(self, resource: AsyncAdminModels) -> None:
        self.list = async_streamed(resource.list)
        self.download = async_streamed(resource.download)
        self.load = async_streamed(resource.load)
        self.unload = async_streamed(resource.unload)
        self.status = async_streamed(resource.status)
        self.endpoint = async_streamed(resource.endpoint)


class Chat(Resource[SyncClient]):
    """`client.chat`"""

    @cached_property
    def completions(self) -> ChatCompletions:
        return ChatCompletions(self._client)


class AsyncChat(Resource[AsyncClient]):
    """`client.chat`"""

    @cached_property
    def completions(self) -> AsyncChatCompletions:
        return AsyncChatCompletions(self._client)


class Completions(Resource[SyncClient]):
    """`client.completions`"""

    @cached_property
    def with_raw_response(self) -> CompletionsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return CompletionsWithRawResponse(Completions(self._raw()))

    @cached_property
    def with_streaming_response(self) -> CompletionsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return CompletionsWithStreamingResponse(Completions(self._streamed()))

    @overload
    def create(
        self,
        *,
        model: str,
        prompt: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]] | None,
        stream: Literal[False] | None | Omit = omit,
        echo: bool | None | Omit = omit,
        suffix: str | None | Omit = omit,
        max_tokens: int | None | Omit = omit,
        stream_options: params.StreamOptions | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        min_p: float | None | Omit = omit,
        repetition_penalty: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        logit_bias: params.LogitBias | None | Omit = omit,
        seed: int | None | Omit = omit,
        stop: str | Sequence[str] | None | Omit = omit,
        stop_token_ids: Sequence[int] | None | Omit = omit,
        ignore_eos: bool | None | Omit = omit,
        min_tokens: int | None | Omit = omit,
        n: int | None | Omit = omit,
        best_of: int | None | Omit = omit,
        logprobs: int | None | Omit = omit,
        user: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Completion: ...

    @overload
    def create(
        self,
        *,
        model: str,
        prompt: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]] | None,
        stream: Literal[True],
        echo: bool | None | Omit = omit,
        suffix: str | None | Omit = omit,
        max_tokens: int | None | Omit = omit,
        stream_options: params.StreamOptions | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        min_p: float | None | Omit = omit,
        repetition_penalty: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        logit_bias: params.LogitBias | None | Omit = omit,
        seed: int | None | Omit = omit,
        stop: str | Sequence[str] | None | Omit = omit,
        stop_token_ids: Sequence[int] | None | Omit = omit,
        ignore_eos: bool | None | Omit = omit,
        min_tokens: int | None | Omit = omit,
        n: int | None | Omit = omit,
        best_of: int | None | Omit = omit,
        logprobs: int | None | Omit = omit,
        user: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Stream[types.Completion]: ...

    @overload
    def create(
        self,
        *,
        model: str,
        prompt: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]] | None,
        stream: bool | None | Omit,
        echo: bool | None | Omit = omit,
        suffix: str | None | Omit = omit,
        max_tokens: int | None | Omit = omit,
        stream_options: params.StreamOptions | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        min_p: float | None | Omit = omit,
        repetition_penalty: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        logit_bias: params.LogitBias | None | Omit = omit,
        seed: int | None | Omit = omit,
        stop: str | Sequence[str] | None | Omit = omit,
        stop_token_ids: Sequence[int] | None | Omit = omit,
        ignore_eos: bool | None | Omit = omit,
        min_tokens: int | None | Omit = omit,
        n: int | None | Omit = omit,
        best_of: int | None | Omit = omit,
        logprobs: int | None | Omit = omit,
        user: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Completion | Stream[types.Completion]: ...

    def create(
        self,
        *,
        model: str,
        prompt: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]] | None,
        stream: bool | None | Omit = omit,
        echo: bool | None | Omit = omit,
        suffix: str | None | Omit = omit,
        max_tokens: int | None | Omit = omit,
        stream_options: params.StreamOptions | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        min_p: float | None | Omit = omit,
        repetition_penalty: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        logit_bias: params.LogitBias | None | Omit = omit,
        seed: int | None | Omit = omit,
        stop: str | Sequence[str] | None | Omit = omit,
        stop_token_ids: Sequence[int] | None | Omit = omit,
        ignore_eos: bool | None | Omit = omit,
        min_tokens: int | None | Omit = omit,
        n: int | None | Omit = omit,
        best_of: int | None | Omit = omit,
        logprobs: int | None | Omit = omit,
        user: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """Create a completion.

        Continues plain text, as the model reads it: no template is put around it. Several
        prompts in one request are accepted, charged and cancelled together; the choice `p × n +
        i` is the i-th of prompt p. Streams as chat completions do, one `Completion` each.

        Args:
            model: The model's id or an alias, as `GET /v1/models` lists them. The answer says the id.
            prompt: A text, texts, token ids, or lists of token ids of the model's own vocabulary. Null and
                an empty text begin where the model's texts begin.
            echo: Repeat the prompt before its continuation. Not together with `logprobs`.
            suffix: Text cannot be inserted before a suffix; only an empty one is accepted.
            max_tokens: Tokens generated at most, for each choice. 0 generates nothing; with `echo` the prompt
                comes back.
            stream_options: Only with `stream`.
            temperature: 0 always takes the likeliest token.
            top_p: Nucleus sampling. 0 means the smallest nucleus, the likeliest token.
            top_k: Sample among the k likeliest tokens. 0 or -1 is off, the default.
            min_p: Drop tokens less likely than this share of the likeliest one's probability.
            repetition_penalty: Above 1 makes tokens that occurred less likely. 1 is off, the default.
            logit_bias: Added to the logits of single tokens, by token id.
            seed: The same seed and request give the same answer, as far as the hardware allows.
            stop: The answer ends before the first of these texts.
            ignore_eos: Go on past the model's own end, up to the token limit.
            n: How many choices for each prompt, which is computed and counted once. At most 64 for all
                prompts.
            best_of: Choices are not ranked; only the value of `n` is accepted.
            logprobs: The log probability of every token, and of so many of the likeliest ones at its place.
            user: Accepted; recorded nowhere.
        """
        call = Call(
            "POST",
            "/v1/completions",
            body={
                "model": model,
                "prompt": prompt,
                "echo": echo,
                "suffix": suffix,
                "max_tokens": max_tokens,
                "stream": stream,
                "stream_options": stream_options,
                "temperature": temperature,
                "top_p": top_p,
                "top_k": top_k,
                "min_p": min_p,
                "repetition_penalty": repetition_penalty,
                "presence_penalty": presence_penalty,
                "frequency_penalty": frequency_penalty,
                "logit_bias": logit_bias,
                "seed": seed,
                "stop": stop,
                "stop_token_ids": stop_token_ids,
                "ignore_eos": ignore_eos,
                "min_tokens": min_tokens,
                "n": n,
                "best_of": best_of,
                "logprobs": logprobs,
                "user": user,
            },
            **options,
        )
        if stream:
            return self._client.stream(call, types.Completion)
        return self._client.request(call, types.Completion)


class CompletionsWithRawResponse:
    def __init__(self, resource: Completions) -> None:
        self.create = raw(resource.create)


class CompletionsWithStreamingResponse:
    def __init__(self, resource: Completions) -> None:
        self.create = streamed(resource.create)


class AsyncCompletions(Resource[AsyncClient]):
    """`client.completions`"""

    @cached_property
    def with_raw_response(self) -> AsyncCompletionsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncCompletionsWithRawResponse(AsyncCompletions(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncCompletionsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncCompletionsWithStreamingResponse(AsyncCompletions(self._streamed()))

    @overload
    async def create(
        self,
        *,
        model: str,
        prompt: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]] | None,
        stream: Literal[False] | None | Omit = omit,
        echo: bool | None | Omit = omit,
        suffix: str | None | Omit = omit,
        max_tokens: int | None | Omit = omit,
        stream_options: params.StreamOptions | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        min_p: float | None | Omit = omit,
        repetition_penalty: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        logit_bias: params.LogitBias | None | Omit = omit,
        seed: int | None | Omit = omit,
        stop: str | Sequence[str] | None | Omit = omit,
        stop_token_ids: Sequence[int] | None | Omit = omit,
        ignore_eos: bool | None | Omit = omit,
        min_tokens: int | None | Omit = omit,
        n: int | None | Omit = omit,
        best_of: int | None | Omit = omit,
        logprobs: int | None | Omit = omit,
        user: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Completion: ...

    @overload
    async def create(
        self,
        *,
        model: str,
        prompt: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]] | None,
        stream: Literal[True],
        echo: bool | None | Omit = omit,
        suffix: str | None | Omit = omit,
        max_tokens: int | None | Omit = omit,
        stream_options: params.StreamOptions | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        min_p: float | None | Omit = omit,
        repetition_penalty: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        logit_bias: params.LogitBias | None | Omit = omit,
        seed: int | None | Omit = omit,
        stop: str | Sequence[str] | None | Omit = omit,
        stop_token_ids: Sequence[int] | None | Omit = omit,
        ignore_eos: bool | None | Omit = omit,
        min_tokens: int | None | Omit = omit,
        n: int | None | Omit = omit,
        best_of: int | None | Omit = omit,
        logprobs: int | None | Omit = omit,
        user: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> AsyncStream[types.Completion]: ...

    @overload
    async def create(
        self,
        *,
        model: str,
        prompt: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]] | None,
        stream: bool | None | Omit,
        echo: bool | None | Omit = omit,
        suffix: str | None | Omit = omit,
        max_tokens: int | None | Omit = omit,
        stream_options: params.StreamOptions | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        min_p: float | None | Omit = omit,
        repetition_penalty: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        logit_bias: params.LogitBias | None | Omit = omit,
        seed: int | None | Omit = omit,
        stop: str | Sequence[str] | None | Omit = omit,
        stop_token_ids: Sequence[int] | None | Omit = omit,
        ignore_eos: bool | None | Omit = omit,
        min_tokens: int | None | Omit = omit,
        n: int | None | Omit = omit,
        best_of: int | None | Omit = omit,
        logprobs: int | None | Omit = omit,
        user: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Completion | AsyncStream[types.Completion]: ...

    async def create(
        self,
        *,
        model: str,
        prompt: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]] | None,
        stream: bool | None | Omit = omit,
        echo: bool | None | Omit = omit,
        suffix: str | None | Omit = omit,
        max_tokens: int | None | Omit = omit,
        stream_options: params.StreamOptions | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        min_p: float | None | Omit = omit,
        repetition_penalty: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        logit_bias: params.LogitBias | None | Omit = omit,
        seed: int | None | Omit = omit,
        stop: str | Sequence[str] | None | Omit = omit,
        stop_token_ids: Sequence[int] | None | Omit = omit,
        ignore_eos: bool | None | Omit = omit,
        min_tokens: int | None | Omit = omit,
        n: int | None | Omit = omit,
        best_of: int | None | Omit = omit,
        logprobs: int | None | Omit = omit,
        user: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """Create a completion.

        Continues plain text, as the model reads it: no template is put around it. Several
        prompts in one request are accepted, charged and cancelled together; the choice `p × n +
        i` is the i-th of prompt p. Streams as chat completions do, one `Completion` each.

        Args:
            model: The model's id or an alias, as `GET /v1/models` lists them. The answer says the id.
            prompt: A text, texts, token ids, or lists of token ids of the model's own vocabulary. Null and
                an empty text begin where the model's texts begin.
            echo: Repeat the prompt before its continuation. Not together with `logprobs`.
            suffix: Text cannot be inserted before a suffix; only an empty one is accepted.
            max_tokens: Tokens generated at most, for each choice. 0 generates nothing; with `echo` the prompt
                comes back.
            stream_options: Only with `stream`.
            temperature: 0 always takes the likeliest token.
            top_p: Nucleus sampling. 0 means the smallest nucleus, the likeliest token.
            top_k: Sample among the k likeliest tokens. 0 or -1 is off, the default.
            min_p: Drop tokens less likely than this share of the likeliest one's probability.
            repetition_penalty: Above 1 makes tokens that occurred less likely. 1 is off, the default.
            logit_bias: Added to the logits of single tokens, by token id.
            seed: The same seed and request give the same answer, as far as the hardware allows.
            stop: The answer ends before the first of these texts.
            ignore_eos: Go on past the model's own end, up to the token limit.
            n: How many choices for each prompt, which is computed and counted once. At most 64 for all
                prompts.
            best_of: Choices are not ranked; only the value of `n` is accepted.
            logprobs: The log probability of every token, and of so many of the likeliest ones at its place.
            user: Accepted; recorded nowhere.
        """
        call = Call(
            "POST",
            "/v1/completions",
            body={
                "model": model,
                "prompt": prompt,
                "echo": echo,
                "suffix": suffix,
                "max_tokens": max_tokens,
                "stream": stream,
                "stream_options": stream_options,
                "temperature": temperature,
                "top_p": top_p,
                "top_k": top_k,
                "min_p": min_p,
                "repetition_penalty": repetition_penalty,
                "presence_penalty": presence_penalty,
                "frequency_penalty": frequency_penalty,
                "logit_bias": logit_bias,
                "seed": seed,
                "stop": stop,
                "stop_token_ids": stop_token_ids,
                "ignore_eos": ignore_eos,
                "min_tokens": min_tokens,
                "n": n,
                "best_of": best_of,
                "logprobs": logprobs,
                "user": user,
            },
            **options,
        )
        if stream:
            return await self._client.stream(call, types.Completion)
        return await self._client.request(call, types.Completion)


class AsyncCompletionsWithRawResponse:
    def __init__(self, resource: AsyncCompletions) -> None:
        self.create = async_raw(resource.create)


class AsyncCompletionsWithStreamingResponse:
    def __init__(self, resource: AsyncCompletions) -> None:
        self.create = async_streamed(resource.create)


class Responses(ResponsesHelpers, Resource[SyncClient]):
    """`client.responses`"""

    @cached_property
    def input_tokens(self) -> ResponsesInputTokens:
        return ResponsesInputTokens(self._client)

    @cached_property
    def input_items(self) -> ResponsesInputItems:
        return ResponsesInputItems(self._client)

    @cached_property
    def with_raw_response(self) -> ResponsesWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return ResponsesWithRawResponse(Responses(self._raw()))

    @cached_property
    def with_streaming_response(self) -> ResponsesWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return ResponsesWithStreamingResponse(Responses(self._streamed()))

    @overload
    def create(
        self,
        *,
        model: str,
        input: str | Sequence[params.ResponseInputItem],
        stream: Literal[False] | None | Omit = omit,
        instructions: str | None | Omit = omit,
        previous_response_id: str | None | Omit = omit,
        tools: Sequence[params.ResponseTool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ResponseToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        text: params.ResponseTextConfig | None | Omit = omit,
        reasoning: params.ResponseReasoningConfig | None | Omit = omit,
        truncation: Literal["disabled"] | None | Omit = omit,
        conversation: None | Omit = omit,
        prompt: None | Omit = omit,
        stream_options: params.ResponseStreamOptions | None | Omit = omit,
        store: bool | None | Omit = omit,
        max_output_tokens: int | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        top_logprobs: int | None | Omit = omit,
        include: Sequence[params.ResponseIncludable] | None | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        background: Literal[False] | None | Omit = omit,
        max_tool_calls: int | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        user: str | None | Omit = omit,
        safety_identifier: str | None | Omit = omit,
        prompt_cache_key: str | None | Omit = omit,
        prompt_cache_retention: str | None | Omit = omit,
        prompt_cache_options: dict[str, Any] | None | Omit = omit,
        moderation: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Response: ...

    @overload
    def create(
        self,
        *,
        model: str,
        input: str | Sequence[params.ResponseInputItem],
        stream: Literal[True],
        instructions: str | None | Omit = omit,
        previous_response_id: str | None | Omit = omit,
        tools: Sequence[params.ResponseTool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ResponseToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        text: params.ResponseTextConfig | None | Omit = omit,
        reasoning: params.ResponseReasoningConfig | None | Omit = omit,
        truncation: Literal["disabled"] | None | Omit = omit,
        conversation: None | Omit = omit,
        prompt: None | Omit = omit,
        stream_options: params.ResponseStreamOptions | None | Omit = omit,
        store: bool | None | Omit = omit,
        max_output_tokens: int | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        top_logprobs: int | None | Omit = omit,
        include: Sequence[params.ResponseIncludable] | None | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        background: Literal[False] | None | Omit = omit,
        max_tool_calls: int | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        user: str | None | Omit = omit,
        safety_identifier: str | None | Omit = omit,
        prompt_cache_key: str | None | Omit = omit,
        prompt_cache_retention: str | None | Omit = omit,
        prompt_cache_options: dict[str, Any] | None | Omit = omit,
        moderation: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Stream[types.ResponseStreamEvent]: ...

    @overload
    def create(
        self,
        *,
        model: str,
        input: str | Sequence[params.ResponseInputItem],
        stream: bool | None | Omit,
        instructions: str | None | Omit = omit,
        previous_response_id: str | None | Omit = omit,
        tools: Sequence[params.ResponseTool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ResponseToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        text: params.ResponseTextConfig | None | Omit = omit,
        reasoning: params.ResponseReasoningConfig | None | Omit = omit,
        truncation: Literal["disabled"] | None | Omit = omit,
        conversation: None | Omit = omit,
        prompt: None | Omit = omit,
        stream_options: params.ResponseStreamOptions | None | Omit = omit,
        store: bool | None | Omit = omit,
        max_output_tokens: int | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        top_logprobs: int | None | Omit = omit,
        include: Sequence[params.ResponseIncludable] | None | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        background: Literal[False] | None | Omit = omit,
        max_tool_calls: int | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        user: str | None | Omit = omit,
        safety_identifier: str | None | Omit = omit,
        prompt_cache_key: str | None | Omit = omit,
        prompt_cache_retention: str | None | Omit = omit,
        prompt_cache_options: dict[str, Any] | None | Omit = omit,
        moderation: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Response | Stream[types.ResponseStreamEvent]: ...

    def create(
        self,
        *,
        model: str,
        input: str | Sequence[params.ResponseInputItem],
        stream: bool | None | Omit = omit,
        instructions: str | None | Omit = omit,
        previous_response_id: str | None | Omit = omit,
        tools: Sequence[params.ResponseTool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ResponseToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        text: params.ResponseTextConfig | None | Omit = omit,
        reasoning: params.ResponseReasoningConfig | None | Omit = omit,
        truncation: Literal["disabled"] | None | Omit = omit,
        conversation: None | Omit = omit,
        prompt: None | Omit = omit,
        stream_options: params.ResponseStreamOptions | None | Omit = omit,
        store: bool | None | Omit = omit,
        max_output_tokens: int | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        top_logprobs: int | None | Omit = omit,
        include: Sequence[params.ResponseIncludable] | None | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        background: Literal[False] | None | Omit = omit,
        max_tool_calls: int | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        user: str | None | Omit = omit,
        safety_identifier: str | None | Omit = omit,
        prompt_cache_key: str | None | Omit = omit,
        prompt_cache_retention: str | None | Omit = omit,
        prompt_cache_options: dict[str, Any] | None | Omit = omit,
        moderation: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """Create a response.

        Answers like a chat completion, as a list of items: reasoning, a message, calls of
        functions. A response is kept for 30 days unless `store` is false, so that the next turn
        can continue from it: by `previous_response_id`, or by naming single items with
        `item_reference`.

        With `stream: true` the answer arrives as server-sent events while it is generated. Each
        has the name of its `type` and a `sequence_number`, from 0 on. `response.created` and
        `response.in_progress` come first. Then, item by item, `response.output_item.added`, the
        item's own events, and `response.output_item.done` with the whole item. One of
        `response.completed`, `response.incomplete` and `response.failed` carries the final
        response; then `data: [DONE]`. A failure is announced by an `error` event before
        `response.failed`.

        When the client leaves, generation stops at once; what was generated until then is
        recorded, and kept as a response with the status `cancelled`.

        Tools of the type `mcp` are run by this server (`ResponseServerTools`), as items of the
        type `mcp_call`: the model is asked again with their results, until it answers. `usage`
        is the sum of these rounds; each is admitted, limited and charged as a request of its
        own, the n-th under the id of this one and `-n`.

        Not supported, and refused with 400: `background`, `conversation`, `prompt`,
        `truncation: auto`, files, images for models that do not see, and all tools but
        functions and those of this server. Only from Codex CLI, which cannot be told to send
        none, other tools are taken: they are left out, and named in `x-novai-ignored-params`.

        Args:
            model: The model's id, as `GET /v1/models` lists it.
            input: What the user says, or items of a conversation.
            instructions: Said before everything else. Those of earlier turns are not carried over.
            previous_response_id: Continue from this response, which must have been stored.
            truncation: `auto` is refused: an input that is too long is an error here, never cut.
            conversation: Refused: use `previous_response_id`.
            prompt: Refused: there are no stored prompts.
            stream_options: Only with `stream`.
            store: Keep the response and its input for later turns. When the database is away the answer is
                given all the same, and says `store` false.
            max_output_tokens: Tokens generated at most, reasoning included. Without it, as many as the context leaves.
            temperature: 0 always takes the likeliest token.
            top_p: Nucleus sampling. 0 means the smallest nucleus, the likeliest token.
            top_logprobs: More than 0 gives the text's log probabilities, as `message.output_text.logprobs` in
                `include` does.
            background: `true` is refused: requests run while their client waits.
            max_tool_calls: Of tools that this server runs. Calls beyond it are not made; the model is told so, and
                asked to answer.
            service_tier: Accepted. All requests run in the tier `default`.
            user: Accepted; given back.
            safety_identifier: Accepted; given back.
            prompt_cache_key: Accepted; given back. Prefixes are cached without it.
            prompt_cache_retention: Accepted; the cache keeps what it has room for.
            prompt_cache_options: Accepted; the cache needs none.
            moderation: Accepted; this server does not moderate.
        """
        call = Call(
            "POST",
            "/v1/responses",
            body={
                "model": model,
                "input": input,
                "instructions": instructions,
                "previous_response_id": previous_response_id,
                "tools": tools,
                "tool_choice": tool_choice,
                "parallel_tool_calls": parallel_tool_calls,
                "text": text,
                "reasoning": reasoning,
                "truncation": truncation,
                "conversation": conversation,
                "prompt": prompt,
                "stream": stream,
                "stream_options": stream_options,
                "store": store,
                "max_output_tokens": max_output_tokens,
                "temperature": temperature,
                "top_p": top_p,
                "presence_penalty": presence_penalty,
                "frequency_penalty": frequency_penalty,
                "top_logprobs": top_logprobs,
                "include": include,
                "metadata": metadata,
                "background": background,
                "max_tool_calls": max_tool_calls,
                "service_tier": service_tier,
                "user": user,
                "safety_identifier": safety_identifier,
                "prompt_cache_key": prompt_cache_key,
                "prompt_cache_retention": prompt_cache_retention,
                "prompt_cache_options": prompt_cache_options,
                "moderation": moderation,
            },
            **options,
        )
        if stream:
            return self._client.stream(call, types.ResponseStreamEvent)
        return self._client.request(*self._asked(call, types.Response))

    def retrieve(
        self,
        response_id: str,
        *,
        stream: Literal["false"] | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Response:
        """Retrieve a response.

        As its last event or its answer had it. Responses of other projects do not exist for the
        key (404).

        Args:
            stream: Stored responses are not streamed again.
        """
        call = Call(
            "GET",
            path("/v1/responses/{response_id}", response_id=response_id),
            query={
                "stream": stream,
            },
            **options,
        )
        return self._client.request(*self._asked(call, types.Response))

    def delete(
        self,
        response_id: str,
        **options: Unpack[RequestOptions],
    ) -> types.ResponseDeleted:
        """Delete a response.

        With its items. Responses that continue from it cannot be continued any more.

        """
        call = Call(
            "DELETE",
            path("/v1/responses/{response_id}", response_id=response_id),
            **options,
        )
        return self._client.request(*self._asked(call, types.ResponseDeleted))

    def cancel(
        self,
        response_id: str,
        **options: Unpack[RequestOptions],
    ) -> types.Response:
        """Cancel a response.

        Only responses that run in the background can be cancelled, and this server runs none: a
        response that exists answers 400. To stop one that is being generated, close its
        connection.

        """
        call = Call(
            "POST",
            path("/v1/responses/{response_id}/cancel", response_id=response_id),
            **options,
        )
        return self._client.request(*self._asked(call, types.Response))


class ResponsesWithRawResponse:
    def __init__(self, resource: Responses) -> None:
        self.create = raw(resource.create)
        self.retrieve = raw(resource.retrieve)
        self.delete = raw(resource.delete)
        self.cancel = raw(resource.cancel)


class ResponsesWithStreamingResponse:
    def __init__(self, resource: Responses) -> None:
        self.create = streamed(resource.create)
        self.retrieve = streamed(resource.retrieve)
        self.delete = streamed(resource.delete)
        self.cancel = streamed(resource.cancel)


class AsyncResponses(AsyncResponsesHelpers, Resource[AsyncClient]):
    """`client.responses`"""

    @cached_property
    def input_tokens(self) -> AsyncResponsesInputTokens:
        return AsyncResponsesInputTokens(self._client)

    @cached_property
    def input_items(self) -> AsyncResponsesInputItems:
        return AsyncResponsesInputItems(self._client)

    @cached_property
    def with_raw_response(self) -> AsyncResponsesWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncResponsesWithRawResponse(AsyncResponses(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncResponsesWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncResponsesWithStreamingResponse(AsyncResponses(self._streamed()))

    @overload
    async def create(
        self,
        *,
        model: str,
        input: str | Sequence[params.ResponseInputItem],
        stream: Literal[False] | None | Omit = omit,
        instructions: str | None | Omit = omit,
        previous_response_id: str | None | Omit = omit,
        tools: Sequence[params.ResponseTool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ResponseToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        text: params.ResponseTextConfig | None | Omit = omit,
        reasoning: params.ResponseReasoningConfig | None | Omit = omit,
        truncation: Literal["disabled"] | None | Omit = omit,
        conversation: None | Omit = omit,
        prompt: None | Omit = omit,
        stream_options: params.ResponseStreamOptions | None | Omit = omit,
        store: bool | None | Omit = omit,
        max_output_tokens: int | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        top_logprobs: int | None | Omit = omit,
        include: Sequence[params.ResponseIncludable] | None | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        background: Literal[False] | None | Omit = omit,
        max_tool_calls: int | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        user: str | None | Omit = omit,
        safety_identifier: str | None | Omit = omit,
        prompt_cache_key: str | None | Omit = omit,
        prompt_cache_retention: str | None | Omit = omit,
        prompt_cache_options: dict[str, Any] | None | Omit = omit,
        moderation: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Response: ...

    @overload
    async def create(
        self,
        *,
        model: str,
        input: str | Sequence[params.ResponseInputItem],
        stream: Literal[True],
        instructions: str | None | Omit = omit,
        previous_response_id: str | None | Omit = omit,
        tools: Sequence[params.ResponseTool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ResponseToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        text: params.ResponseTextConfig | None | Omit = omit,
        reasoning: params.ResponseReasoningConfig | None | Omit = omit,
        truncation: Literal["disabled"] | None | Omit = omit,
        conversation: None | Omit = omit,
        prompt: None | Omit = omit,
        stream_options: params.ResponseStreamOptions | None | Omit = omit,
        store: bool | None | Omit = omit,
        max_output_tokens: int | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        top_logprobs: int | None | Omit = omit,
        include: Sequence[params.ResponseIncludable] | None | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        background: Literal[False] | None | Omit = omit,
        max_tool_calls: int | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        user: str | None | Omit = omit,
        safety_identifier: str | None | Omit = omit,
        prompt_cache_key: str | None | Omit = omit,
        prompt_cache_retention: str | None | Omit = omit,
        prompt_cache_options: dict[str, Any] | None | Omit = omit,
        moderation: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> AsyncStream[types.ResponseStreamEvent]: ...

    @overload
    async def create(
        self,
        *,
        model: str,
        input: str | Sequence[params.ResponseInputItem],
        stream: bool | None | Omit,
        instructions: str | None | Omit = omit,
        previous_response_id: str | None | Omit = omit,
        tools: Sequence[params.ResponseTool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ResponseToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        text: params.ResponseTextConfig | None | Omit = omit,
        reasoning: params.ResponseReasoningConfig | None | Omit = omit,
        truncation: Literal["disabled"] | None | Omit = omit,
        conversation: None | Omit = omit,
        prompt: None | Omit = omit,
        stream_options: params.ResponseStreamOptions | None | Omit = omit,
        store: bool | None | Omit = omit,
        max_output_tokens: int | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        top_logprobs: int | None | Omit = omit,
        include: Sequence[params.ResponseIncludable] | None | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        background: Literal[False] | None | Omit = omit,
        max_tool_calls: int | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        user: str | None | Omit = omit,
        safety_identifier: str | None | Omit = omit,
        prompt_cache_key: str | None | Omit = omit,
        prompt_cache_retention: str | None | Omit = omit,
        prompt_cache_options: dict[str, Any] | None | Omit = omit,
        moderation: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Response | AsyncStream[types.ResponseStreamEvent]: ...

    async def create(
        self,
        *,
        model: str,
        input: str | Sequence[params.ResponseInputItem],
        stream: bool | None | Omit = omit,
        instructions: str | None | Omit = omit,
        previous_response_id: str | None | Omit = omit,
        tools: Sequence[params.ResponseTool] | None | Omit = omit,
        tool_choice: params.ToolChoiceMode | params.ResponseToolChoice | None | Omit = omit,
        parallel_tool_calls: bool | None | Omit = omit,
        text: params.ResponseTextConfig | None | Omit = omit,
        reasoning: params.ResponseReasoningConfig | None | Omit = omit,
        truncation: Literal["disabled"] | None | Omit = omit,
        conversation: None | Omit = omit,
        prompt: None | Omit = omit,
        stream_options: params.ResponseStreamOptions | None | Omit = omit,
        store: bool | None | Omit = omit,
        max_output_tokens: int | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        presence_penalty: float | None | Omit = omit,
        frequency_penalty: float | None | Omit = omit,
        top_logprobs: int | None | Omit = omit,
        include: Sequence[params.ResponseIncludable] | None | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        background: Literal[False] | None | Omit = omit,
        max_tool_calls: int | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        user: str | None | Omit = omit,
        safety_identifier: str | None | Omit = omit,
        prompt_cache_key: str | None | Omit = omit,
        prompt_cache_retention: str | None | Omit = omit,
        prompt_cache_options: dict[str, Any] | None | Omit = omit,
        moderation: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """Create a response.

        Answers like a chat completion, as a list of items: reasoning, a message, calls of
        functions. A response is kept for 30 days unless `store` is false, so that the next turn
        can continue from it: by `previous_response_id`, or by naming single items with
        `item_reference`.

        With `stream: true` the answer arrives as server-sent events while it is generated. Each
        has the name of its `type` and a `sequence_number`, from 0 on. `response.created` and
        `response.in_progress` come first. Then, item by item, `response.output_item.added`, the
        item's own events, and `response.output_item.done` with the whole item. One of
        `response.completed`, `response.incomplete` and `response.failed` carries the final
        response; then `data: [DONE]`. A failure is announced by an `error` event before
        `response.failed`.

        When the client leaves, generation stops at once; what was generated until then is
        recorded, and kept as a response with the status `cancelled`.

        Tools of the type `mcp` are run by this server (`ResponseServerTools`), as items of the
        type `mcp_call`: the model is asked again with their results, until it answers. `usage`
        is the sum of these rounds; each is admitted, limited and charged as a request of its
        own, the n-th under the id of this one and `-n`.

        Not supported, and refused with 400: `background`, `conversation`, `prompt`,
        `truncation: auto`, files, images for models that do not see, and all tools but
        functions and those of this server. Only from Codex CLI, which cannot be told to send
        none, other tools are taken: they are left out, and named in `x-novai-ignored-params`.

        Args:
            model: The model's id, as `GET /v1/models` lists it.
            input: What the user says, or items of a conversation.
            instructions: Said before everything else. Those of earlier turns are not carried over.
            previous_response_id: Continue from this response, which must have been stored.
            truncation: `auto` is refused: an input that is too long is an error here, never cut.
            conversation: Refused: use `previous_response_id`.
            prompt: Refused: there are no stored prompts.
            stream_options: Only with `stream`.
            store: Keep the response and its input for later turns. When the database is away the answer is
                given all the same, and says `store` false.
            max_output_tokens: Tokens generated at most, reasoning included. Without it, as many as the context leaves.
            temperature: 0 always takes the likeliest token.
            top_p: Nucleus sampling. 0 means the smallest nucleus, the likeliest token.
            top_logprobs: More than 0 gives the text's log probabilities, as `message.output_text.logprobs` in
                `include` does.
            background: `true` is refused: requests run while their client waits.
            max_tool_calls: Of tools that this server runs. Calls beyond it are not made; the model is told so, and
                asked to answer.
            service_tier: Accepted. All requests run in the tier `default`.
            user: Accepted; given back.
            safety_identifier: Accepted; given back.
            prompt_cache_key: Accepted; given back. Prefixes are cached without it.
            prompt_cache_retention: Accepted; the cache keeps what it has room for.
            prompt_cache_options: Accepted; the cache needs none.
            moderation: Accepted; this server does not moderate.
        """
        call = Call(
            "POST",
            "/v1/responses",
            body={
                "model": model,
                "input": input,
                "instructions": instructions,
                "previous_response_id": previous_response_id,
                "tools": tools,
                "tool_choice": tool_choice,
                "parallel_tool_calls": parallel_tool_calls,
                "text": text,
                "reasoning": reasoning,
                "truncation": truncation,
                "conversation": conversation,
                "prompt": prompt,
                "stream": stream,
                "stream_options": stream_options,
                "store": store,
                "max_output_tokens": max_output_tokens,
                "temperature": temperature,
                "top_p": top_p,
                "presence_penalty": presence_penalty,
                "frequency_penalty": frequency_penalty,
                "top_logprobs": top_logprobs,
                "include": include,
                "metadata": metadata,
                "background": background,
                "max_tool_calls": max_tool_calls,
                "service_tier": service_tier,
                "user": user,
                "safety_identifier": safety_identifier,
                "prompt_cache_key": prompt_cache_key,
                "prompt_cache_retention": prompt_cache_retention,
                "prompt_cache_options": prompt_cache_options,
                "moderation": moderation,
            },
            **options,
        )
        if stream:
            return await self._client.stream(call, types.ResponseStreamEvent)
        return await self._client.request(*self._asked(call, types.Response))

    async def retrieve(
        self,
        response_id: str,
        *,
        stream: Literal["false"] | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Response:
        """Retrieve a response.

        As its last event or its answer had it. Responses of other projects do not exist for the
        key (404).

        Args:
            stream: Stored responses are not streamed again.
        """
        call = Call(
            "GET",
            path("/v1/responses/{response_id}", response_id=response_id),
            query={
                "stream": stream,
            },
            **options,
        )
        return await self._client.request(*self._asked(call, types.Response))

    async def delete(
        self,
        response_id: str,
        **options: Unpack[RequestOptions],
    ) -> types.ResponseDeleted:
        """Delete a response.

        With its items. Responses that continue from it cannot be continued any more.

        """
        call = Call(
            "DELETE",
            path("/v1/responses/{response_id}", response_id=response_id),
            **options,
        )
        return await self._client.request(*self._asked(call, types.ResponseDeleted))

    async def cancel(
        self,
        response_id: str,
        **options: Unpack[RequestOptions],
    ) -> types.Response:
        """Cancel a response.

        Only responses that run in the background can be cancelled, and this server runs none: a
        response that exists answers 400. To stop one that is being generated, close its
        connection.

        """
        call = Call(
            "POST",
            path("/v1/responses/{response_id}/cancel", response_id=response_id),
            **options,
        )
        return await self._client.request(*self._asked(call, types.Response))


class AsyncResponsesWithRawResponse:
    def __init__(self, resource: AsyncResponses) -> None:
        self.create = async_raw(resource.create)
        self.retrieve = async_raw(resource.retrieve)
        self.delete = async_raw(resource.delete)
        self.cancel = async_raw(resource.cancel)


class AsyncResponsesWithStreamingResponse:
    def __init__(self, resource: AsyncResponses) -> None:
        self.create = async_streamed(resource.create)
        self.retrieve = async_streamed(resource.retrieve)
        self.delete = async_streamed(resource.delete)
        self.cancel = async_streamed(resource.cancel)


class Embeddings(EmbeddingsHelpers, Resource[SyncClient]):
    """`client.embeddings`"""

    @cached_property
    def with_raw_response(self) -> EmbeddingsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return EmbeddingsWithRawResponse(Embeddings(self._raw()))

    @cached_property
    def with_streaming_response(self) -> EmbeddingsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return EmbeddingsWithStreamingResponse(Embeddings(self._streamed()))

    def create(
        self,
        *,
        model: str,
        input: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]],
        encoding_format: params.EncodingFormat | None | Omit = omit,
        dimensions: int | None | Omit = omit,
        user: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.EmbeddingResponse:
        """Create embeddings.

        Vectors of one or many texts, in their order. Texts may be given as token ids of the
        model's own vocabulary. The official SDKs ask for `base64` (little-endian float32) by
        default and decode it for the caller.

        Args:
            input: A text, texts, token ids, or lists of token ids.
            dimensions: Keep only the leading dimensions; for models trained for it.
        """
        call = Call(
            "POST",
            "/v1/embeddings",
            body={
                "model": model,
                "input": input,
                "encoding_format": encoding_format,
                "dimensions": dimensions,
                "user": user,
            },
            **options,
        )
        return self._client.request(*self._asked(call, types.EmbeddingResponse))


class EmbeddingsWithRawResponse:
    def __init__(self, resource: Embeddings) -> None:
        self.create = raw(resource.create)


class EmbeddingsWithStreamingResponse:
    def __init__(self, resource: Embeddings) -> None:
        self.create = streamed(resource.create)


class AsyncEmbeddings(AsyncEmbeddingsHelpers, Resource[AsyncClient]):
    """`client.embeddings`"""

    @cached_property
    def with_raw_response(self) -> AsyncEmbeddingsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncEmbeddingsWithRawResponse(AsyncEmbeddings(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncEmbeddingsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncEmbeddingsWithStreamingResponse(AsyncEmbeddings(self._streamed()))

    async def create(
        self,
        *,
        model: str,
        input: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]],
        encoding_format: params.EncodingFormat | None | Omit = omit,
        dimensions: int | None | Omit = omit,
        user: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.EmbeddingResponse:
        """Create embeddings.

        Vectors of one or many texts, in their order. Texts may be given as token ids of the
        model's own vocabulary. The official SDKs ask for `base64` (little-endian float32) by
        default and decode it for the caller.

        Args:
            input: A text, texts, token ids, or lists of token ids.
            dimensions: Keep only the leading dimensions; for models trained for it.
        """
        call = Call(
            "POST",
            "/v1/embeddings",
            body={
                "model": model,
                "input": input,
                "encoding_format": encoding_format,
                "dimensions": dimensions,
                "user": user,
            },
            **options,
        )
        return await self._client.request(*self._asked(call, types.EmbeddingResponse))


class AsyncEmbeddingsWithRawResponse:
    def __init__(self, resource: AsyncEmbeddings) -> None:
        self.create = async_raw(resource.create)


class AsyncEmbeddingsWithStreamingResponse:
    def __init__(self, resource: AsyncEmbeddings) -> None:
        self.create = async_streamed(resource.create)


class Rerank(Resource[SyncClient]):
    """`client.rerank`"""

    @cached_property
    def with_raw_response(self) -> RerankWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return RerankWithRawResponse(Rerank(self._raw()))

    @cached_property
    def with_streaming_response(self) -> RerankWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return RerankWithStreamingResponse(Rerank(self._streamed()))

    def create(
        self,
        *,
        model: str,
        query: str,
        documents: Sequence[str | params.RerankDocument],
        top_n: int | None | Omit = omit,
        return_documents: bool | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.RerankResponse:
        """Order documents by how near they are to a query.

        In the form of Jina and Cohere, by an embedding model: `relevance_score` is the cosine
        of the query's and the document's vectors, -1 to 1. Each text is read alone. That is
        faster than a cross-encoder, which reads query and document together, and less sharp.
        Charged as the embeddings of the query and of all documents.

        Args:
            top_n: Results at most. Without it, all.
            return_documents: Repeat each document in its result.
        """
        call = Call(
            "POST",
            "/v1/rerank",
            body={
                "model": model,
                "query": query,
                "documents": documents,
                "top_n": top_n,
                "return_documents": return_documents,
            },
            **options,
        )
        return self._client.request(call, types.RerankResponse)


class RerankWithRawResponse:
    def __init__(self, resource: Rerank) -> None:
        self.create = raw(resource.create)


class RerankWithStreamingResponse:
    def __init__(self, resource: Rerank) -> None:
        self.create = streamed(resource.create)


class AsyncRerank(Resource[AsyncClient]):
    """`client.rerank`"""

    @cached_property
    def with_raw_response(self) -> AsyncRerankWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncRerankWithRawResponse(AsyncRerank(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncRerankWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncRerankWithStreamingResponse(AsyncRerank(self._streamed()))

    async def create(
        self,
        *,
        model: str,
        query: str,
        documents: Sequence[str | params.RerankDocument],
        top_n: int | None | Omit = omit,
        return_documents: bool | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.RerankResponse:
        """Order documents by how near they are to a query.

        In the form of Jina and Cohere, by an embedding model: `relevance_score` is the cosine
        of the query's and the document's vectors, -1 to 1. Each text is read alone. That is
        faster than a cross-encoder, which reads query and document together, and less sharp.
        Charged as the embeddings of the query and of all documents.

        Args:
            top_n: Results at most. Without it, all.
            return_documents: Repeat each document in its result.
        """
        call = Call(
            "POST",
            "/v1/rerank",
            body={
                "model": model,
                "query": query,
                "documents": documents,
                "top_n": top_n,
                "return_documents": return_documents,
            },
            **options,
        )
        return await self._client.request(call, types.RerankResponse)


class AsyncRerankWithRawResponse:
    def __init__(self, resource: AsyncRerank) -> None:
        self.create = async_raw(resource.create)


class AsyncRerankWithStreamingResponse:
    def __init__(self, resource: AsyncRerank) -> None:
        self.create = async_streamed(resource.create)


class Tokens(Resource[SyncClient]):
    """`client.tokens`"""

    @cached_property
    def with_raw_response(self) -> TokensWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return TokensWithRawResponse(Tokens(self._raw()))

    @cached_property
    def with_streaming_response(self) -> TokensWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return TokensWithStreamingResponse(Tokens(self._streamed()))

    def tokenize(
        self,
        *,
        model: str,
        prompt: str | None | Omit = omit,
        add_special_tokens: bool | None | Omit = omit,
        messages: Sequence[params.ChatMessage] | None | Omit = omit,
        tools: Sequence[params.Tool] | None | Omit = omit,
        chat_template_kwargs: params.ChatTemplateKwargs | None | Omit = omit,
        return_token_strs: bool | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.TokenizeResponse:
        """Tokenize a text or a conversation.

        Token ids of the model's own vocabulary, as vLLM answers. Give `prompt`, in which the
        texts of special tokens are those tokens, or `messages`, which become what the model
        would see. Nothing is charged; it counts as a request for the rate limits.

        Args:
            add_special_tokens: Of a `prompt`, with what the model wants around it. Templates say for themselves what
                they want.
            return_token_strs: Also the text of each token.
        """
        call = Call(
            "POST",
            "/v1/tokenize",
            body={
                "model": model,
                "prompt": prompt,
                "add_special_tokens": add_special_tokens,
                "messages": messages,
                "tools": tools,
                "chat_template_kwargs": chat_template_kwargs,
                "return_token_strs": return_token_strs,
            },
            **options,
        )
        return self._client.request(call, types.TokenizeResponse)

    def detokenize(
        self,
        *,
        model: str,
        tokens: Sequence[int],
        **options: Unpack[RequestOptions],
    ) -> types.DetokenizeResponse:
        """Turn tokens into text.

        The text of token ids, special tokens spelled out. Nothing is charged, as with
        `/v1/tokenize`.

        """
        call = Call(
            "POST",
            "/v1/detokenize",
            body={
                "model": model,
                "tokens": tokens,
            },
            **options,
        )
        return self._client.request(call, types.DetokenizeResponse)


class TokensWithRawResponse:
    def __init__(self, resource: Tokens) -> None:
        self.tokenize = raw(resource.tokenize)
        self.detokenize = raw(resource.detokenize)


class TokensWithStreamingResponse:
    def __init__(self, resource: Tokens) -> None:
        self.tokenize = streamed(resource.tokenize)
        self.detokenize = streamed(resource.detokenize)


class AsyncTokens(Resource[AsyncClient]):
    """`client.tokens`"""

    @cached_property
    def with_raw_response(self) -> AsyncTokensWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncTokensWithRawResponse(AsyncTokens(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncTokensWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncTokensWithStreamingResponse(AsyncTokens(self._streamed()))

    async def tokenize(
        self,
        *,
        model: str,
        prompt: str | None | Omit = omit,
        add_special_tokens: bool | None | Omit = omit,
        messages: Sequence[params.ChatMessage] | None | Omit = omit,
        tools: Sequence[params.Tool] | None | Omit = omit,
        chat_template_kwargs: params.ChatTemplateKwargs | None | Omit = omit,
        return_token_strs: bool | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.TokenizeResponse:
        """Tokenize a text or a conversation.

        Token ids of the model's own vocabulary, as vLLM answers. Give `prompt`, in which the
        texts of special tokens are those tokens, or `messages`, which become what the model
        would see. Nothing is charged; it counts as a request for the rate limits.

        Args:
            add_special_tokens: Of a `prompt`, with what the model wants around it. Templates say for themselves what
                they want.
            return_token_strs: Also the text of each token.
        """
        call = Call(
            "POST",
            "/v1/tokenize",
            body={
                "model": model,
                "prompt": prompt,
                "add_special_tokens": add_special_tokens,
                "messages": messages,
                "tools": tools,
                "chat_template_kwargs": chat_template_kwargs,
                "return_token_strs": return_token_strs,
            },
            **options,
        )
        return await self._client.request(call, types.TokenizeResponse)

    async def detokenize(
        self,
        *,
        model: str,
        tokens: Sequence[int],
        **options: Unpack[RequestOptions],
    ) -> types.DetokenizeResponse:
        """Turn tokens into text.

        The text of token ids, special tokens spelled out. Nothing is charged, as with
        `/v1/tokenize`.

        """
        call = Call(
            "POST",
            "/v1/detokenize",
            body={
                "model": model,
                "tokens": tokens,
            },
            **options,
        )
        return await self._client.request(call, types.DetokenizeResponse)


class AsyncTokensWithRawResponse:
    def __init__(self, resource: AsyncTokens) -> None:
        self.tokenize = async_raw(resource.tokenize)
        self.detokenize = async_raw(resource.detokenize)


class AsyncTokensWithStreamingResponse:
    def __init__(self, resource: AsyncTokens) -> None:
        self.tokenize = async_streamed(resource.tokenize)
        self.detokenize = async_streamed(resource.detokenize)


class Messages(MessagesHelpers, Resource[SyncClient]):
    """`client.messages`"""

    @cached_property
    def with_raw_response(self) -> MessagesWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return MessagesWithRawResponse(Messages(self._raw()))

    @cached_property
    def with_streaming_response(self) -> MessagesWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return MessagesWithStreamingResponse(Messages(self._streamed()))

    @overload
    def create(
        self,
        *,
        model: str,
        max_tokens: int,
        messages: Sequence[params.MessageParam],
        stream: Literal[False] | None | Omit = omit,
        system: str | Sequence[params.MessageTextBlock] | None | Omit = omit,
        tools: Sequence[params.MessageTool] | None | Omit = omit,
        tool_choice: params.MessageToolChoice | None | Omit = omit,
        thinking: params.MessageThinking | None | Omit = omit,
        output_config: params.MessageOutputConfig | None | Omit = omit,
        cache_control: dict[str, Any] | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        stop_sequences: Sequence[str] | None | Omit = omit,
        metadata: dict[str, Any] | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Message: ...

    @overload
    def create(
        self,
        *,
        model: str,
        max_tokens: int,
        messages: Sequence[params.MessageParam],
        stream: Literal[True],
        system: str | Sequence[params.MessageTextBlock] | None | Omit = omit,
        tools: Sequence[params.MessageTool] | None | Omit = omit,
        tool_choice: params.MessageToolChoice | None | Omit = omit,
        thinking: params.MessageThinking | None | Omit = omit,
        output_config: params.MessageOutputConfig | None | Omit = omit,
        cache_control: dict[str, Any] | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        stop_sequences: Sequence[str] | None | Omit = omit,
        metadata: dict[str, Any] | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Stream[types.MessageStreamEvent]: ...

    @overload
    def create(
        self,
        *,
        model: str,
        max_tokens: int,
        messages: Sequence[params.MessageParam],
        stream: bool | None | Omit,
        system: str | Sequence[params.MessageTextBlock] | None | Omit = omit,
        tools: Sequence[params.MessageTool] | None | Omit = omit,
        tool_choice: params.MessageToolChoice | None | Omit = omit,
        thinking: params.MessageThinking | None | Omit = omit,
        output_config: params.MessageOutputConfig | None | Omit = omit,
        cache_control: dict[str, Any] | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        stop_sequences: Sequence[str] | None | Omit = omit,
        metadata: dict[str, Any] | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Message | Stream[types.MessageStreamEvent]: ...

    def create(
        self,
        *,
        model: str,
        max_tokens: int,
        messages: Sequence[params.MessageParam],
        stream: bool | None | Omit = omit,
        system: str | Sequence[params.MessageTextBlock] | None | Omit = omit,
        tools: Sequence[params.MessageTool] | None | Omit = omit,
        tool_choice: params.MessageToolChoice | None | Omit = omit,
        thinking: params.MessageThinking | None | Omit = omit,
        output_config: params.MessageOutputConfig | None | Omit = omit,
        cache_control: dict[str, Any] | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        stop_sequences: Sequence[str] | None | Omit = omit,
        metadata: dict[str, Any] | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """Create a message.

        Answers a conversation as Anthropic's Messages API does: `anthropic` SDKs and Claude
        Code work with this server's URL as their base URL, without `/v1`.

        With `stream: true` the answer arrives as named server-sent events while it is
        generated: `message_start`, for each block `content_block_start`,
        `content_block_delta`…, `content_block_stop`, then `message_delta` with the reason it
        ended and the whole usage, and `message_stop`. A failure after the first of them is an
        event `error`.

        What the model thinks comes as `thinking` blocks, when `thinking` asks for it and the
        model can.

        Args:
            model: The model's id, as `GET /v1/models` lists it.
            max_tokens: Tokens generated at most, thinking included.
            messages: The conversation so far. When it ends with one of the assistant, the answer goes on from
                there.
            system: What the model is told before the conversation. Claude Code's `x-anthropic-billing-
                header` is left out: it changes with every request, and no prefix would be found in the
                cache.
            thinking: Without it, as with `disabled`: the model does not think. Models that cannot are not
                affected.
            cache_control: Accepted. Prefixes are found in the cache without it.
            temperature: 0 always takes the likeliest token. Up to 2, where Anthropic ends at 1.
            top_p: Nucleus sampling. 0 means the smallest nucleus, the likeliest token.
            top_k: Sample among the k likeliest tokens. 0 is off, the default.
            stop_sequences: The answer ends before the first of these texts.
            metadata: Accepted; recorded nowhere.
            service_tier: Accepted. All requests run in the tier `standard`.
        """
        call = Call(
            "POST",
            "/v1/messages",
            body={
                "model": model,
                "max_tokens": max_tokens,
                "messages": messages,
                "system": system,
                "tools": tools,
                "tool_choice": tool_choice,
                "thinking": thinking,
                "output_config": output_config,
                "cache_control": cache_control,
                "stream": stream,
                "temperature": temperature,
                "top_p": top_p,
                "top_k": top_k,
                "stop_sequences": stop_sequences,
                "metadata": metadata,
                "service_tier": service_tier,
            },
            **options,
        )
        if stream:
            return self._client.stream(call, types.MessageStreamEvent)
        return self._client.request(*self._asked(call, types.Message))

    def count_tokens(
        self,
        *,
        model: str,
        messages: Sequence[params.MessageParam],
        system: str | Sequence[params.MessageTextBlock] | None | Omit = omit,
        tools: Sequence[params.MessageTool] | None | Omit = omit,
        tool_choice: params.MessageToolChoice | None | Omit = omit,
        thinking: params.MessageThinking | None | Omit = omit,
        output_config: params.MessageOutputConfig | None | Omit = omit,
        cache_control: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.MessageTokens:
        """Count the tokens of a message's prompt.

        Tokens of the prompt as the model would see it, system and tools included. Nothing is
        charged; it counts as a request for the rate limits.

        Args:
            messages: The conversation so far. When it ends with one of the assistant, the answer goes on from
                there.
            system: What the model is told before the conversation. Claude Code's `x-anthropic-billing-
                header` is left out: it changes with every request, and no prefix would be found in the
                cache.
            thinking: Without it, as with `disabled`: the model does not think. Models that cannot are not
                affected.
            cache_control: Accepted. Prefixes are found in the cache without it.
        """
        call = Call(
            "POST",
            "/v1/messages/count_tokens",
            body={
                "model": model,
                "messages": messages,
                "system": system,
                "tools": tools,
                "tool_choice": tool_choice,
                "thinking": thinking,
                "output_config": output_config,
                "cache_control": cache_control,
            },
            **options,
        )
        return self._client.request(*self._asked(call, types.MessageTokens))


class MessagesWithRawResponse:
    def __init__(self, resource: Messages) -> None:
        self.create = raw(resource.create)
        self.count_tokens = raw(resource.count_tokens)


class MessagesWithStreamingResponse:
    def __init__(self, resource: Messages) -> None:
        self.create = streamed(resource.create)
        self.count_tokens = streamed(resource.count_tokens)


class AsyncMessages(AsyncMessagesHelpers, Resource[AsyncClient]):
    """`client.messages`"""

    @cached_property
    def with_raw_response(self) -> AsyncMessagesWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncMessagesWithRawResponse(AsyncMessages(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncMessagesWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncMessagesWithStreamingResponse(AsyncMessages(self._streamed()))

    @overload
    async def create(
        self,
        *,
        model: str,
        max_tokens: int,
        messages: Sequence[params.MessageParam],
        stream: Literal[False] | None | Omit = omit,
        system: str | Sequence[params.MessageTextBlock] | None | Omit = omit,
        tools: Sequence[params.MessageTool] | None | Omit = omit,
        tool_choice: params.MessageToolChoice | None | Omit = omit,
        thinking: params.MessageThinking | None | Omit = omit,
        output_config: params.MessageOutputConfig | None | Omit = omit,
        cache_control: dict[str, Any] | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        stop_sequences: Sequence[str] | None | Omit = omit,
        metadata: dict[str, Any] | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Message: ...

    @overload
    async def create(
        self,
        *,
        model: str,
        max_tokens: int,
        messages: Sequence[params.MessageParam],
        stream: Literal[True],
        system: str | Sequence[params.MessageTextBlock] | None | Omit = omit,
        tools: Sequence[params.MessageTool] | None | Omit = omit,
        tool_choice: params.MessageToolChoice | None | Omit = omit,
        thinking: params.MessageThinking | None | Omit = omit,
        output_config: params.MessageOutputConfig | None | Omit = omit,
        cache_control: dict[str, Any] | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        stop_sequences: Sequence[str] | None | Omit = omit,
        metadata: dict[str, Any] | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> AsyncStream[types.MessageStreamEvent]: ...

    @overload
    async def create(
        self,
        *,
        model: str,
        max_tokens: int,
        messages: Sequence[params.MessageParam],
        stream: bool | None | Omit,
        system: str | Sequence[params.MessageTextBlock] | None | Omit = omit,
        tools: Sequence[params.MessageTool] | None | Omit = omit,
        tool_choice: params.MessageToolChoice | None | Omit = omit,
        thinking: params.MessageThinking | None | Omit = omit,
        output_config: params.MessageOutputConfig | None | Omit = omit,
        cache_control: dict[str, Any] | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        stop_sequences: Sequence[str] | None | Omit = omit,
        metadata: dict[str, Any] | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Message | AsyncStream[types.MessageStreamEvent]: ...

    async def create(
        self,
        *,
        model: str,
        max_tokens: int,
        messages: Sequence[params.MessageParam],
        stream: bool | None | Omit = omit,
        system: str | Sequence[params.MessageTextBlock] | None | Omit = omit,
        tools: Sequence[params.MessageTool] | None | Omit = omit,
        tool_choice: params.MessageToolChoice | None | Omit = omit,
        thinking: params.MessageThinking | None | Omit = omit,
        output_config: params.MessageOutputConfig | None | Omit = omit,
        cache_control: dict[str, Any] | None | Omit = omit,
        temperature: float | None | Omit = omit,
        top_p: float | None | Omit = omit,
        top_k: int | None | Omit = omit,
        stop_sequences: Sequence[str] | None | Omit = omit,
        metadata: dict[str, Any] | None | Omit = omit,
        service_tier: str | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """Create a message.

        Answers a conversation as Anthropic's Messages API does: `anthropic` SDKs and Claude
        Code work with this server's URL as their base URL, without `/v1`.

        With `stream: true` the answer arrives as named server-sent events while it is
        generated: `message_start`, for each block `content_block_start`,
        `content_block_delta`…, `content_block_stop`, then `message_delta` with the reason it
        ended and the whole usage, and `message_stop`. A failure after the first of them is an
        event `error`.

        What the model thinks comes as `thinking` blocks, when `thinking` asks for it and the
        model can.

        Args:
            model: The model's id, as `GET /v1/models` lists it.
            max_tokens: Tokens generated at most, thinking included.
            messages: The conversation so far. When it ends with one of the assistant, the answer goes on from
                there.
            system: What the model is told before the conversation. Claude Code's `x-anthropic-billing-
                header` is left out: it changes with every request, and no prefix would be found in the
                cache.
            thinking: Without it, as with `disabled`: the model does not think. Models that cannot are not
                affected.
            cache_control: Accepted. Prefixes are found in the cache without it.
            temperature: 0 always takes the likeliest token. Up to 2, where Anthropic ends at 1.
            top_p: Nucleus sampling. 0 means the smallest nucleus, the likeliest token.
            top_k: Sample among the k likeliest tokens. 0 is off, the default.
            stop_sequences: The answer ends before the first of these texts.
            metadata: Accepted; recorded nowhere.
            service_tier: Accepted. All requests run in the tier `standard`.
        """
        call = Call(
            "POST",
            "/v1/messages",
            body={
                "model": model,
                "max_tokens": max_tokens,
                "messages": messages,
                "system": system,
                "tools": tools,
                "tool_choice": tool_choice,
                "thinking": thinking,
                "output_config": output_config,
                "cache_control": cache_control,
                "stream": stream,
                "temperature": temperature,
                "top_p": top_p,
                "top_k": top_k,
                "stop_sequences": stop_sequences,
                "metadata": metadata,
                "service_tier": service_tier,
            },
            **options,
        )
        if stream:
            return await self._client.stream(call, types.MessageStreamEvent)
        return await self._client.request(*self._asked(call, types.Message))

    async def count_tokens(
        self,
        *,
        model: str,
        messages: Sequence[params.MessageParam],
        system: str | Sequence[params.MessageTextBlock] | None | Omit = omit,
        tools: Sequence[params.MessageTool] | None | Omit = omit,
        tool_choice: params.MessageToolChoice | None | Omit = omit,
        thinking: params.MessageThinking | None | Omit = omit,
        output_config: params.MessageOutputConfig | None | Omit = omit,
        cache_control: dict[str, Any] | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.MessageTokens:
        """Count the tokens of a message's prompt.

        Tokens of the prompt as the model would see it, system and tools included. Nothing is
        charged; it counts as a request for the rate limits.

        Args:
            messages: The conversation so far. When it ends with one of the assistant, the answer goes on from
                there.
            system: What the model is told before the conversation. Claude Code's `x-anthropic-billing-
                header` is left out: it changes with every request, and no prefix would be found in the
                cache.
            thinking: Without it, as with `disabled`: the model does not think. Models that cannot are not
                affected.
            cache_control: Accepted. Prefixes are found in the cache without it.
        """
        call = Call(
            "POST",
            "/v1/messages/count_tokens",
            body={
                "model": model,
                "messages": messages,
                "system": system,
                "tools": tools,
                "tool_choice": tool_choice,
                "thinking": thinking,
                "output_config": output_config,
                "cache_control": cache_control,
            },
            **options,
        )
        return await self._client.request(*self._asked(call, types.MessageTokens))


class AsyncMessagesWithRawResponse:
    def __init__(self, resource: AsyncMessages) -> None:
        self.create = async_raw(resource.create)
        self.count_tokens = async_raw(resource.count_tokens)


class AsyncMessagesWithStreamingResponse:
    def __init__(self, resource: AsyncMessages) -> None:
        self.create = async_streamed(resource.create)
        self.count_tokens = async_streamed(resource.count_tokens)


class Files(FilesHelpers, Resource[SyncClient]):
    """`client.files`"""

    @cached_property
    def with_raw_response(self) -> FilesWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return FilesWithRawResponse(Files(self._raw()))

    @cached_property
    def with_streaming_response(self) -> FilesWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return FilesWithStreamingResponse(Files(self._streamed()))

    def list(
        self,
        *,
        purpose: Literal["batch", "batch_output", "user_data"] | Omit = omit,
        limit: int | Omit = omit,
        order: Literal["asc", "desc"] | Omit = omit,
        after: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Page[types.File]:
        """List files.

        Those of the key's project that have not expired.

        Args:
            purpose: Only files for this.
            limit: Files at most.
            order: `asc`: the oldest first; `desc`: the newest first.
            after: The page begins after the file with this id: `last_id` of the page before.
        """
        call = Call(
            "GET",
            "/v1/files",
            query={
                "purpose": purpose,
                "limit": limit,
                "order": order,
                "after": after,
            },
            **options,
        )
        return self._client.page(call, types.File, "last_id")

    def create(
        self,
        *,
        file: FileInput,
        purpose: Literal["batch", "user_data"],
        expires_after_anchor: Literal["created_at"] | Omit = omit,
        expires_after_seconds: int | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.File:
        """Upload a file.

        Stored while it arrives. The input of a batch (`purpose: batch`) is looked at meanwhile:
        JSON Lines in UTF-8, one object a line, at most 50 000 lines of 1 MiB; what is wrong is
        said in `status_details`, with its line number. Put `purpose` before `file` (the
        official SDKs do), so that a refusal does not wait for the end of the file.

        At most 200 MB, or what the operator says. The files of a project have a quota: what is
        beyond it is refused with 429 `storage_quota_exceeded`.

        Args:
            file: The content. Its name is kept without folders.
            purpose: `batch`: the input of a batch; `user_data`: anything else.
            expires_after_anchor: What `expires_after[seconds]` are counted from.
            expires_after_seconds: When the file is removed. Without it, inputs of batches after 30 days, others never.
        """
        call = Call(
            "POST",
            "/v1/files",
            body={
                "file": file,
                "purpose": purpose,
                "expires_after[anchor]": expires_after_anchor,
                "expires_after[seconds]": expires_after_seconds,
            },
            form=True,
            **options,
        )
        return self._client.request(*self._asked(call, types.File))

    def retrieve(
        self,
        file_id: str,
        **options: Unpack[RequestOptions],
    ) -> types.File:
        """Retrieve a file.

        What is known of it. Files of other projects do not exist for the key (404).

        """
        call = Call(
            "GET",
            path("/v1/files/{file_id}", file_id=file_id),
            **options,
        )
        return self._client.request(*self._asked(call, types.File))

    def delete(
        self,
        file_id: str,
        **options: Unpack[RequestOptions],
    ) -> types.FileDeleted:
        """Delete a file.

        With its content. A batch that still has to read it fails.

        """
        call = Call(
            "DELETE",
            path("/v1/files/{file_id}", file_id=file_id),
            **options,
        )
        return self._client.request(*self._asked(call, types.FileDeleted))

    def content(
        self,
        file_id: str,
        **options: Unpack[RequestOptions],
    ) -> BinaryResponse:
        """Download a file.

        Its bytes as they were uploaded, or as a batch wrote them, whatever `Accept` says.

        """
        call = Call(
            "GET",
            path("/v1/files/{file_id}/content", file_id=file_id),
            **options,
        )
        return self._client.binary(call)


class FilesWithRawResponse:
    def __init__(self, resource: Files) -> None:
        self.list = raw(resource.list)
        self.create = raw(resource.create)
        self.retrieve = raw(resource.retrieve)
        self.delete = raw(resource.delete)
        self.content = raw(resource.content)


class FilesWithStreamingResponse:
    def __init__(self, resource: Files) -> None:
        self.list = streamed(resource.list)
        self.create = streamed(resource.create)
        self.retrieve = streamed(resource.retrieve)
        self.delete = streamed(resource.delete)
        self.content = streamed(resource.content)


class AsyncFiles(AsyncFilesHelpers, Resource[AsyncClient]):
    """`client.files`"""

    @cached_property
    def with_raw_response(self) -> AsyncFilesWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncFilesWithRawResponse(AsyncFiles(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncFilesWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncFilesWithStreamingResponse(AsyncFiles(self._streamed()))

    def list(
        self,
        *,
        purpose: Literal["batch", "batch_output", "user_data"] | Omit = omit,
        limit: int | Omit = omit,
        order: Literal["asc", "desc"] | Omit = omit,
        after: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> AsyncPages[types.File]:
        """List files.

        Those of the key's project that have not expired.

        Args:
            purpose: Only files for this.
            limit: Files at most.
            order: `asc`: the oldest first; `desc`: the newest first.
            after: The page begins after the file with this id: `last_id` of the page before.
        """
        call = Call(
            "GET",
            "/v1/files",
            query={
                "purpose": purpose,
                "limit": limit,
                "order": order,
                "after": after,
            },
            **options,
        )
        return self._client.page(call, types.File, "last_id")

    async def create(
        self,
        *,
        file: FileInput,
        purpose: Literal["batch", "user_data"],
        expires_after_anchor: Literal["created_at"] | Omit = omit,
        expires_after_seconds: int | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.File:
        """Upload a file.

        Stored while it arrives. The input of a batch (`purpose: batch`) is looked at meanwhile:
        JSON Lines in UTF-8, one object a line, at most 50 000 lines of 1 MiB; what is wrong is
        said in `status_details`, with its line number. Put `purpose` before `file` (the
        official SDKs do), so that a refusal does not wait for the end of the file.

        At most 200 MB, or what the operator says. The files of a project have a quota: what is
        beyond it is refused with 429 `storage_quota_exceeded`.

        Args:
            file: The content. Its name is kept without folders.
            purpose: `batch`: the input of a batch; `user_data`: anything else.
            expires_after_anchor: What `expires_after[seconds]` are counted from.
            expires_after_seconds: When the file is removed. Without it, inputs of batches after 30 days, others never.
        """
        call = Call(
            "POST",
            "/v1/files",
            body={
                "file": file,
                "purpose": purpose,
                "expires_after[anchor]": expires_after_anchor,
                "expires_after[seconds]": expires_after_seconds,
            },
            form=True,
            **options,
        )
        return await self._client.request(*self._asked(call, types.File))

    async def retrieve(
        self,
        file_id: str,
        **options: Unpack[RequestOptions],
    ) -> types.File:
        """Retrieve a file.

        What is known of it. Files of other projects do not exist for the key (404).

        """
        call = Call(
            "GET",
            path("/v1/files/{file_id}", file_id=file_id),
            **options,
        )
        return await self._client.request(*self._asked(call, types.File))

    async def delete(
        self,
        file_id: str,
        **options: Unpack[RequestOptions],
    ) -> types.FileDeleted:
        """Delete a file.

        With its content. A batch that still has to read it fails.

        """
        call = Call(
            "DELETE",
            path("/v1/files/{file_id}", file_id=file_id),
            **options,
        )
        return await self._client.request(*self._asked(call, types.FileDeleted))

    async def content(
        self,
        file_id: str,
        **options: Unpack[RequestOptions],
    ) -> BinaryResponse:
        """Download a file.

        Its bytes as they were uploaded, or as a batch wrote them, whatever `Accept` says.

        """
        call = Call(
            "GET",
            path("/v1/files/{file_id}/content", file_id=file_id),
            **options,
        )
        return await self._client.binary(call)


class AsyncFilesWithRawResponse:
    def __init__(self, resource: AsyncFiles) -> None:
        self.list = async_raw(resource.list)
        self.create = async_raw(resource.create)
        self.retrieve = async_raw(resource.retrieve)
        self.delete = async_raw(resource.delete)
        self.content = async_raw(resource.content)


class AsyncFilesWithStreamingResponse:
    def __init__(self, resource: AsyncFiles) -> None:
        self.list = async_streamed(resource.list)
        self.create = async_streamed(resource.create)
        self.retrieve = async_streamed(resource.retrieve)
        self.delete = async_streamed(resource.delete)
        self.content = async_streamed(resource.content)


class Batches(BatchesHelpers, Resource[SyncClient]):
    """`client.batches`"""

    @cached_property
    def with_raw_response(self) -> BatchesWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return BatchesWithRawResponse(Batches(self._raw()))

    @cached_property
    def with_streaming_response(self) -> BatchesWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return BatchesWithStreamingResponse(Batches(self._streamed()))

    def list(
        self,
        *,
        after: str | Omit = omit,
        limit: int | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Page[types.Batch]:
        """List batches.

        Those of the key's project, the newest first.

        Args:
            after: The page begins after the batch with this id: `last_id` of the page before.
            limit: Batches at most.
        """
        call = Call(
            "GET",
            "/v1/batches",
            query={
                "after": after,
                "limit": limit,
            },
            **options,
        )
        return self._client.page(call, types.Batch, "last_id")

    def create(
        self,
        *,
        input_file_id: str | None | Omit = omit,
        inputs: Sequence[params.BatchInput] | None | Omit = omit,
        endpoint: params.BatchEndpoint | None | Omit = omit,
        completion_window: Literal["24h"] | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        output_expires_after: params.BatchOutputExpiry | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Batch:
        """Create a batch.

        Answers every line of a file within 24 hours, in the idle time of the models and at a
        lower price. Each line of the file, which was uploaded with the purpose `batch`, is
        `{"custom_id": "…", "method": "POST", "url": "/v1/chat/completions", "body": {…}}`, all
        with the batch's `endpoint` as their `url`; the `body` is what that endpoint takes,
        without `stream`. Without a file, `inputs` are the lines themselves (status 202):
        bodies, or objects with a `body` and a `custom_id`.

        The lines are looked at first (`validating`). What is wrong with them is in `errors`,
        with the numbers of the lines, and the batch has `failed`: nothing ran. Otherwise each
        line is answered once, in no certain order, and charged once: in the file
        `output_file_id`, or, when the request fails, in `error_file_id`. What has not run when
        the time is up, or when the batch is cancelled, is there too, with the code
        `batch_expired` or `batch_cancelled`, and costs nothing.

        Rate limits do not apply to lines; the tokens of all batches of a project that are not
        over do have a bound (`token_limit_exceeded`).

        Args:
            inputs: The requests themselves, instead of a file. They become a file, `input_file_id`.
            endpoint: What all lines are sent to. Of `inputs`, chat completions unless it is given.
            output_expires_after: When the files of answers expire, from their creation on. 30 days unless it is given.
        """
        call = Call(
            "POST",
            "/v1/batches",
            body={
                "input_file_id": input_file_id,
                "inputs": inputs,
                "endpoint": endpoint,
                "completion_window": completion_window,
                "metadata": metadata,
                "output_expires_after": output_expires_after,
            },
            **options,
        )
        return self._client.request(*self._asked(call, types.Batch))

    def retrieve(
        self,
        batch_id: str,
        **options: Unpack[RequestOptions],
    ) -> types.Batch:
        """Retrieve a batch.

        How far it is. Batches of other projects do not exist for the key (404).

        """
        call = Call(
            "GET",
            path("/v1/batches/{batch_id}", batch_id=batch_id),
            **options,
        )
        return self._client.request(*self._asked(call, types.Batch))

    def cancel(
        self,
        batch_id: str,
        **options: Unpack[RequestOptions],
    ) -> types.Batch:
        """Cancel a batch.

        Lines that run are stopped within seconds; the batch is `cancelling` until then. What
        was answered stays, and is charged. A batch that is over or `finalizing` answers 400:
        nothing of it runs. Cancelling twice is the same as once.

        """
        call = Call(
            "POST",
            path("/v1/batches/{batch_id}/cancel", batch_id=batch_id),
            **options,
        )
        return self._client.request(*self._asked(call, types.Batch))


class BatchesWithRawResponse:
    def __init__(self, resource: Batches) -> None:
        self.list = raw(resource.list)
        self.create = raw(resource.create)
        self.retrieve = raw(resource.retrieve)
        self.cancel = raw(resource.cancel)


class BatchesWithStreamingResponse:
    def __init__(self, resource: Batches) -> None:
        self.list = streamed(resource.list)
        self.create = streamed(resource.create)
        self.retrieve = streamed(resource.retrieve)
        self.cancel = streamed(resource.cancel)


class AsyncBatches(AsyncBatchesHelpers, Resource[AsyncClient]):
    """`client.batches`"""

    @cached_property
    def with_raw_response(self) -> AsyncBatchesWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncBatchesWithRawResponse(AsyncBatches(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncBatchesWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncBatchesWithStreamingResponse(AsyncBatches(self._streamed()))

    def list(
        self,
        *,
        after: str | Omit = omit,
        limit: int | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> AsyncPages[types.Batch]:
        """List batches.

        Those of the key's project, the newest first.

        Args:
            after: The page begins after the batch with this id: `last_id` of the page before.
            limit: Batches at most.
        """
        call = Call(
            "GET",
            "/v1/batches",
            query={
                "after": after,
                "limit": limit,
            },
            **options,
        )
        return self._client.page(call, types.Batch, "last_id")

    async def create(
        self,
        *,
        input_file_id: str | None | Omit = omit,
        inputs: Sequence[params.BatchInput] | None | Omit = omit,
        endpoint: params.BatchEndpoint | None | Omit = omit,
        completion_window: Literal["24h"] | Omit = omit,
        metadata: params.Metadata | None | Omit = omit,
        output_expires_after: params.BatchOutputExpiry | None | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.Batch:
        """Create a batch.

        Answers every line of a file within 24 hours, in the idle time of the models and at a
        lower price. Each line of the file, which was uploaded with the purpose `batch`, is
        `{"custom_id": "…", "method": "POST", "url": "/v1/chat/completions", "body": {…}}`, all
        with the batch's `endpoint` as their `url`; the `body` is what that endpoint takes,
        without `stream`. Without a file, `inputs` are the lines themselves (status 202):
        bodies, or objects with a `body` and a `custom_id`.

        The lines are looked at first (`validating`). What is wrong with them is in `errors`,
        with the numbers of the lines, and the batch has `failed`: nothing ran. Otherwise each
        line is answered once, in no certain order, and charged once: in the file
        `output_file_id`, or, when the request fails, in `error_file_id`. What has not run when
        the time is up, or when the batch is cancelled, is there too, with the code
        `batch_expired` or `batch_cancelled`, and costs nothing.

        Rate limits do not apply to lines; the tokens of all batches of a project that are not
        over do have a bound (`token_limit_exceeded`).

        Args:
            inputs: The requests themselves, instead of a file. They become a file, `input_file_id`.
            endpoint: What all lines are sent to. Of `inputs`, chat completions unless it is given.
            output_expires_after: When the files of answers expire, from their creation on. 30 days unless it is given.
        """
        call = Call(
            "POST",
            "/v1/batches",
            body={
                "input_file_id": input_file_id,
                "inputs": inputs,
                "endpoint": endpoint,
                "completion_window": completion_window,
                "metadata": metadata,
                "output_expires_after": output_expires_after,
            },
            **options,
        )
        return await self._client.request(*self._asked(call, types.Batch))

    async def retrieve(
        self,
        batch_id: str,
        **options: Unpack[RequestOptions],
    ) -> types.Batch:
        """Retrieve a batch.

        How far it is. Batches of other projects do not exist for the key (404).

        """
        call = Call(
            "GET",
            path("/v1/batches/{batch_id}", batch_id=batch_id),
            **options,
        )
        return await self._client.request(*self._asked(call, types.Batch))

    async def cancel(
        self,
        batch_id: str,
        **options: Unpack[RequestOptions],
    ) -> types.Batch:
        """Cancel a batch.

        Lines that run are stopped within seconds; the batch is `cancelling` until then. What
        was answered stays, and is charged. A batch that is over or `finalizing` answers 400:
        nothing of it runs. Cancelling twice is the same as once.

        """
        call = Call(
            "POST",
            path("/v1/batches/{batch_id}/cancel", batch_id=batch_id),
            **options,
        )
        return await self._client.request(*self._asked(call, types.Batch))


class AsyncBatchesWithRawResponse:
    def __init__(self, resource: AsyncBatches) -> None:
        self.list = async_raw(resource.list)
        self.create = async_raw(resource.create)
        self.retrieve = async_raw(resource.retrieve)
        self.cancel = async_raw(resource.cancel)


class AsyncBatchesWithStreamingResponse:
    def __init__(self, resource: AsyncBatches) -> None:
        self.list = async_streamed(resource.list)
        self.create = async_streamed(resource.create)
        self.retrieve = async_streamed(resource.retrieve)
        self.cancel = async_streamed(resource.cancel)


class Models(Resource[SyncClient]):
    """`client.models`"""

    @cached_property
    def with_raw_response(self) -> ModelsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return ModelsWithRawResponse(Models(self._raw()))

    @cached_property
    def with_streaming_response(self) -> ModelsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return ModelsWithStreamingResponse(Models(self._streamed()))

    def list(
        self,
        **options: Unpack[RequestOptions],
    ) -> Page[types.Model]:
        """List models.

        The models that are loaded now and that the key may use, by name. Aliases are listed
        beside them, with `alias_of`; those that end in `*` are not, but the names that they
        stand for can be retrieved.

        With `anthropic-version`, what clients of Anthropic's API look for is there as well.

        """
        call = Call(
            "GET",
            "/v1/models",
            **options,
        )
        return self._client.page(call, types.Model, None)

    def retrieve(
        self,
        model: str,
        **options: Unpack[RequestOptions],
    ) -> types.Model:
        """Retrieve a model."""
        call = Call(
            "GET",
            path("/v1/models/{model}", model=model),
            **options,
        )
        return self._client.request(call, types.Model)


class ModelsWithRawResponse:
    def __init__(self, resource: Models) -> None:
        self.list = raw(resource.list)
        self.retrieve = raw(resource.retrieve)


class ModelsWithStreamingResponse:
    def __init__(self, resource: Models) -> None:
        self.list = streamed(resource.list)
        self.retrieve = streamed(resource.retrieve)


class AsyncModels(Resource[AsyncClient]):
    """`client.models`"""

    @cached_property
    def with_raw_response(self) -> AsyncModelsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncModelsWithRawResponse(AsyncModels(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncModelsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncModelsWithStreamingResponse(AsyncModels(self._streamed()))

    def list(
        self,
        **options: Unpack[RequestOptions],
    ) -> AsyncPages[types.Model]:
        """List models.

        The models that are loaded now and that the key may use, by name. Aliases are listed
        beside them, with `alias_of`; those that end in `*` are not, but the names that they
        stand for can be retrieved.

        With `anthropic-version`, what clients of Anthropic's API look for is there as well.

        """
        call = Call(
            "GET",
            "/v1/models",
            **options,
        )
        return self._client.page(call, types.Model, None)

    async def retrieve(
        self,
        model: str,
        **options: Unpack[RequestOptions],
    ) -> types.Model:
        """Retrieve a model."""
        call = Call(
            "GET",
            path("/v1/models/{model}", model=model),
            **options,
        )
        return await self._client.request(call, types.Model)


class AsyncModelsWithRawResponse:
    def __init__(self, resource: AsyncModels) -> None:
        self.list = async_raw(resource.list)
        self.retrieve = async_raw(resource.retrieve)


class AsyncModelsWithStreamingResponse:
    def __init__(self, resource: AsyncModels) -> None:
        self.list = async_streamed(resource.list)
        self.retrieve = async_streamed(resource.retrieve)


class Usage(Resource[SyncClient]):
    """`client.usage`"""

    @cached_property
    def requests(self) -> UsageRequests:
        return UsageRequests(self._client)

    @cached_property
    def with_raw_response(self) -> UsageWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return UsageWithRawResponse(Usage(self._raw()))

    @cached_property
    def with_streaming_response(self) -> UsageWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return UsageWithStreamingResponse(Usage(self._streamed()))

    def list(
        self,
        *,
        start_date: date | str | Omit = omit,
        end_date: date | str | Omit = omit,
        group_by: str | Omit = omit,
        model: str | Omit = omit,
        key_id: str | Omit = omit,
        project_id: str | Omit = omit,
        limit: int | Omit = omit,
        after: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> Page[types.UsageRow]:
        """List what was used.

        Sums of tokens, requests and cost, written in the same transaction as each request's
        settlement: what was answered is in it. A key sees its own project; with the scope
        `admin` too it sees its organisation. What it cannot see is as if it were not there.

        `Accept: text/csv` gives the same rows as CSV, with exact amounts; all of them, unless
        there is a `limit`.

        Args:
            start_date: First day, UTC. Without it, 30 days before `end_date`, or before today where that is
                earlier.
            end_date: Last day, inclusive, UTC. Without it, today.
            group_by: Comma separated, of `day`, `hour`, `model`, `key` and `project`: a row for each
                combination, ordered by them. `day` or `hour`, and nothing twice.
            model: Only this model.
            key_id: Only this key.
            project_id: Only this project.
            limit: Rows at most.
            after: `next_after` of the page before.
        """
        call = Call(
            "GET",
            "/v1/usage",
            query={
                "start_date": start_date,
                "end_date": end_date,
                "group_by": group_by,
                "model": model,
                "key_id": key_id,
                "project_id": project_id,
                "limit": limit,
                "after": after,
            },
            **options,
        )
        return self._client.page(call, types.UsageRow, "next_after")


class UsageWithRawResponse:
    def __init__(self, resource: Usage) -> None:
        self.list = raw(resource.list)


class UsageWithStreamingResponse:
    def __init__(self, resource: Usage) -> None:
        self.list = streamed(resource.list)


class AsyncUsage(Resource[AsyncClient]):
    """`client.usage`"""

    @cached_property
    def requests(self) -> AsyncUsageRequests:
        return AsyncUsageRequests(self._client)

    @cached_property
    def with_raw_response(self) -> AsyncUsageWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncUsageWithRawResponse(AsyncUsage(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncUsageWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncUsageWithStreamingResponse(AsyncUsage(self._streamed()))

    def list(
        self,
        *,
        start_date: date | str | Omit = omit,
        end_date: date | str | Omit = omit,
        group_by: str | Omit = omit,
        model: str | Omit = omit,
        key_id: str | Omit = omit,
        project_id: str | Omit = omit,
        limit: int | Omit = omit,
        after: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> AsyncPages[types.UsageRow]:
        """List what was used.

        Sums of tokens, requests and cost, written in the same transaction as each request's
        settlement: what was answered is in it. A key sees its own project; with the scope
        `admin` too it sees its organisation. What it cannot see is as if it were not there.

        `Accept: text/csv` gives the same rows as CSV, with exact amounts; all of them, unless
        there is a `limit`.

        Args:
            start_date: First day, UTC. Without it, 30 days before `end_date`, or before today where that is
                earlier.
            end_date: Last day, inclusive, UTC. Without it, today.
            group_by: Comma separated, of `day`, `hour`, `model`, `key` and `project`: a row for each
                combination, ordered by them. `day` or `hour`, and nothing twice.
            model: Only this model.
            key_id: Only this key.
            project_id: Only this project.
            limit: Rows at most.
            after: `next_after` of the page before.
        """
        call = Call(
            "GET",
            "/v1/usage",
            query={
                "start_date": start_date,
                "end_date": end_date,
                "group_by": group_by,
                "model": model,
                "key_id": key_id,
                "project_id": project_id,
                "limit": limit,
                "after": after,
            },
            **options,
        )
        return self._client.page(call, types.UsageRow, "next_after")


class AsyncUsageWithRawResponse:
    def __init__(self, resource: AsyncUsage) -> None:
        self.list = async_raw(resource.list)


class AsyncUsageWithStreamingResponse:
    def __init__(self, resource: AsyncUsage) -> None:
        self.list = async_streamed(resource.list)


class Limits(Resource[SyncClient]):
    """`client.limits`"""

    @cached_property
    def with_raw_response(self) -> LimitsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return LimitsWithRawResponse(Limits(self._raw()))

    @cached_property
    def with_streaming_response(self) -> LimitsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return LimitsWithStreamingResponse(Limits(self._streamed()))

    def retrieve(
        self,
        *,
        model: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.LimitStates:
        """Show what is left.

        The rate limits that requests of this key meet, and the budgets and credits they draw
        on, as they stand now. Takes nothing. Any key may ask, whatever its scopes.

        Args:
            model: Also the limits of this model.
        """
        call = Call(
            "GET",
            "/v1/limits",
            query={
                "model": model,
            },
            **options,
        )
        return self._client.request(call, types.LimitStates)


class LimitsWithRawResponse:
    def __init__(self, resource: Limits) -> None:
        self.retrieve = raw(resource.retrieve)


class LimitsWithStreamingResponse:
    def __init__(self, resource: Limits) -> None:
        self.retrieve = streamed(resource.retrieve)


class AsyncLimits(Resource[AsyncClient]):
    """`client.limits`"""

    @cached_property
    def with_raw_response(self) -> AsyncLimitsWithRawResponse:
        """The same methods, whose answers come with status and headers."""
        return AsyncLimitsWithRawResponse(AsyncLimits(self._raw()))

    @cached_property
    def with_streaming_response(self) -> AsyncLimitsWithStreamingResponse:
        """The same methods as contexts, whose answers are read piece by piece."""
        return AsyncLimitsWithStreamingResponse(AsyncLimits(self._streamed()))

    async def retrieve(
        self,
        *,
        model: str | Omit = omit,
        **options: Unpack[RequestOptions],
    ) -> types.LimitStates:
        """Show what is left.

        The rate limits that requests of this key meet, and the budgets and credits they draw
        on, as they stand now. Takes nothing. Any key may ask, whatever its scopes.

        Args:
            model: Also the limits of this model.
        """
        call = Call(
            "GET",
            "/v1/limits",
            query={
                "model": model,
            },
            **options,
        )
        return await self._client.request(call, types.LimitStates)


class AsyncLimitsWithRawResponse:
    def __init__(self, resource: AsyncLimits) -> None:
        self.retrieve = async_raw(resource.retrieve)


class AsyncLimitsWithStreamingResponse:
    def __init__(self, resource: AsyncLimits) -> None:
        self.retrieve = async_streamed(resource.retrieve)


class Admin(Resource[SyncClient]):
    """`client.admin`"""

    @cached_property
    def projects(self) -> AdminProjects:
        return AdminProjects(self._client)

    @cached_property
    def keys(self) -> AdminKeys:
        return AdminKeys(self._client)

    @cached_property
    def prices(self) -> AdminPrices:
        return AdminPrices(self._client)

    @cached_property
    def budgets(self) -> AdminBudgets:
        return AdminBudgets(self._client)

    @cached_property
    def credits(self) -> AdminCredits:
        return AdminCredits(self._client)

    @cached_property
    def limits(self) -> AdminLimits:
        return AdminLimits(self._client)

    @cached_property
    def tiers(self) -> AdminTiers:
        return AdminTiers(self._client)

    @cached_property
    def audit(self) -> AdminAudit:
        return AdminAudit(self._client)

    @cached_property
    def models(self) -> AdminModels:
        return AdminModels(self._client)


class AsyncAdmin(Resource[AsyncClient]):
    """`client.admin`"""

    @cached_property
    def projects(self) -> AsyncAdminProjects:
        return AsyncAdminProjects(self._client)

    @cached_property
    def keys(self) -> AsyncAdminKeys:
        return AsyncAdminKeys(self._client)

    @cached_property
    def prices(self) -> AsyncAdminPrices:
        return AsyncAdminPrices(self._client)

    @cached_property
    def budgets(self) -> AsyncAdminBudgets:
        return AsyncAdminBudgets(self._client)

    @cached_property
    def credits(self) -> AsyncAdminCredits:
        return AsyncAdminCredits(self._client)

    @cached_property
    def limits(self) -> AsyncAdminLimits:
        return AsyncAdminLimits(self._client)

    @cached_property
    def tiers(self) -> AsyncAdminTiers:
        return AsyncAdminTiers(self._client)

    @cached_property
    def audit(self) -> AsyncAdminAudit:
        return AsyncAdminAudit(self._client)

    @cached_property
    def models(self) -> AsyncAdminModels:
        return AsyncAdminModels(self._client)
