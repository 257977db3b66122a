"""What is sent to upstreams, and how their answers are read, in the shapes that were seen in the wild."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from gen import inference_pb2 as pb

from internal.config import ModelConfig
from internal.errors import InternalError, InvalidRequestError
from internal.inference.backends.upstream.anthropic import Anthropic
from internal.inference.backends.upstream.backend import Run, UpstreamBackend, prompt_tokens
from internal.inference.backends.upstream.forms import StreamError, image_type
from internal.inference.backends.upstream.openai_compatible import OpenAICompatible, content
from internal.upstream.chain import FAILURES_TO_OPEN, Upstream
from internal.upstream.options import UpstreamOptions
from tests.conformance.provider import Fault, provider
from tests.unit.internal.inference.backends.running import Answer
from tests.workers import say

PLAIN = UpstreamOptions(base_url="http://x", model="remote")
MORE = UpstreamOptions(base_url="http://x", model="remote", extensions=True, max_tokens_field="max_completion_tokens")
PNG = b"\x89PNG\r\n\x1a\n"


def sent(form: Any, request: pb.GenerateRequest, options: UpstreamOptions = PLAIN) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(msgspec.json.encode(form.body(request, options)))
    return body


def conversation() -> pb.GenerateRequest:
    request = say("What is it?", max_tokens=9, stop=["END"])
    chat = request.chat
    chat.messages[0].parts.add(image=pb.Image(data=PNG))
    chat.messages.insert(0, pb.Message(role="system", parts=[pb.Part(text="Be brief.")]))
    chat.messages.append(
        pb.Message(role="assistant", tool_calls=[pb.ToolCall(id="c1", name="look", arguments='{"at": 1}')])
    )
    chat.messages.append(pb.Message(role="tool", tool_call_id="c1", parts=[pb.Part(text="a cat")]))
    chat.messages.append(pb.Message(role="user", parts=[pb.Part(text="Sure?")]))
    chat.tools.add(name="look", parameters_json='{"type":"object"}', strict=True)
    chat.tools.add(name="other", description="Else")
    return request


def test_a_conversation_in_openais_form() -> None:
    body = sent(OpenAICompatible, conversation())
    assert body["model"] == "remote"
    assert (body["max_tokens"], body["stop"]) == (9, ["END"])
    assert body["stream_options"] == {"include_usage": True}
    system, user, assistant, tool, last = body["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert user["content"][1] == {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
    assert assistant == {"role": "assistant", "content": None, "tool_calls": [call]}
    assert tool == {"role": "tool", "content": "a cat", "tool_call_id": "c1"}
    assert last["content"] == "Sure?"
    look = {"name": "look", "parameters": {"type": "object"}, "strict": True}
    other = {"name": "other", "parameters": {"type": "object", "properties": {}}, "description": "Else"}
    assert body["tools"] == [{"type": "function", "function": look}, {"type": "function", "function": other}]
    assert body["parallel_tool_calls"] is False


def test_a_name_is_said_and_tools_of_the_past_are_known_where_none_may_be_called() -> None:
    request = conversation()
    request.chat.messages[1].name = "ann"
    request.chat.tool_choice.mode = pb.ToolChoice.NONE
    body, other = sent(OpenAICompatible, request), sent(Anthropic, request)
    assert [message.get("name") for message in body["messages"]] == [None, "ann", None, None, None]
    assert (body["tool_choice"], other["tool_choice"]) == ("none", {"type": "none"})
    assert len(body["tools"]) == len(other["tools"]) == 2


def test_a_text_alone_is_said_as_such_and_all_else_in_parts() -> None:
    text, image = pb.Part(text="a"), pb.Part(image=pb.Image(data=PNG))
    assert (content([]), content([text])) == ("", "a")
    for parts, kinds in (
        ([text, text], ["text"] * 2),
        ([image], ["image_url"]),
        ([image, text], ["image_url", "text"]),
    ):
        assert [dict(part)["type"] for part in content(parts)] == kinds  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\x00\x00\x00\x00WEBP", "image/webp"),
        (b"GIF89a", "image/gif"),
        (b"?", "application/octet-stream"),
    ],
)
def test_images_are_what_they_begin_with(image: bytes, kind: str) -> None:
    assert image_type(image) == kind


def test_a_conversation_in_anthropics_form() -> None:
    body = sent(Anthropic, conversation())
    assert (body["max_tokens"], body["stop_sequences"]) == (9, ["END"])
    assert body["system"] == [{"type": "text", "text": "Be brief."}]
    user, assistant, results = body["messages"]
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    assert user["content"] == [{"type": "text", "text": "What is it?"}, {"type": "image", "source": source}]
    assert assistant["content"] == [{"type": "tool_use", "id": "c1", "name": "look", "input": {"at": 1}}]
    said = [{"type": "text", "text": "a cat"}]
    assert results["content"] == [
        {"type": "tool_result", "tool_use_id": "c1", "content": said},
        {"type": "text", "text": "Sure?"},
    ]
    assert body["tools"][0] == {"name": "look", "input_schema": {"type": "object"}, "strict": True}
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert body["tools"][1] == {
        "name": "other",
        "description": "Else",
        "input_schema": {"type": "object", "properties": {}},
    }


def test_what_anthropic_has_to_be_told_is_told() -> None:
    """A limit, by whoever names one, and no message without content."""
    for asked, of_row, told in ((9, 99, 9), (0, 99, 99), (0, 0, 8192)):
        options = msgspec.structs.replace(PLAIN, max_tokens=of_row)
        assert sent(Anthropic, say("Hi", max_tokens=asked), options)["max_tokens"] == told
    request = say("")
    request.chat.messages.append(pb.Message(role="assistant", parts=[pb.Part(text="Yes?")]))
    assert [message["role"] for message in sent(Anthropic, request)["messages"]] == ["assistant"]


def test_what_is_as_the_api_has_it_is_not_said() -> None:
    plain = say("Hi", sampling=pb.Sampling(temperature=1, top_p=1, repetition_penalty=1))
    assert sent(OpenAICompatible, plain).keys() == {"model", "messages", "stream_options"}
    assert sent(Anthropic, plain).keys() == {"model", "messages", "max_tokens"}
    told = say("Hi", sampling=pb.Sampling(temperature=0.7, top_p=0.9, seed=0))
    body = sent(OpenAICompatible, told)
    assert (body["temperature"], body["top_p"], body["seed"]) == (0.7, 0.9, 0)


def test_additions_are_sent_where_they_are_taken() -> None:
    request = say(
        "Hi", max_tokens=5, min_tokens=2, ignore_eos=True, stop_token_ids=[7], sampling=pb.Sampling(top_k=5, min_p=0.1)
    )
    request.constraint.CopyFrom(pb.Constraint(regex="[a-z]+"))
    request.chat.template_kwargs_json = '{"enable_thinking":false}'
    body = sent(OpenAICompatible, request, MORE)
    assert body["max_completion_tokens"] == 5
    assert (body["top_k"], body["min_p"], body["min_tokens"], body["stop_token_ids"]) == (5, 0.1, 2, [7])
    assert body["structured_outputs"] == {"regex": "[a-z]+"}
    assert body["chat_template_kwargs"] == {"enable_thinking": False}


def test_what_was_thought_before_a_call_is_sent_where_it_is_taken() -> None:
    request = conversation()
    request.chat.messages[2].reasoning = "Let me look."
    assert [m.get("reasoning_content") for m in sent(OpenAICompatible, request, MORE)["messages"]][1:4] == [
        *(None, "Let me look.", None)
    ]
    assert "reasoning_content" not in json.dumps(sent(OpenAICompatible, request))


@pytest.mark.parametrize(("mode", "openai", "anthropic"), [("REQUIRED", "required", "any"), ("NONE", None, None)])
def test_who_is_held_to_a_tool_is_offered_no_other(mode: str, openai: str | None, anthropic: str | None) -> None:
    request = say("Hi")
    request.chat.tools.add(name="look")
    request.chat.tools.add(name="other")
    request.chat.tool_choice.mode = pb.ToolChoice.Mode.Value(mode)
    request.chat.tool_choice.allowed.append("look")
    body, other = sent(OpenAICompatible, request), sent(Anthropic, request)
    assert body.get("tool_choice") == openai
    assert other.get("tool_choice", {}).get("type") == anthropic
    if openai:
        assert [tool["function"]["name"] for tool in body["tools"]] == ["look"]
        assert [tool["name"] for tool in other["tools"]] == ["look"]


def test_forms_of_output() -> None:
    request = say("Hi", constraint=pb.Constraint(json_schema='{"type":"object"}'))
    named = {"name": "answer", "schema": {"type": "object"}, "strict": True}
    assert sent(OpenAICompatible, request)["response_format"] == {"type": "json_schema", "json_schema": named}
    assert sent(Anthropic, request)["output_config"] == {
        "format": {"type": "json_schema", "schema": {"type": "object"}}
    }
    request = say("Hi", constraint=pb.Constraint(json_object=True))
    assert sent(OpenAICompatible, request)["response_format"] == {"type": "json_object"}
    request = say("Hi", constraint=pb.Constraint(lark='start: "a"'))
    assert sent(OpenAICompatible, request, MORE)["structured_outputs"] == {"grammar": 'start: "a"'}


@pytest.mark.parametrize(("effort", "thinking"), [("none", "disabled"), ("minimal", "adaptive"), ("max", "adaptive")])
def test_how_much_is_thought(effort: str, thinking: str) -> None:
    request = say("Hi")
    request.chat.reasoning_effort = effort
    assert sent(OpenAICompatible, request)["reasoning_effort"] == effort
    assert sent(Anthropic, request)["thinking"] == {"type": thinking}


@pytest.mark.parametrize(
    ("wish", "openai", "anthropic"),
    [
        ("none", "low", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        ("max", "high", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
    ],
)
def test_an_effort_that_is_wished_for_is_the_nearest_that_the_upstream_takes(
    wish: str, openai: str, anthropic: dict[str, Any]
) -> None:
    request = say("Hi")
    request.chat.reasoning_effort, request.chat.effort_is_wish = wish, True
    takes = msgspec.structs.replace(PLAIN, efforts=("low", "medium", "high"))
    assert sent(OpenAICompatible, request, takes)["reasoning_effort"] == openai
    assert sent(Anthropic, request, takes).items() >= anthropic.items()
    for form in (OpenAICompatible, Anthropic):
        nothing = say("Hi")
        nothing.chat.effort_is_wish = True
        assert sent(form, nothing, takes) == sent(form, say("Hi"), takes)
    for form in (OpenAICompatible, Anthropic):  # the upstream may know of none
        assert (
            not {"reasoning_effort", "thinking", "output_config", "chat_template_kwargs"} & sent(form, request).keys()
        )
    assert sent(OpenAICompatible, request, MORE)["chat_template_kwargs"] == {"enable_thinking": wish != "none"}


@pytest.mark.parametrize("arguments", ['{"at": ', "[]", '{"at": ' + "[" * 5000 + "]" * 5000 + "}"])
def test_arguments_that_are_no_object_are_the_callers_fault(arguments: str) -> None:
    request = conversation()
    request.chat.messages[2].tool_calls[0].arguments = arguments
    with pytest.raises(InvalidRequestError, match="c1"):
        Anthropic.body(request, PLAIN)


# ---------------------------------------------------------------- answers


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    return json.dumps({"choices": [{"index": index, "delta": delta, "finish_reason": finish}], **more}).encode()


def call(name: str | None = None, arguments: str | None = None, **more: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}} | more


def calls_of(*chunks: bytes) -> list[tuple[str, str, str]]:
    """(id, or ? for one of ours, name, arguments) of each call, put together as clients do."""
    reader = OpenAICompatible.reader(pb.GenerateRequest())
    parts = [part for data in chunks for delta in reader.read(data) for part in delta.tool_calls]
    assert [part.index for part in parts] == sorted(part.index for part in parts)
    return [
        (
            re.sub("^call_[0-9a-f]{24}$", "?", "".join(part.id for part in parts if part.index == index)),
            "".join(part.name for part in parts if part.index == index),
            "".join(part.arguments for part in parts if part.index == index),
        )
        for index in sorted({part.index for part in parts})
    ]


def test_calls_as_openai_streams_them() -> None:
    assert calls_of(
        chunk({"tool_calls": [call("a", "", index=0, id="x")]}),
        chunk({"tool_calls": [call(None, '{"k"', index=0)]}),
        chunk({"tool_calls": [call(None, ":1}", index=0)]}),
        chunk({"tool_calls": [call("b", "", index=1, id="y")]}),
        chunk({}, "tool_calls"),
    ) == [("x", "a", '{"k":1}'), ("y", "b", "{}")]


def test_calls_without_arguments_have_empty_ones_before_the_next() -> None:
    assert calls_of(
        chunk({"tool_calls": [call("a", None, index=0, id="x"), call("b", None, index=1, id="y")]}),
        chunk({}, "tool_calls"),
        chunk({}, "tool_calls"),
    ) == [("x", "a", "{}"), ("y", "b", "{}")]


def test_calls_as_gemini_sends_them() -> None:
    """Whole, all under number 0."""
    assert calls_of(
        chunk({"tool_calls": [call("a", '{"k":1}', index=0, id="x")]}),
        chunk({"tool_calls": [call("b", "{}", index=0, id="y")]}),
        chunk({}, "stop"),
    ) == [("x", "a", '{"k":1}'), ("y", "b", "{}")]


def test_calls_without_ids_or_numbers() -> None:
    assert calls_of(chunk({"tool_calls": [call("a", '{"k":1}')]}), chunk({}, "stop")) == [("?", "a", '{"k":1}')]
    assert calls_of(
        chunk({"tool_calls": [call("a", "{}", index=0), call("b", "{}", index=1)]}), chunk({}, "tool_calls")
    ) == [("?", "a", "{}"), ("?", "b", "{}")]


def test_an_id_that_is_repeated_is_the_same_call() -> None:
    assert calls_of(
        chunk({"tool_calls": [call("a", '{"k"', index=0, id="x")]}),
        chunk({"tool_calls": [call("", ":1}", index=0, id="x")]}),
        chunk({}, "tool_calls"),
    ) == [("x", "a", '{"k":1}')]


def test_who_called_ended_with_calls_whatever_the_upstream_says() -> None:
    reader = OpenAICompatible.reader(pb.GenerateRequest())
    list(reader.read(chunk({"tool_calls": [call("a", "{}", index=0, id="x")]}, "stop")))
    assert reader.finishes[0].finish == pb.TOOL_CALLS


@pytest.mark.parametrize(("said", "finish"), [("length", pb.LENGTH), ("content_filter", pb.CONTENT_FILTER)])
def test_calls_that_were_cut_are_nobodys_to_act_on(said: str, finish: pb.FinishReason.ValueType) -> None:
    reader = OpenAICompatible.reader(pb.GenerateRequest())
    list(reader.read(chunk({"tool_calls": [call("pay", '{"amount": 10', index=0, id="x")]}, said)))
    assert reader.finishes[0].finish == finish


def test_what_is_said_to_be_null_is_not_there() -> None:
    reader = OpenAICompatible.reader(pb.GenerateRequest())
    deltas = list(reader.read(chunk({"content": "a"}, error=None)))
    deltas += reader.read(b'{"choices": [{"index": 0, "delta": null, "finish_reason": "stop"}]}')
    deltas += reader.read(b'{"choices": null, "usage": {"prompt_tokens": 5, "completion_tokens": 1}}')
    assert [delta.text for delta in deltas] == ["a"]
    assert reader.finishes[0].finish == pb.STOP
    assert reader.usage is not None and reader.usage.prompt_tokens == 5


WHOLE = {
    "choices": [
        {
            "delta": {
                "content": "a", "reasoning_content": "b", "reasoning": "c", "refusal": "d",
                "tool_calls": [{"index": 0, "id": "x", "function": {"name": "f", "arguments": "{}"}}],
            },
            "finish_reason": "stop",
            "stop_reason": "END",
            "logprobs": {"content": [{"token": "a", "logprob": -1, "bytes": [97], "top_logprobs": []}]},
        }
    ],
    "usage": {
        "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "prompt_tokens_details": {"cached_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 1},
    },
}  # fmt: skip
IN_BLOCKS = {"choices": [{"delta": {"content": [{"text": "a", "thinking": [{"text": "b", "thinking": "c"}]}]}}]}


def with_null(value: Any) -> Iterator[Any]:
    """Copies of a value, in each of which one member is null."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: other} for other in with_null(inner))
            if key not in ("token", "logprob"):
                yield {**value, key: None}
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from ([*value[:number], other, *value[number + 1 :]] for other in with_null(inner))


