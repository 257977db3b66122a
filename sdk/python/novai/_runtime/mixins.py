"""Properties of answers that are not on the wire. `XMixin` is a base of the generated class `X`."""

from __future__ import annotations

from typing import Any


class ResponseMixin:
    output: Any

    @property
    def output_text(self) -> str:
        """The text of all output messages; empty when there is none."""
        messages = [item for item in self.output or () if item.type == "message"]
        return "".join(part.text for item in messages for part in item.content or () if part.type == "output_text")
