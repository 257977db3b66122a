"""Under the grammar a model that knows nothing calls tools as the family writes it, and the parser reads it back."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import jsonschema
import numpy as np
import pytest
from gen import inference_pb2 as pb

from internal.errors import InvalidRequestError
from internal.inference.constrain import Grammar, Vocabulary
from internal.inference.tool_families import FAMILIES, HERMES, LLAMA3, Family
from internal.inference.tool_grammar import MAX_CALLS, tool_grammar
from internal.inference.tool_parsing import OutputParser

WORDS = [b'{"', b'":', b'"}', b"name", b"<tool", b"_call>", b"\n", b", ", b'"arguments": ']
EOS = 256 + len(WORDS)
MARKERS = ["<|python_tag|>", "[TOOL_CALLS]", "[ARGS]", "<think>", "</think>", "<tool_call>", "</tool_call>"]
TOKENS = [*(bytes([byte]) for byte in range(256)), *WORDS, b"<eos>", *(marker.encode() for marker in MARKERS)]
# Models that know the markers as special tokens, and models that spell them.
SPECIAL = Vocabulary(TOKENS, range(EOS, len(TOKENS)), [EOS])
SPELT = Vocabulary(TOKENS[: EOS + 1], [EOS], [EOS])
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
WEATHER = pb.Tool(name="weather", parameters_json=json.dumps(SCHEMA), strict=True)
CLOCK = pb.Tool(name="clock")
REQUIRED, AUTO = pb.ToolChoice(mode=pb.ToolChoice.REQUIRED), pb.ToolChoice()
CLOSING = {EOS, *b'"}]0123456789\n,:<>/think', *range(EOS, len(TOKENS))}

every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
every_vocabulary = pytest.mark.parametrize("vocabulary", [SPECIAL, SPELT], ids=["special", "spelt"])


def walk(grammar: Grammar, vocabulary: Vocabulary, seed: int, free_steps: int = 40) -> str:
    choose = random.Random(seed)
    matcher, written = grammar.matcher(), b""
    for step in range(5000):
        matcher.look()
        tokens = {int(t) for t in np.flatnonzero(np.unpackbits(matcher.mask, bitorder="little")[: vocabulary.size])}
        late = step > free_steps
        ends = sorted((late and (tokens & {EOS} or tokens & CLOSING)) or tokens)
        token = choose.choice(ends)
        matcher.accept(token)
        if token == EOS:
            return written.decode(errors="replace")
        written += TOKENS[token]
    raise AssertionError(f"no end: {written[-300:]!r}")


def accepts(grammar: Grammar, vocabulary: Vocabulary, text: str) -> bool:
    """Whether `text` is a whole output. Markers are special tokens where the vocabulary knows them."""
    matcher, position = grammar.matcher(), 0
    try:
        while position < len(text):
            marker = next((m for m in vocabulary.special if text.startswith(m, position)), "")
            for token in [vocabulary.special[marker]] if marker else text[position].encode():
                matcher.accept(token)
            position += len(marker) or 1
    except InvalidRequestError:
        return False
    return matcher.may_end


def read(
    text: str, family: Family, tools: Sequence[pb.Tool], *, thinking: bool = False
) -> tuple[str, list[tuple[str, str]]]:
    parser = OutputParser(family, [tool.name for tool in tools], thinking=thinking, reasoning_open=False, max_calls=128)
    deltas = [*parser.feed(text), *parser.flush()]
    calls: list[tuple[str, str]] = []
    for call in (call for delta in deltas for call in delta.tool_calls):
        if call.name:
            calls.append((call.name, ""))
        else:
            calls[-1] = (calls[-1][0], calls[-1][1] + call.arguments)
    return "".join(delta.text for delta in deltas), calls


@every_family
@every_vocabulary
def test_required_writes_calls_and_nothing_else(family: Family, vocabulary: Vocabulary) -> None:
    grammar = tool_grammar([WEATHER, CLOCK], REQUIRED, family, vocabulary)
    assert grammar is not None
    called = set()
    for seed in range(12):
        content, calls = read(walk(grammar, vocabulary, seed), family, [WEATHER, CLOCK])
        assert content == ""
        assert 1 <= len(calls) <= MAX_CALLS
        for name, arguments in calls:
            called.add(name)
            jsonschema.validate(json.loads(arguments), SCHEMA if name == "weather" else {"maxProperties": 0})
    assert called == {"weather", "clock"}


def test_arguments_that_are_not_listed_need_a_schema_that_speaks_of_them() -> None:
    number = {"type": "object", "properties": {"x": {"type": "integer"}}}
    listed = '<tool_call>\n{"name": "f", "arguments": {"x":1}}\n</tool_call>'
    more = listed.replace('"x":1', '"x":1,"y":2')
    for schema, takes_more in ((number, False), (number | {"additionalProperties": True}, True)):
        tool = pb.Tool(name="f", parameters_json=json.dumps(schema))
        grammar = tool_grammar([tool], REQUIRED, HERMES, SPELT)
        assert grammar is not None
        assert accepts(grammar, SPELT, listed)
        assert accepts(grammar, SPELT, more) is takes_more


@every_family
@every_vocabulary
def test_one_call_when_not_parallel_and_only_the_named_tool(family: Family, vocabulary: Vocabulary) -> None:
    choice = pb.ToolChoice(mode=pb.ToolChoice.REQUIRED, allowed=["clock"])
    grammar = tool_grammar([WEATHER, CLOCK], choice, family, vocabulary, parallel=False)
    assert grammar is not None
    for seed in range(4):
        assert read(walk(grammar, vocabulary, seed), family, [WEATHER, CLOCK]) == ("", [("clock", "{}")])


def written(family: Family, arguments: str) -> str:
    call = f'{{"name": "weather", "{family.arguments_key}": {arguments}}}'
    if family.named:
        call = f"weather{family.named}{arguments}"
    return "".join((*family.before_all, *family.before_each, call, *family.after_each, *family.after_all))


GOOD, BAD = '{"city":"x","days":2}', '{"city":"x"}'


@every_family
@every_vocabulary
def test_auto_leaves_text_free_and_holds_calls_to_strict_schemas(family: Family, vocabulary: Vocabulary) -> None:
    grammar = tool_grammar([WEATHER, CLOCK], AUTO, family, vocabulary)
    assert grammar is not None
    assert accepts(grammar, vocabulary, "")
    assert accepts(grammar, vocabulary, "Just <b>text</b> [1].\n")
    assert accepts(grammar, vocabulary, written(family, GOOD))
    assert not accepts(grammar, vocabulary, written(family, BAD))
    if not family.bare:
        assert accepts(grammar, vocabulary, "Let me see.\n" + written(family, GOOD))
        assert not accepts(grammar, vocabulary, "Let me see.\n" + written(family, BAD))


def test_a_marked_call_of_a_bare_family() -> None:
    grammar = tool_grammar([WEATHER], AUTO, LLAMA3, SPECIAL)
    assert grammar is not None
    assert accepts(grammar, SPECIAL, "So: <|python_tag|>" + written(LLAMA3, GOOD))
    assert not accepts(grammar, SPECIAL, "So: <|python_tag|>" + written(LLAMA3, BAD))


@every_family
@every_vocabulary
def test_reasoning_before_calls(family: Family, vocabulary: Vocabulary) -> None:
    may, opened = (
        tool_grammar([WEATHER], REQUIRED, family, vocabulary, thinking=True, reasoning_open=is_open)
        for is_open in (False, True)
    )
    assert may is not None
    assert opened is not None
    call = written(family, GOOD)
    assert accepts(may, vocabulary, call)
    assert accepts(may, vocabulary, f"<think>\nhm {{\n</think>\n\n{call}")
    assert not accepts(may, vocabulary, "<think>hm</think>")
    assert accepts(opened, vocabulary, f"hm {{</think>\n\n{call}")
    assert not accepts(opened, vocabulary, call)
    assert read(f"<think>\nhm\n</think>\n\n{call}", family, [WEATHER], thinking=True) == ("", [("weather", GOOD)])


def test_when_the_output_is_left_free() -> None:
    loose = pb.Tool(name="weather", parameters_json=json.dumps(SCHEMA))
    assert tool_grammar([loose], AUTO, HERMES, SPELT) is None
    assert tool_grammar([WEATHER], pb.ToolChoice(mode=pb.ToolChoice.NONE), HERMES, SPELT) is None
    assert tool_grammar([], AUTO, HERMES, SPELT) is None


def test_allowed_tools_bind_without_strictness() -> None:
    grammar = tool_grammar([pb.Tool(name="weather"), CLOCK], pb.ToolChoice(allowed=["clock"]), HERMES, SPELT)
    assert grammar is not None
    assert not accepts(grammar, SPELT, written(HERMES, "{}"))
    assert accepts(grammar, SPELT, written(HERMES, "{}").replace("weather", "clock"))


def test_choices_that_cannot_be_are_refused() -> None:
    for tools, choice in (([WEATHER], pb.ToolChoice(allowed=["nobody"])), ([], REQUIRED)):
        with pytest.raises(InvalidRequestError, match="tool_choice") as caught:
            tool_grammar(tools, choice, HERMES, SPELT)
        assert caught.value.param == "tool_choice"


@pytest.mark.parametrize(
    "parameters", ["{", '{"type": "string"}', '{"not": {}}', '{"properties": {"a": {"type": "text"}}}']
)
def test_schemas_that_are_not_supported(parameters: str) -> None:
    """They are refused where strictness was asked for; elsewhere as much of them as can be is kept."""
    with pytest.raises(InvalidRequestError, match=r"^Invalid schema for function 'f': .") as caught:
        tool_grammar([pb.Tool(name="f", parameters_json=parameters, strict=True)], AUTO, HERMES, SPELT)
    assert caught.value.param == "tools"
    grammar = tool_grammar([pb.Tool(name="f", parameters_json=parameters)], REQUIRED, HERMES, SPELT)
    assert grammar is not None
    ((_, arguments), *_) = read(walk(grammar, SPELT, 1), HERMES, [pb.Tool(name="f")])[1]
    assert isinstance(json.loads(arguments), dict)