def test_whatever_is_null_is_not_there() -> None:
    for said in (*with_null(WHOLE), *with_null(IN_BLOCKS)):
        OpenAICompatible.reader(pb.GenerateRequest()).read(json.dumps(said).encode())


@pytest.mark.parametrize(
    ("delta", "text", "reasoning"),
    [
        ({"refusal": "No."}, "No.", ""),
        ({"reasoning_content": "Hm", "content": "a"}, "a", "Hm"),
        ({"reasoning": "Hm"}, "", "Hm"),
        ({"reasoning": "Hm", "reasoning_content": "Hm"}, "", "Hm"),
    ],
)
def test_what_is_said_under_other_names_is_text_or_thought(delta: dict[str, Any], text: str, reasoning: str) -> None:
    [said] = OpenAICompatible.reader(pb.GenerateRequest()).read(chunk(delta))
    assert (said.text, said.reasoning) == (text, reasoning)


def test_what_comes_in_blocks_is_text_and_thought() -> None:
    """As from Mistral's models that think."""
    reader = OpenAICompatible.reader(pb.GenerateRequest())
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}, {"type": "text", "text": "."}]}
    deltas = list(reader.read(chunk({"content": [thought]})))
    deltas += reader.read(chunk({"content": [{"type": "text", "text": "a"}, {"type": "reference", "ids": [1]}]}))
    deltas += reader.read(chunk({"content": "b"}))
    assert [(delta.text, delta.reasoning) for delta in deltas] == [("", "Hm."), ("a", ""), ("b", "")]


