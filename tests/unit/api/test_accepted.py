from __future__ import annotations

from typing import Any

import msgspec
import pytest

from api.accepted import accepted
from api.generated import schemas as s

USER = {"role": "user", "content": [{"type": "video_url"}]}


@pytest.mark.parametrize(
    ("kind", "body", "path", "expected"),
    [
        # The tag of a union, and of one inside another, which depends on what the outer one is.
        (s.ChatCompletionRequest, {"messages": [{"role": "x"}]}, "messages[0].role",
         "'assistant', 'developer', 'system', 'tool' and 'user'"),
        (s.MessageRequest, {"messages": [{"role": "x"}]}, "messages[0].role", "'assistant', 'system' and 'user'"),
        (s.ChatCompletionRequest, {"messages": [USER]}, "messages[0].content[0].type", "'image_url' and 'text'"),
        (s.ChatCompletionRequest, {"messages": [USER | {"role": "system"}]}, "messages[0].content[0].type", "'text'"),
        # A choice of values, of objects, and of both.
        (s.EmbeddingRequest, {"encoding_format": "hex"}, "encoding_format", "'base64' and 'float'"),
        (s.ChatCompletionRequest, {"tool_choice": "any"}, "tool_choice",
         "'auto', 'none', 'required' or an object of type 'allowed_tools' or 'function'"),
        (s.ChatCompletionRequest, {"response_format": {"type": "xml"}}, "response_format.type",
         "'json_object', 'json_schema' and 'text'"),
        # No choice, or nothing that the schema knows.
        (s.ChatCompletionRequest, {"model": 5}, "model", None),
        (s.ChatCompletionRequest, {"messages": 5}, "messages[0].role.more", None),
        (s.ChatCompletionRequest, {}, "nothing[7].like", None),
        (s.ChatCompletionRequest, {}, "", None),
    ],
)  # fmt: skip
def test_what_a_schema_accepts(kind: type, body: Any, path: str, expected: str | None) -> None:
    assert accepted(kind, msgspec.json.encode(body), path) == expected
