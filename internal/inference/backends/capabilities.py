"""What a request may ask for beyond text, and which backends cannot do it.

One table for all backends, so that a caller is told the same of each, and the conformance suite knows what to expect. A
refusal names the field and says what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from gen import inference_pb2 as pb

from internal.errors import UnsupportedError


@dataclass(frozen=True, slots=True)
class Feature:
    asked: Callable[[pb.GenerateRequest], object]
    param: str | Callable[[pb.GenerateRequest], str]  # what the caller calls it
    instead: str  # what to do


def _sampling(name: str, off: float = 0.0) -> Callable[[pb.GenerateRequest], bool]:
    return lambda request: getattr(request.sampling, name) not in (0.0, off)


def _form(request: pb.GenerateRequest) -> str:
    return request.constraint.param or "response_format"


def _logprobs(request: pb.GenerateRequest) -> str:
    """Responses ask for them by other fields."""
    if request.chat.param != "input":
        return "logprobs"
    return "top_logprobs" if request.top_logprobs else "include"


FEATURES: Mapping[str, Feature] = {
    "prompts": Feature(lambda r: r.HasField("prompts"), "prompt", "use /v1/chat/completions"),
    "echo": Feature(lambda r: r.echo, "echo", "leave it out"),
    "prompt_only": Feature(lambda r: r.prompt_only, "max_tokens", "ask for at least one token"),
    "n": Feature(lambda r: r.n > 1, "n", "send the request several times"),
    "logprobs": Feature(lambda r: r.logprobs, _logprobs, "leave it out"),
    "seed": Feature(lambda r: r.sampling.HasField("seed"), "seed", "leave it out"),
    "logit_bias": Feature(lambda r: r.sampling.logit_bias, "logit_bias", "leave it out"),
    "top_k": Feature(_sampling("top_k"), "top_k", "use top_p"),
    "min_p": Feature(_sampling("min_p"), "min_p", "use top_p"),
    "presence_penalty": Feature(_sampling("presence_penalty"), "presence_penalty", "leave it out"),
    "frequency_penalty": Feature(_sampling("frequency_penalty"), "frequency_penalty", "leave it out"),
    "repetition_penalty": Feature(_sampling("repetition_penalty", 1.0), "repetition_penalty", "leave it out"),
    "min_tokens": Feature(lambda r: r.min_tokens, "min_tokens", "leave it out"),
    "stop_token_ids": Feature(lambda r: r.stop_token_ids, "stop_token_ids", "use stop"),
    "ignore_eos": Feature(lambda r: r.ignore_eos, "ignore_eos", "leave it out"),
    "held_to_tools": Feature(
        lambda r: r.chat.tool_choice.mode == pb.ToolChoice.REQUIRED or r.chat.tool_choice.allowed,
        "tool_choice",
        "use 'auto' or 'none'",
    ),
    "reasoning_effort": Feature(
        lambda r: r.chat.reasoning_effort not in ("", "none") and not r.chat.effort_is_wish,
        "reasoning_effort",
        "leave it out",
    ),
    "json_schema": Feature(lambda r: r.constraint.HasField("json_schema"), _form, "ask for the form in the prompt"),
    "json_object": Feature(
        lambda r: r.constraint.HasField("json_object"), _form, "give a schema, or ask in the prompt"
    ),
    "grammar": Feature(
        lambda r: r.constraint.WhichOneof("kind") in ("regex", "lark"), _form, "use response_format with a schema"
    ),
}

_PLAIN = frozenset({"prompts", "echo", "prompt_only", "tokenizing"})
_SAMPLERS = frozenset({"top_k", "min_p", "repetition_penalty", "min_tokens", "stop_token_ids", "ignore_eos"})

# Backend → the features that it lacks. `tokenizing` and `counting` are calls of their own, refused where they are made.
LACKS: Mapping[str, frozenset[str]] = {
    "scripted": frozenset({"held_to_tools", "reasoning_effort", "json_schema", "json_object", "grammar"}),
    "llamacpp": frozenset(),
    "transformers": frozenset(),
    "openai_compatible": _PLAIN | _SAMPLERS | {"counting", "grammar"},
    "openai_compatible with extensions": _PLAIN | {"counting"},
    "anthropic": _PLAIN
    | (_SAMPLERS - {"top_k"})
    | {"n", "logprobs", "seed", "logit_bias", "presence_penalty", "frequency_penalty", "json_object", "grammar"},
}


def check(request: pb.GenerateRequest, lacks: Collection[str]) -> None:
    """Raises UnsupportedError for the first thing that is asked for and lacking."""
    for name, feature in FEATURES.items():
        if name in lacks and feature.asked(request):
            param = feature.param if isinstance(feature.param, str) else feature.param(request)
            raise UnsupportedError(f"'{param}' is not supported with this model: {feature.instead}.", param)