def test_a_token_is_its_bytes_or_else_its_text() -> None:
    half = {"token": "\ufffd", "logprob": -1.0, "bytes": [0xC3]}
    whole = {"token": "é", "logprob": -2.0, "bytes": None, "top_logprobs": [{"token": "e", "logprob": -4.0}]}
    said = {"choices": [{"logprobs": {"content": [half, whole]}}]}
    [delta] = OpenAICompatible.reader(pb.GenerateRequest()).read(json.dumps(said).encode())
    assert [(token.token, token.logprob) for token in delta.logprobs] == [(b"\xc3", -1.0), ("é".encode(), -2.0)]
    assert [(top.token, top.logprob) for top in delta.logprobs[1].top] == [(b"e", -4.0)]


def test_usage_may_come_with_the_last_chunk_or_after_it_or_with_every_one() -> None:
    reader = OpenAICompatible.reader(pb.GenerateRequest())
    for tokens in (1, 2, 3):
        used = {"prompt_tokens": 5, "completion_tokens": tokens, "prompt_tokens_details": {"cached_tokens": 4}}
        reader.read(chunk({"content": "a"}, usage=used))
    reader.read(b'{"choices": [], "usage": null}')
    assert reader.usage == pb.Usage(prompt_tokens=5, cached_tokens=4, completion_tokens=3, provenance=pb.PROVIDER)


