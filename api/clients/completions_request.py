"""CompletionRequest of the public contract → GenerateRequest of the inner one, field by field."""

from __future__ import annotations

from gen import inference_pb2 as pb

from api.clients.generate_request import given, sampling, stops
from api.generated import schemas as s

DEFAULT_MAX_TOKENS = 16  # the contract's


def from_completion(body: s.CompletionRequest, prompts: list[str] | list[list[int]]) -> pb.GenerateRequest:
    """The request for a worker. The body has passed `rules.check_completion`, which gave its prompts."""
    max_tokens = given(body.max_tokens, DEFAULT_MAX_TOKENS)
    return pb.GenerateRequest(
        model=body.model,
        prompts=pb.Prompts(items=map(prompt, prompts)),
        echo=given(body.echo, False),
        sampling=sampling(body),
        max_tokens=max_tokens,
        prompt_only=max_tokens == 0,
        min_tokens=given(body.min_tokens, 0),
        stop=stops(body.stop),
        stop_token_ids=given(body.stop_token_ids, []),
        ignore_eos=given(body.ignore_eos, False),
        n=given(body.n, 1),
        logprobs=isinstance(body.logprobs, int),
        top_logprobs=given(body.logprobs, 0),
    )


def prompt(item: str | list[int]) -> pb.Prompt:
    return pb.Prompt(text=item) if isinstance(item, str) else pb.Prompt(tokens=pb.TokenIds(ids=item))
