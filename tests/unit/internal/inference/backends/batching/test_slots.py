from __future__ import annotations

from gen import inference_pb2 as pb

from internal.inference.backends.base import Generation
from internal.inference.backends.batching.sampling import Sampler
from internal.inference.backends.batching.slots import Prompt, Request

CALL, SPOKEN = 5, 6


def test_a_mark_is_the_same_text_among_the_likeliest() -> None:
    """The vocabulary calls it special, so that it has no text of its own."""
    wanted = pb.GenerateRequest(logprobs=True, top_logprobs=2)
    request = Request(Generation("r", wanted))
    prompt = Prompt(
        tokens=[1],
        pictures=None,
        limit=9,
        end_ids=frozenset(),
        piece={CALL: b"", SPOKEN: b"Hi"}.__getitem__,
        markers={CALL: b"<tool_call>"},
        parser=lambda: None,
        sampler=lambda _choice: Sampler(wanted.sampling),
    )
    request.begin([prompt], 0)
    (delta,) = request.choices[0].take(CALL, (-0.1, [(CALL, -0.1), (SPOKEN, -2.0)]))
    assert delta.logprobs[0].token == b"<tool_call>"
    assert [top.token for top in delta.logprobs[0].top] == [b"<tool_call>", b"Hi"]