DEEP = b'{"deep": %b%b}' % (b"[" * 5000, b"]" * 5000)
NO_BYTE = b'{"choices": [{"logprobs": {"content": [{"token": "a", "logprob": -1, "bytes": [300]}]}}]}'


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"[]", b"nonsense", b'{"error": {"message": "x"}}', b'"\xff"'),
        chunk({"content": "a"}, index=3),
        *(DEEP, NO_BYTE),
    ],
)
def test_what_is_no_chunk_breaks_the_answer(data: bytes) -> None:
    with pytest.raises(StreamError):
        OpenAICompatible.reader(pb.GenerateRequest()).read(data)


@pytest.mark.parametrize("data", [b"", b"[]", b'{"a": 1}', b'{"type": "error", "error": {}}', b"\xff", DEEP])
def test_what_is_no_event_breaks_the_answer(data: bytes) -> None:
    with pytest.raises(StreamError):
        Anthropic.reader(pb.GenerateRequest()).read(data)


def test_usage_that_cannot_be_is_none() -> None:
    reader = Anthropic.reader(say("Hi"))
    reader.read(b'{"type": "message_start", "message": {"usage": {"input_tokens": -5}}}')
    assert reader.usage is None
    reader.read(b'{"type": "message_delta", "usage": {"input_tokens": 5, "cache_read_input_tokens": 4294967296}}')
    assert reader.usage is None


