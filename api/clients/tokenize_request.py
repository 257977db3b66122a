"""TokenizeRequest of the public contract → that of the inner one."""

from __future__ import annotations

from gen import inference_pb2 as pb

from api.clients.generate_request import chat, given
from api.generated import schemas as s


def from_tokenize(body: s.TokenizeRequest) -> pb.TokenizeRequest:
    """The request for a worker. The body has passed `rules.check_tokenize`: it has either a prompt or messages."""
    request = pb.TokenizeRequest(model=body.model, with_pieces=given(body.return_token_strs, False))
    if isinstance(body.prompt, str):
        request.text = body.prompt
        request.add_special = given(body.add_special_tokens, True)
    else:
        conversation = s.ChatCompletionRequest(
            model=body.model,
            messages=given(body.messages, []),
            tools=body.tools,
            chat_template_kwargs=body.chat_template_kwargs,
        )
        request.chat.CopyFrom(chat(conversation))
    return request
