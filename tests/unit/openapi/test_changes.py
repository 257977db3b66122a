"""Planted changes of the spec, and whether they are said to break anybody."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from changes import Comparison, breaking_version

SPEC: dict[str, Any] = yaml.safe_load((Path(__file__).parents[3] / "openapi" / "spec.yaml").read_text())
Change = Callable[[dict[str, Any]], Any]


def schema(spec: dict[str, Any], name: str) -> Any:
    return spec["components"]["schemas"][name]


def asked(spec: dict[str, Any]) -> Any:
    return schema(spec, "ChatCompletionRequest")["properties"]


def answered(spec: dict[str, Any]) -> Any:
    return schema(spec, "ChatCompletion")["properties"]


def chat(spec: dict[str, Any]) -> Any:
    return spec["paths"]["/v1/chat/completions"]["post"]


ONE_PAGE = {"x-novai-page": "single"}
BREAKING: dict[str, Change] = {
    "POST /v1/chat/completions is gone": lambda spec: spec["paths"].pop("/v1/chat/completions"),
    "x-novai-method was 'create' and is 'make'": lambda spec: chat(spec).update({"x-novai-method": "make"}),
    ".seed is gone": lambda spec: asked(spec).pop("seed"),
    ".seed is required now": lambda spec: schema(spec, "ChatCompletionRequest")["required"].append("seed"),
    ".seed: takes no null any more": lambda spec: asked(spec)["seed"].update(type="integer"),
    "takes no 'minimal' any more": lambda spec: schema(spec, "ReasoningEffort")["enum"].remove("minimal"),
    "takes no NamedToolChoice any more": lambda spec: schema(spec, "ToolChoice")["oneOf"].pop(0),
    "maxItems is 1 and was 2048": lambda spec: asked(spec)["messages"].update(maxItems=1),
    ".usage is gone": lambda spec: answered(spec).pop("usage"),
    ".usage is not certain now": lambda spec: schema(spec, "ChatCompletion")["required"].remove("usage"),
    ".created: may be string now": lambda spec: answered(spec)["created"].update(type=["integer", "string"]),
    "no text/event-stream any more": lambda spec: chat(spec)["responses"]["200"]["content"].pop("text/event-stream"),
    "x-novai-page was 'last_id' and is 'single'": lambda spec: spec["paths"]["/v1/files"]["get"].update(ONE_PAGE),
    "parameter after is gone": lambda spec: spec["paths"]["/admin/v1/audit"]["get"]["parameters"].pop(),
}
HARMLESS: dict[str, Change] = {
    "nothing": lambda spec: None,
    "a new field of a request": lambda spec: asked(spec).update(new={"type": "string"}),
    "a new field of an answer": lambda spec: answered(spec).update(new={"type": "string"}),
    "a new value of an answer": lambda spec: schema(spec, "FinishReason")["enum"].append("new"),
    "a wider bound": lambda spec: asked(spec)["messages"].update(maxItems=9999),
    "pages of a list": lambda spec: spec["paths"]["/v1/models"]["get"].update({"x-novai-page": "last_id"}),
    "a new operation": lambda spec: spec["paths"].update({"/v1/new": spec["paths"]["/v1/models"]}),
}


def breaks(change: Change) -> list[str]:
    spec = copy.deepcopy(SPEC)
    change(spec)
    return list(Comparison(copy.deepcopy(SPEC), spec).breaks())


@pytest.mark.parametrize("said", BREAKING)
def test_what_breaks_is_found(said: str) -> None:
    assert [each for each in breaks(BREAKING[said]) if said in each]


@pytest.mark.parametrize("change", HARMLESS.values(), ids=list(HARMLESS))
def test_what_does_not_break_is_not(change: Change) -> None:
    assert breaks(change) == []


@pytest.mark.parametrize(
    ("old", "new", "breaking"),
    [("0.1.0", "0.1.1", False), ("0.1.0", "0.2.0", True), ("0.9.0", "1.0.0", True), ("1.0.0", "1.1.0", False)],
)
def test_a_version_may_say_so(old: str, new: str, breaking: bool) -> None:
    assert breaking_version(old, new) is breaking