def test_usage_of_a_message_is_put_together() -> None:
    reader = Anthropic.reader(pb.GenerateRequest())
    start = {"input_tokens": 3, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 2, "output_tokens": 1}
    end = {"output_tokens": 20, "output_tokens_details": {"thinking_tokens": 7}}
    for event in (
        {"type": "message_start", "message": {"usage": start}},
        {"type": "message_delta", "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"}, "usage": end},
        {"type": "something_new", "index": 4},
        {"type": "message_stop"},
    ):
        reader.read(json.dumps(event).encode())
    assert reader.done
    assert reader.finishes[0] == pb.Delta(finish=pb.STOP, stop_sequence="END")
    assert reader.usage == pb.Usage(
        prompt_tokens=15, cached_tokens=10, completion_tokens=20, reasoning_tokens=7, provenance=pb.PROVIDER
    )


def test_what_was_called_is_part_of_a_prompt_that_is_estimated() -> None:
    """Agents write whole files into the arguments of calls."""
    request = conversation()
    before = prompt_tokens(request)
    request.chat.messages[2].tool_calls[0].arguments = json.dumps({"at": "x" * 4000})
    assert prompt_tokens(request) >= before + 1000


@pytest.mark.parametrize(
    ("prompt", "completion", "used"),
    [
        (5, 3, (5, 3, pb.PROVIDER)),
        (5, 0, (5, 1, pb.ESTIMATED)),
        (0, 3, (25, 1, pb.ESTIMATED)),
    ],
)
def test_who_says_that_nothing_was_used_has_not_counted(prompt: int, completion: int, used: tuple[int, ...]) -> None:
    answer = Answer(say("x" * 100))
    run = Run(answer.generation, lambda events: [answer.put(event) for _, event in events])  # type: ignore[arg-type, return-value]
    upstream, reader = Upstream[Any]("remote"), OpenAICompatible.reader(answer.generation.request)
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    run.say(upstream, reader, list(reader.read(chunk({"content": "hi"}, "stop", usage=usage))))
    run.finish(upstream, reader)
    told = answer.usage
    assert (told.prompt_tokens, told.completion_tokens, told.provenance) == used
    assert answer.events[0].accepted.prompt_tokens == told.prompt_tokens  # known as soon as it was told
    assert answer.events[-1].finished.timings.decode_ms > 0


