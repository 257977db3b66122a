"""The rules of a response's events that clients check, as a state machine: it reads a stream and objects."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from api.generated.schemas import ResponseStreamEvent

LAST = {"response.completed", "response.incomplete", "response.failed"}
OPENING = ["response.created", "response.in_progress"]

PARTS: dict[str, dict[str, Any]] = {
    "output_text": {"type": "output_text", "text": "", "annotations": [], "logprobs": []},
    "reasoning_text": {"type": "reasoning_text", "text": ""},
    "reasoning_summary_text": {"type": "summary_text", "text": ""},
}
# Kind of item → what it may say.
SAID = {
    "message": ["output_text"],
    "reasoning": ["reasoning_text", "reasoning_summary_text"],
    "function_call": ["function_call_arguments"],
    "mcp_call": ["mcp_call_arguments"],
}


class ResponseReader:
    """Feed it the body of a stream. `response` is the final one, `types` are the events that came, in order."""

    def __init__(self, body: str) -> None:
        self.types: list[str] = []
        self.response: dict[str, Any] = {}
        self.error: dict[str, Any] | None = None
        self._id = ""
        self._added: dict[str, Any] | None = None  # the item that is open
        self._said = ""  # by the open item
        self._whole: str | None = None  # the same, as its `done` event has it
        self._part: dict[str, Any] | None = None
        self._run: list[str] = []  # what was said of a tool that runs
        self._done: list[dict[str, Any]] = []
        *frames, done, end = body.split("\n\n")
        assert (done, end) == ("data: [DONE]", "")
        for frame in frames:
            if not frame.startswith(": "):
                self._read(*frame.split("\n"))
        assert self.types[:2] == OPENING
        assert self.types[-1] in LAST

    def _read(self, name: str, data: str) -> None:
        event = json.loads(data.removeprefix("data: "))
        msgspec.convert(event, ResponseStreamEvent)  # raises for what the spec does not say
        kind = event["type"]
        assert name == f"event: {kind}"
        assert event["sequence_number"] == len(self.types)
        assert not self.response, "nothing follows the last event"
        self.types.append(kind)
        if "response" in event:
            self._lifecycle(kind, event["response"])
        elif kind == "error":
            self.error = event["error"]
            assert {key: event[key] for key in ("code", "message", "param")} == {
                key: value for key, value in event["error"].items() if key != "type"
            }
        elif kind == "response.output_item.added":
            self._add(event)
        elif kind == "response.output_item.done":
            self._finish(event)
        else:
            self._say(kind.removeprefix("response."), event)

    def _lifecycle(self, kind: str, response: dict[str, Any]) -> None:
        self._id = self._id or response["id"]
        assert response["id"] == self._id
        if kind in OPENING:
            assert kind == OPENING[len(self.types) - 1]
            assert (response["status"], response["output"], response["usage"]) == ("in_progress", [], None)
            return
        self.response = response
        assert kind == f"response.{response['status']}"
        whole = response["output"] if kind != "response.failed" else response["output"][: len(self._done)]
        assert whole == self._done
        assert (self._added is None) or kind == "response.failed"
        assert (response["error"] is not None) == (kind == "response.failed") == (self.error is not None)
        assert (response["incomplete_details"] is not None) == (kind == "response.incomplete")
        assert (response["usage"] is not None) == (kind != "response.failed")
        assert (response["completed_at"] is not None) == (kind == "response.completed")

    def _add(self, event: dict[str, Any]) -> None:
        item = event["item"]
        assert self._added is None, "the item before it is not done"
        assert event["output_index"] == len(self._done)
        assert item["status"] == "in_progress"
        assert item["id"] not in [done["id"] for done in self._done]
        field, value = ("arguments", "") if item["type"].endswith("_call") else ("content", [])
        assert item[field] == value
        self._added, self._said, self._whole, self._part, self._run = item, "", None, None, []

    def _say(self, kind: str, event: dict[str, Any]) -> None:
        assert self._added is not None
        assert (event["item_id"], event["output_index"]) == (self._added["id"], len(self._done))
        if kind.startswith("mcp_call."):
            assert self._added["type"] == "mcp_call"
            self._run.append(kind.removeprefix("mcp_call."))
            return
        said = kind.rpartition(".")[0].replace("reasoning_summary_part", "reasoning_summary_text")
        said = event["part"]["type"] if said == "content_part" else said
        assert said in SAID[self._added["type"]]
        index = "summary_index" if said == "reasoning_summary_text" else "content_index"
        assert event.get(index, 0) == 0
        if kind in ("content_part.added", "reasoning_summary_part.added"):
            assert self._part is None
            self._part = event["part"]
            assert self._part == PARTS[said]
        elif kind == f"{said}.delta":
            assert (said in PARTS) == (self._part is not None), "Node's helper adds to the part that was announced"
            assert self._whole is None
            self._said += event["delta"]
        elif kind == f"{said}.done":
            self._whole = event["arguments" if said.endswith("_arguments") else "text"]
            assert self._whole == self._said
        else:
            assert kind in ("content_part.done", "reasoning_summary_part.done"), kind
            assert self._whole is not None
            assert event["part"] == PARTS[said] | {"text": self._whole}

    def _finish(self, event: dict[str, Any]) -> None:
        item, added = event["item"], self._added
        assert added is not None
        assert self._whole == self._said
        assert event["output_index"] == len(self._done)
        assert [item[key] for key in ("type", "id")] == [added[key] for key in ("type", "id")]
        assert item.get("call_id") == added.get("call_id")
        assert item["status"] in ("completed", "incomplete", *(["failed"] if item["type"] == "mcp_call" else []))
        assert self._run == (["in_progress", item["status"]] if item["type"] == "mcp_call" else [])
        whole = [part["text"] for part in [*item.get("summary", []), *item.get("content", [])]]
        assert [self._said] == ([item["arguments"]] if "arguments" in item else whole)
        self._done.append(item)
        self._added = None