async def test_tokens_are_counted_with_a_key_that_is_accepted(tmp_path: Path) -> None:
    for name in ("spent", "good"):
        (tmp_path / name).write_text(name)
    async with provider() as remote:
        remote.by_key["spent"] = Fault(429)
        keys = [f"file:{tmp_path}/{name}" for name in ("spent", "good")]
        options = {"base_url": remote.url, "model": "remote", "keys": keys}
        backend = UpstreamBackend(ModelConfig(name="m", kind="chat", backend="anthropic", options=options))
        try:
            assert await backend.count_tokens(say("How many?")) > 0
            for fault in (Fault(500), Fault(200, body=b"nonsense")):
                remote.always = fault
                with pytest.raises(InternalError):
                    await backend.count_tokens(say("How many?"))
        finally:
            await backend.aclose()
    assert [asked.key for asked in remote.asked] == ["spent", "good"] * 3


async def test_what_is_counted_is_all_that_has_to_do_with_the_prompt() -> None:
    """How much is thought, and whether a tool must be called, cost tokens of the prompt; how it is sampled does not."""
    request = say("How many?", max_tokens=5, stop=["END"], sampling=pb.Sampling(temperature=0.5, top_p=1))
    request.chat.reasoning_effort = "high"
    request.chat.tools.add(name="look")
    request.chat.tool_choice.mode = pb.ToolChoice.REQUIRED
    request.constraint.json_schema = '{"type":"object"}'
    async with provider() as remote:
        options = {"base_url": remote.url, "model": "remote"}
        backend = UpstreamBackend(ModelConfig(name="m", kind="chat", backend="anthropic", options=options))
        try:
            await backend.count_tokens(request)
        finally:
            await backend.aclose()
    [asked] = remote.asked
    whole = sent(Anthropic, request)
    assert asked.path == "/v1/messages/count_tokens"
    assert asked.body == {name: said for name, said in whole.items() if name in asked.body} | {"model": "remote"}
    assert whole.keys() - asked.body.keys() == {"max_tokens", "stop_sequences", "temperature"}


async def test_who_knows_no_end_is_left() -> None:
    async with provider() as remote:
        remote.heeds = False
        backend = UpstreamBackend(upstream_config(remote.url))
        await backend.start(lambda events: [generation.owner.put(event) for generation, event in events])  # type: ignore[attr-defined, func-returns-value]
        try:
            answer = Answer(say('script:[{"count": 100000}]', max_tokens=5))
            backend.submit(answer.generation)
            await answer.end()
            assert answer.finish() == pb.LENGTH
            assert 5 < answer.usage.completion_tokens < 10_000
            await remote.asked[0].left.wait()
        finally:
            await backend.aclose()


async def test_an_upstream_that_begins_to_answer_is_asked_by_others_too() -> None:
    async with provider() as remote:
        backend = UpstreamBackend(upstream_config(remote.url))
        await backend.start(lambda events: [generation.owner.put(event) for generation, event in events])  # type: ignore[attr-defined, func-returns-value]
        try:
            backend._upstreams._chain.upstreams[0].circuit.failures = FAILURES_TO_OPEN
            long = Answer(say('script:[{"say": "a"}, {"hang": true}]'))
            backend.submit(long.generation)
            await long.until(lambda: bool(long.text()))
            answer = Answer(say('script:[{"say": "b"}]'))
            backend.submit(answer.generation)
            await answer.end()
            assert answer.finish() == pb.STOP
            assert not long.over
        finally:
            await backend.aclose()


@pytest.mark.parametrize("cuts", [False, True])
async def test_who_has_said_everything_has_answered_without_an_end(cuts: bool) -> None:
    """It leaves out `[DONE]`, and keeps the connection or cuts it."""
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        said = chunk({"content": "hi"}), chunk({}, "stop"), b'{"usage": {"prompt_tokens": 3, "completion_tokens": 1}}'
        body = b"".join(b"data: %b\n\n" % data for data in said)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(body), body))
        await writer.drain()
        if not cuts:
            await left.wait()
        writer.close()

    await ends_well(serve, left, pb.PROVIDER)


@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("framing", ["transfer-encoding: chunked", "connection: close", "content-length: 1000"])
async def test_who_tells_neither_usage_nor_an_end_has_answered_by_estimate(framing: str, stays: bool) -> None:
    """Its end is that of the body, or of the connection, before all of the body has come, or that nothing follows."""
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b"".join(b"data: %b\n\n" % data for data in (chunk({"content": "hi"}), chunk({}, "stop")))
        if "chunked" in framing:
            body = b"%x\r\n%b\r\n" % (len(body), body) + (b"" if stays else b"0\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (framing.encode(), body))
        await writer.drain()
        if stays:
            await left.wait()
        writer.close()

    await ends_well(serve, left, pb.ESTIMATED, idle_timeout_s=1.0)


async def ends_well(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    left: asyncio.Event,
    provenance: pb.Provenance.ValueType,
    **options: Any,
) -> None:
    """A request to such an upstream is answered to its end. `left` is set when the upstream may go."""
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        backend = UpstreamBackend(upstream_config(url, **options))
        await backend.start(lambda events: [generation.owner.put(event) for generation, event in events])  # type: ignore[attr-defined, func-returns-value]
        try:
            answer = Answer(say("Hi"))
            backend.submit(answer.generation)
            await answer.end()
            assert answer.finish() == pb.STOP
            assert answer.usage.provenance == provenance
        finally:
            left.set()
            await backend.aclose()


def upstream_config(url: str, **more: Any) -> ModelConfig:
    options = {"base_url": f"{url}/v1", "model": "remote", **more}
    return ModelConfig(name="m", kind="chat", backend="openai_compatible", options=options)
